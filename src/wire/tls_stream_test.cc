#include "wire/tls_stream.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <string>

#include "wire/loopback_server.h"

namespace corolla::wire {
namespace {

using namespace loopback;
using std::chrono::milliseconds;

struct Identity {
  std::string certificate, key;
};

std::string text_of(BIO* bio) {
  char* data;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

// A certificate that vouches for itself.
Identity make_identity() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  X509_sign(certificate, key, EVP_sha256());
  BIO* certificate_text = BIO_new(BIO_s_mem());
  BIO* key_text = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate_text, certificate);
  PEM_write_bio_PrivateKey(key_text, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return {text_of(certificate_text), text_of(key_text)};
}

const Identity& identity() {
  static const Identity made = make_identity();
  return made;
}

// OpenSSL's own client over a blocking socket.
class TlsClient {
 public:
  explicit TlsClient(uint16_t port, std::string alpn = {}, int version = 0)
      : socket_(port), context_(SSL_CTX_new(TLS_client_method())) {
    if (version != 0) {
      SSL_CTX_set_security_level(context_, 0);
      SSL_CTX_set_min_proto_version(context_, version);
      SSL_CTX_set_max_proto_version(context_, version);
    }
    ssl_ = SSL_new(context_);
    std::string wire;
    for (size_t at = 0; at < alpn.size();) {
      const size_t end = std::min(alpn.find(',', at), alpn.size());
      wire += static_cast<char>(end - at);
      wire += alpn.substr(at, end - at);
      at = end + 1;
    }
    if (!wire.empty())
      SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(wire.data()),
                          static_cast<unsigned>(wire.size()));
    SSL_set_fd(ssl_, socket_.fd());
    connected_ = SSL_connect(ssl_) == 1;
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  bool connected() const { return connected_; }
  std::string alpn() const {
    const unsigned char* name;
    unsigned size;
    SSL_get0_alpn_selected(ssl_, &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }
  bool send(std::string_view text) {
    size_t n;
    return SSL_write_ex(ssl_, text.data(), text.size(), &n) == 1 && n == text.size();
  }
  // Until `size` bytes have come, or the end.
  std::string receive(size_t size) {
    std::string text(size, '\0');
    size_t have = 0, n;
    while (have < size && SSL_read_ex(ssl_, text.data() + have, size - have, &n) == 1) have += n;
    text.resize(have);
    return text;
  }
  bool said_goodbye() {
    char c;
    const int code = SSL_read(ssl_, &c, 1);
    return SSL_get_error(ssl_, code) == SSL_ERROR_ZERO_RETURN;
  }
  SSL* ssl() { return ssl_; }
  Client& socket() { return socket_; }

 private:
  Client socket_;
  SSL_CTX* context_;
  SSL* ssl_;
  bool connected_;
};

// Says who it is and goes: what stands for HTTP/2 here.
class StandIn : public Connection {
 public:
  StandIn(ConnectionSet& set, std::unique_ptr<Stream> stream, std::string_view early)
      : set_(set), stream_(std::move(stream)), text_("two:" + std::string(early)) {}
  void start() override {
    const iovec part{text_.data(), text_.size()};
    stream_->write(std::span(&part, 1));
    stream_->shutdown_write();
    set_.remove(*this);
  }
  void drain() override {}
  void sweep(TimePoint) override {}
  void abort() override {}

