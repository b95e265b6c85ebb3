// HTTP/1.1 for clients: one keep-alive connection, one request at a time.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "wire/client_address.h"
#include "wire/client_call.h"
#include "wire/event_loop.h"

namespace corolla::wire {

// Fills in call.head from its method, path, headers and body; `host` becomes the Host header.
// Called once, after which the call is read only. `json_size`: the Inference-Header-Content-Length
// of a body with binary tensors.
void finish_http_call(ClientCall& call, std::string_view host,
                      std::optional<size_t> json_size = std::nullopt);

// A call is tried once more, on a new connection, when the server closed a connection that had been
// used before without a byte of the answer: that is how a keep-alive limit looks from here.
std::unique_ptr<ClientConnection> make_http_connection(EventLoop& loop,
                                                       const ClientAddress& address);

}  // namespace corolla::wire
