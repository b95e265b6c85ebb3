// Result<T>: a value, or an Error that says whose fault it was.
//
// Three kinds of failure, three answers:
//   the caller's fault  -> Error, mapped once by wire/ to an HTTP status or a gRPC code;
//   the world's fault   -> Error, retried or reported by whoever owns the policy;
//   our own fault (bug) -> CHECK (base/check.h): the process dies and its supervisor restarts it.
// No exception crosses a room's edge.
#pragma once
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace corolla {

enum class Code {
  kInvalidArgument,   // the request or the file is wrong: 400
  kNotFound,          // no such model, region, path: 404
  kAlreadyExists,     // registered before: 409
  kOverloaded,        // refused at the door, come back later: 503 with Retry-After
  kDeadlineExceeded,  // cannot be, or was not, finished in time: 503
  kUnavailable,       // nobody there to do it now: 503
  kBusy,              // in use; the sentence says by whom
  kPermission,        // the operating system said no
  kTooLarge,          // over a limit that the sentence names: 413
  kUnsupported,       // understood, and not offered: 501
  kCancelled,         // the client has gone
  kInternal,          // the engine or the machine failed: 500
};

// "INVALID_ARGUMENT" and so on: stable, for logs and --json.
const char* code_name(Code code);

struct Error {
  Code code = Code::kInternal;
  std::string what;  // one sentence that names the thing, the number and what to do
  bool operator==(const Error&) const = default;
};

struct Ok {};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : v_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : v_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return v_.index() == 0; }
  bool ok() const { return v_.index() == 0; }

  // REQUIRES: ok().
  T& operator*() & { return value(); }
  const T& operator*() const& { return const_cast<Result*>(this)->value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &const_cast<Result*>(this)->value(); }

  // REQUIRES: !ok().
  const Error& error() const& {
    CHECK(v_.index() == 1);
    return *std::get_if<1>(&v_);
  }
  Error&& error() && {
    CHECK(v_.index() == 1);
    return std::move(*std::get_if<1>(&v_));
  }

 private:
  T& value() {
    CHECK(v_.index() == 0, std::get_if<1>(&v_)->what);
    return *std::get_if<0>(&v_);
  }
  std::variant<T, Error> v_;
};

using Status = Result<Ok>;
inline Status ok() { return Ok{}; }

// Returns the Error of `expr` from the enclosing function, if it has one.
#define RETURN_IF_ERROR(expr)                                 \
  do {                                                        \
    if (auto corolla_status_ = (expr); !corolla_status_.ok()) \
      return std::move(corolla_status_).error();              \
  } while (0)

// ASSIGN_OR_RETURN(auto x, f()): x = *f(), or return its Error.
#define COROLLA_CONCAT_(a, b) a##b
#define COROLLA_CONCAT(a, b) COROLLA_CONCAT_(a, b)
#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_(COROLLA_CONCAT(corolla_result_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_(tmp, lhs, expr)       \
  auto tmp = (expr);                            \
  if (!tmp.ok()) return std::move(tmp).error(); \
  lhs = *std::move(tmp)

}  // namespace corolla
