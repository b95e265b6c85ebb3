// The texts of gRPC over HTTP/2: what its headers mean. Pure; any thread.
#pragma once
#include <optional>
#include <string_view>

#include "base/time.h"
#include "wire/compression.h"

namespace corolla::wire {

// "application/grpc", "application/grpc+proto", with or without parameters; not grpc-web, and no
// other encoding than proto.
bool is_grpc_content_type(std::string_view content_type);

// Whether this path belongs to one of the gRPC services, whatever its content type says.
bool is_grpc_path(std::string_view path);

// Methods whose clients send any number of messages; all others send exactly one.
bool client_streams(std::string_view path);

// "250m" is 250 ms. nullopt: not as the specification has it (up to 8 digits and a unit of H M S m
// u n).
std::optional<Duration> parse_grpc_timeout(std::string_view text);

// grpc-encoding or content-encoding; nullopt: not offered here.
std::optional<Coding> parse_coding(std::string_view name);

// Whether a comma-separated list (grpc-accept-encoding) has `coding` in it.
bool accepts(std::string_view list, Coding coding);

inline constexpr std::string_view kGrpcAcceptEncoding = "identity,deflate,gzip";

}  // namespace corolla::wire
