// TLS over a socket with OpenSSL: at least version 1.2, ALPN offering h2 and http/1.1, no
// renegotiation. The handshake does not block: its connection drives it (Stream::handshake) and
// gives it a timeout.
//
// Threads: a context may be shared by all; a stream belongs to its loop.
#pragma once
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "wire/stream.h"

struct ssl_ctx_st;

namespace corolla::wire {

class TlsContext {
 public:
  // `certificates`: PEM, the server's own first and then the chain. `key`: its private key, PEM,
  // without a passphrase. kInvalidArgument says which of both is wrong. `offer_http2` and
  // `offer_http1`: what ALPN may choose; h2 is preferred.
  static Result<std::shared_ptr<TlsContext>> create(const std::string& certificates,
                                                    const std::string& key, bool offer_http2 = true,
                                                    bool offer_http1 = true);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  ssl_ctx_st* get() const { return context_; }
  bool offers_http2() const { return offer_http2_; }
  bool offers_http1() const { return offer_http1_; }

 private:
  TlsContext(ssl_ctx_st* context, bool offer_http2, bool offer_http1)
      : context_(context), offer_http2_(offer_http2), offer_http1_(offer_http1) {}
  ssl_ctx_st* context_;
  bool offer_http2_, offer_http1_;
};

// The server's side. Takes a connected socket, as make_plain_stream() does. kInternal when OpenSSL
// has no memory.
Result<std::unique_ptr<Stream>> make_tls_stream(Fd socket, std::shared_ptr<TlsContext> context);

}  // namespace corolla::wire