 private:
  ConnectionSet& set_;
  std::unique_ptr<Stream> stream_;
  std::string text_;
};

ListenerOptions tls_options() {
  return {.speaks = Speaks::kEither,
          .http2 =
              [](ConnectionSet& set, std::unique_ptr<Stream> stream, std::string_view early) {
                return std::make_unique<StandIn>(set, std::move(stream), early);
              },
          .tls = *TlsContext::create(identity().certificate, identity().key)};
}

std::string expected_echo(const std::string& body) {
  const std::string text = "POST /x? " + body;
  return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " +
         std::to_string(text.size()) + "\r\n\r\n" + text;
}

TEST(TlsContext, SaysWhatIsWrong) {
  const auto error = [](const std::string& certificate, const std::string& key) {
    const auto context = TlsContext::create(certificate, key);
    return context.ok() ? std::string() : context.error().what;
  };
  EXPECT_EQ(error(identity().certificate, identity().key), "");
  EXPECT_NE(error("", identity().key).find("certificate"), std::string::npos);
  EXPECT_NE(error(identity().key, identity().key).find("certificate"), std::string::npos);
  EXPECT_NE(error(identity().certificate, "rubbish").find("key"), std::string::npos);
  EXPECT_NE(error(identity().certificate, make_identity().key).find("does not belong"),
            std::string::npos);
}

TEST(TlsStream, ServesHttp1OnOneConnection) {
  EchoHandler handler;
  LoopbackServer server(handler, {}, tls_options());
  TlsClient client(server.port());
  ASSERT_TRUE(client.connected());
  for (const size_t size : {0, 10, 4096, 16384, 16385, 602294, 3000000}) {
    const std::string body(size, 'b');
    std::string text = post(body);
    std::thread sender([&] { EXPECT_TRUE(client.send(text)); });
    sender.join();
    EXPECT_EQ(client.receive(expected_echo(body).size()), expected_echo(body)) << size;
  }
  ASSERT_TRUE(client.send(post("a") + post("b") + post("c", "Connection: close\r\n")));
  const std::string two = expected_echo("a") + expected_echo("b");
  EXPECT_EQ(client.receive(two.size()), two);
  EXPECT_NE(client.receive(10000).find("Connection: close"), std::string::npos);
  EXPECT_TRUE(client.said_goodbye());
}

TEST(TlsStream, AlpnDecidesAndElseThePreface) {
  EchoHandler handler;
  LoopbackServer server(handler, {}, tls_options());
  {
    TlsClient client(server.port(), "http/1.1,h2");
    EXPECT_EQ(client.alpn(), "h2");
    EXPECT_EQ(client.receive(100), "two:");
    EXPECT_TRUE(client.said_goodbye());
  }
  {
    TlsClient client(server.port(), "http/1.1");
    EXPECT_EQ(client.alpn(), "http/1.1");
    ASSERT_TRUE(client.send(post("x")));
    EXPECT_EQ(client.receive(expected_echo("x").size()), expected_echo("x"));
  }
  {
    TlsClient client(server.port());
    ASSERT_TRUE(client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    EXPECT_EQ(client.receive(100), "two:PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  }
  EXPECT_FALSE(TlsClient(server.port(), "spdy/3").connected());
}

TEST(TlsStream, RefusesOldVersionsAndPlainText) {
  EchoHandler handler;
  LoopbackServer server(handler, {}, tls_options());
  EXPECT_TRUE(TlsClient(server.port(), {}, TLS1_2_VERSION).connected());
  EXPECT_TRUE(TlsClient(server.port(), {}, TLS1_3_VERSION).connected());
  EXPECT_FALSE(TlsClient(server.port(), {}, TLS1_1_VERSION).connected());
  Client plain(server.port());
  ASSERT_TRUE(plain.send(post("x")));
  EXPECT_EQ(plain.receive().status, 0);
  server.on_loop(0, [&] {
    EXPECT_EQ(server.set().counters().tls_failed.get(), 2u);
    EXPECT_EQ(handler.heads.get(), 0);
  });
}

TEST(TlsStream, AHandshakeThatStandsStillTimesOut) {
  EchoHandler handler;
  LoopbackServer server(handler, {.header_timeout = milliseconds(50)}, tls_options());
  Client client(server.port());
  ASSERT_TRUE(client.send("\x16\x03\x01"));
  EXPECT_EQ(client.receive().status, 0);
  server.on_loop(0, [&] { EXPECT_EQ(server.set().counters().timed_out.get(), 1u); });
}

TEST(TlsStream, ALargeAnswerToASlowReader) {
  EchoHandler handler;
  std::string big(6 << 20, 'z');
  handler.at_end = [&](EchoHandler::Call& call) {
    Exchange& exchange = call.exchange;
    handler.forget(exchange);
    Reply reply;
    for (size_t at = 0; at < big.size(); at += 10000)
      reply.pieces.emplace_back(
          std::as_bytes(std::span(big).subspan(at, std::min<size_t>(10000, big.size() - at))));
    reply.content_type = "text/plain";
    reply.release = [&] { handler.releases.add(); };
    exchange.reply(std::move(reply));
  };
  LoopbackServer server(handler, {}, tls_options());
  TlsClient client(server.port());
  ASSERT_TRUE(client.send(post("x")));
  ASSERT_TRUE(handler.ends.reaches(1));
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " +
                           std::to_string(big.size()) + "\r\n\r\n";
  EXPECT_EQ(client.receive(head.size() + big.size()), head + big);
  EXPECT_TRUE(handler.releases.reaches(1));
}

TEST(TlsStream, KeyUpdatesAndAbruptEndsDoNoHarm) {
  EchoHandler handler;
  LoopbackServer server(handler, {}, tls_options());
  TlsClient client(server.port(), {}, TLS1_3_VERSION);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    ASSERT_TRUE(client.send(post("k")));
    EXPECT_EQ(client.receive(expected_echo("k").size()), expected_echo("k"));
  }
  ASSERT_TRUE(client.send(post("cut").substr(0, 30)));
  client.socket().reset();
  TlsClient next(server.port());
  ASSERT_TRUE(next.send(post("n")));
  EXPECT_EQ(next.receive(expected_echo("n").size()), expected_echo("n"));
}

}  // namespace
}  // namespace corolla::wire
