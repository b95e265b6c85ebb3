#include "wire/greeter.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "wire/http1_connection.h"
#include "wire/http1_reply.h"

namespace corolla::wire {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr Duration kFarewellTime = std::chrono::seconds(1);

}  // namespace

Greeter::Greeter(ConnectionSet& set, std::unique_ptr<Stream> stream,
                 std::shared_ptr<const ListenerOptions> options)
    : set_(set),
      stream_(std::move(stream)),
      options_(std::move(options)),
      since_(set.loop().now()),
      fd_(stream_->fd()) {}

void Greeter::start() { proceed(); }

void Greeter::on_events(uint32_t events) {
  if (events & EPOLLERR) return close();
  proceed();
}

void Greeter::proceed() {
  if (!shaken_ && !shake_hands()) return;
  if (options_->speaks != Speaks::kEither) return become(options_->speaks);
  if (stream_->alpn() == "h2") return become(Speaks::kHttp2);
  if (stream_->alpn() == "http/1.1") return become(Speaks::kHttp1);
  read_preface();
}

bool Greeter::shake_hands() {
  const IoResult result = stream_->handshake();
  if (result.done()) return shaken_ = true;
  if (result.blocked()) {
    wait_for(result.needs);
    return false;
  }
  set_.counters().tls_failed.add();
  close();
  return false;
}

void Greeter::read_preface() {
  while (true) {
    // No more than needed: what follows is for the connection to read where it belongs.
    std::array<std::byte, kPreface.size()> room;
    const IoResult result = stream_->read(std::span(room).first(kPreface.size() - early_.size()));
    if (result.blocked()) return wait_for(result.needs);
    if (!result.done()) return close();
    early_.append(reinterpret_cast<const char*>(room.data()), result.bytes);
    if (!kPreface.starts_with(early_)) return become(Speaks::kHttp1);
    if (early_.size() == kPreface.size()) return become(Speaks::kHttp2);
  }
}

void Greeter::become(Speaks speaks) {
  if (std::exchange(watched_, false)) set_.loop().unwatch(fd_);
  gone_ = true;
  if (speaks == Speaks::kHttp2)
    set_.replace(*this, options_->http2(set_, std::move(stream_), early_));
  else
    set_.replace(*this, std::make_unique<Http1Connection>(set_, std::move(stream_), early_));
}

void Greeter::close() {
  if (std::exchange(gone_, true)) return;
  if (std::exchange(watched_, false)) set_.loop().unwatch(fd_);
  set_.remove(*this);
}

void Greeter::wait_for(uint32_t events) {
  if (watched_) {
    set_.loop().change(fd_, events);
  } else if (set_.loop().watch(fd_, events, *this).ok()) {
    watched_ = true;
  } else {
    close();
  }
}

void Greeter::drain() { close(); }

void Greeter::abort() { close(); }

void Greeter::sweep(TimePoint now) {
  // Who says nothing at all may be a pool's spare connection; who has begun must go on.
  const bool begun = !early_.empty() || !shaken_;
  if (now - since_ < (begun ? set_.limits().header_timeout : set_.limits().idle_timeout)) return;
  set_.counters().timed_out.add();
  close();
}

Farewell::Farewell(ConnectionSet& set, std::unique_ptr<Stream> stream, std::string_view why)
    : set_(set),
      stream_(std::move(stream)),
      answer_(closing_answer(503, why)),
      since_(set.loop().now()) {}

void Farewell::start() {
  // It fits any socket's buffer; if not, the client is beyond our help.
  const iovec part{answer_.data(), answer_.size()};
  const bool written = stream_->write(std::span(&part, 1)).done();
  stream_->shutdown_write();
  // Closing now would reset the connection as soon as its request arrives, and the client might
  // never see the answer.
  if (!written || !set_.loop().watch(stream_->fd(), EPOLLIN, *this).ok()) {
    gone_ = true;
    set_.remove(*this);
  }
}

void Farewell::on_events(uint32_t) {
  std::array<std::byte, 16 << 10> dropped;
  const IoResult result = stream_->read(dropped);
  if (!result.done() && !result.blocked()) close();
}

void Farewell::sweep(TimePoint now) {
  if (now - since_ >= kFarewellTime) close();
}

void Farewell::close() {
  if (std::exchange(gone_, true)) return;
  set_.loop().unwatch(stream_->fd());
  set_.remove(*this);
}

}  // namespace corolla::wire
