#include "wire/tls_stream.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace corolla::wire {
namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using SslPtr = std::unique_ptr<SSL, Deleter<SSL_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>>;
using CertificatePtr = std::unique_ptr<X509, Deleter<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;

// The reason of OpenSSL's oldest error, and empties its queue: errors left there would be found by
// the next call.
std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "no reason given" : reason;
}

// A BIO over a Stream, since OpenSSL's own over a socket raises SIGPIPE.
int bio_write(BIO* bio, const char* data, int size) {
  auto& socket = *static_cast<Stream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const iovec part{const_cast<char*>(data), static_cast<size_t>(size)};
  const IoResult result = socket.write(std::span(&part, 1));
  if (result.done()) return static_cast<int>(result.bytes);
  if (result.blocked()) BIO_set_retry_write(bio);
  return -1;
}

int bio_read(BIO* bio, char* data, int size) {
  auto& socket = *static_cast<Stream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const iovec part{data, static_cast<size_t>(size)};
  const IoResult result = socket.read(std::span(&part, 1));
  if (result.done()) return static_cast<int>(result.bytes);
  if (result.blocked()) BIO_set_retry_read(bio);
  return result.state == IoResult::State::kEnd ? 0 : -1;
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    CHECK(made != nullptr, "OpenSSL has no memory");
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned offered_size, void* argument) {
  const auto* context = static_cast<const TlsContext*>(argument);
  for (const std::string_view wanted : {"h2", "http/1.1"}) {
    if (wanted == "h2" ? !context->offers_http2() : !context->offers_http1()) continue;
    for (unsigned at = 0; at < offered_size; at += 1 + offered[at]) {
      const std::string_view name(reinterpret_cast<const char*>(offered + at + 1),
                                  std::min<unsigned>(offered[at], offered_size - at - 1));
      if (name != wanted) continue;
      *out = offered + at + 1;
      *out_size = offered[at];
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301: no_application_protocol
}

class TlsStream final : public Stream {
 public:
  TlsStream(std::unique_ptr<Stream> socket, SslPtr ssl, std::shared_ptr<TlsContext> context)
      : socket_(std::move(socket)), context_(std::move(context)), ssl_(std::move(ssl)) {}

  int fd() const override { return socket_->fd(); }
  bool encrypted() const override { return true; }
  void reset_on_close() override { socket_->reset_on_close(); }
  bool has_buffered() const override { return SSL_pending(ssl_.get()) > 0; }

  IoResult handshake() override {
    ERR_clear_error();
    const int code = SSL_do_handshake(ssl_.get());
    return code == 1 ? IoResult{IoResult::State::kDone} : failure(code);
  }

  std::string_view alpn() const override {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }

  // Goes on from record to record until the room is full or the socket empty, so that less than
  // asked for means the same as for a plain socket.
  IoResult read(std::span<const iovec> parts) override {
    IoResult total{IoResult::State::kBlocked, 0, EPOLLIN};
    for (const iovec& part : parts) {
      size_t at = 0;
      while (at < part.iov_len) {
        size_t n = 0;
        ERR_clear_error();
        const int code =
            SSL_read_ex(ssl_.get(), static_cast<char*>(part.iov_base) + at, part.iov_len - at, &n);
        if (code != 1) {
          // Bytes first; the end or the error comes again at the next call.
          return total.bytes > 0 ? IoResult{IoResult::State::kDone, total.bytes} : failure(code);
        }
        at += n;
        total.bytes += n;
      }
    }
    total.state = IoResult::State::kDone;
    return total;
  }

  IoResult write(std::span<const iovec> parts) override {
    size_t written = 0, part = 0, at = 0;
    while (part < parts.size()) {
      if (at == parts[part].iov_len) {
        ++part;
        at = 0;
        continue;
      }
      // A record at a time, the most that OpenSSL wants to see again once it was blocked. Small
      // pieces share one: an answer's head and body would otherwise cost two, and two packets.
      const char* data = static_cast<const char*>(parts[part].iov_base) + at;
      size_t size = std::min(parts[part].iov_len - at, staging_.size());
      if (size < staging_.size() && part + 1 < parts.size()) {
        size = gather(parts.subspan(part), at);
        data = staging_.data();
      }
      size_t n = 0;
      ERR_clear_error();
      const int code = SSL_write_ex(ssl_.get(), data, size, &n);
      if (code != 1) {
        const IoResult result = failure(code);
        return written > 0 && result.blocked() ? IoResult{IoResult::State::kDone, written} : result;
      }
      written += n;
      for (at += n; part < parts.size() && at >= parts[part].iov_len; ++part)
        at -= parts[part].iov_len;
    }
    return {IoResult::State::kDone, written};
  }

  void shutdown_write() override {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
    socket_->shutdown_write();
  }

 private:
  IoResult failure(int code) {
    switch (SSL_get_error(ssl_.get(), code)) {
      case SSL_ERROR_WANT_READ:
        return {IoResult::State::kBlocked, 0, EPOLLIN};
      case SSL_ERROR_WANT_WRITE:
        return {IoResult::State::kBlocked, 0, EPOLLOUT};
      case SSL_ERROR_ZERO_RETURN:
        return {IoResult::State::kEnd};
    }
    ERR_clear_error();
    return {IoResult::State::kError};
  }

  size_t gather(std::span<const iovec> parts, size_t skip) {
    size_t size = 0;
    for (const iovec& part : parts) {
      const size_t n = std::min(part.iov_len - skip, staging_.size() - size);
      if (n > 0) memcpy(staging_.data() + size, static_cast<const char*>(part.iov_base) + skip, n);
      size += n;
      skip = 0;
      if (size == staging_.size()) break;
    }
    return size;
  }

  std::unique_ptr<Stream> socket_;
  std::shared_ptr<TlsContext> context_;
  SslPtr ssl_;

  std::array<char, 16 << 10> staging_;  // one record
};

Result<ContextPtr> load(const std::string& certificates, const std::string& key) {
  ContextPtr context(SSL_CTX_new(TLS_server_method()));
  const BioPtr certificate_text(
      BIO_new_mem_buf(certificates.data(), static_cast<int>(certificates.size())));
  const BioPtr key_text(BIO_new_mem_buf(key.data(), static_cast<int>(key.size())));
  if (!context || !certificate_text || !key_text)
    return Error{Code::kInternal, "OpenSSL cannot make a context: " + openssl_reason()};
  const CertificatePtr own(
      PEM_read_bio_X509_AUX(certificate_text.get(), nullptr, nullptr, nullptr));
  if (!own || SSL_CTX_use_certificate(context.get(), own.get()) != 1)
    return Error{Code::kInvalidArgument,
                 "the TLS certificate is no PEM certificate that can be used: " + openssl_reason()};
  while (X509* next = PEM_read_bio_X509(certificate_text.get(), nullptr, nullptr, nullptr))
    SSL_CTX_add0_chain_cert(context.get(), next);
  ERR_clear_error();  // the end of the text is one
  // Without a callback OpenSSL would ask for a passphrase on the terminal.
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  const KeyPtr private_key(
      PEM_read_bio_PrivateKey(key_text.get(), nullptr, no_passphrase, nullptr));
  if (!private_key)
    return Error{Code::kInvalidArgument,
                 "the TLS key is no PEM private key without a passphrase: " + openssl_reason()};
  if (SSL_CTX_use_PrivateKey(context.get(), private_key.get()) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1)
    return Error{Code::kInvalidArgument,
                 "the TLS key does not belong to the certificate: " + openssl_reason()};
  return context;
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::create(const std::string& certificates,
                                                       const std::string& key, bool offer_http2,
                                                       bool offer_http1) {
  constexpr size_t kMost = std::numeric_limits<int>::max();
  if (certificates.size() > kMost || key.size() > kMost)
    return Error{Code::kInvalidArgument, "the TLS certificate or key is larger than 2 GiB"};
  ASSIGN_OR_RETURN(ContextPtr context, load(certificates, key));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE |
                                         SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);  // tickets suffice
  std::shared_ptr<TlsContext> result(new TlsContext(context.release(), offer_http2, offer_http1));
  SSL_CTX_set_alpn_select_cb(result->get(), choose_protocol, result.get());
  return result;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

Result<std::unique_ptr<Stream>> make_tls_stream(Fd socket, std::shared_ptr<TlsContext> context) {
  std::unique_ptr<Stream> plain = make_plain_stream(std::move(socket));
  SslPtr ssl(SSL_new(context->get()));
  BIO* bio = ssl ? BIO_new(bio_method()) : nullptr;
  if (bio == nullptr)
    return Error{Code::kInternal, "OpenSSL cannot make a connection: " + openssl_reason()};
  BIO_set_data(bio, plain.get());
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl.get(), bio, bio);  // now the SSL's
  SSL_set_accept_state(ssl.get());
  return std::unique_ptr<Stream>(
      std::make_unique<TlsStream>(std::move(plain), std::move(ssl), std::move(context)));
}

}  // namespace corolla::wire
