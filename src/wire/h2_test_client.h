// For tests: a blocking HTTP/2 client on nghttp2's client side, which can also send what no client
// should.
#pragma once
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>

#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wire/loopback_server.h"

namespace corolla::wire::loopback {

// A gRPC message with its prefix.
inline std::string framed(std::string_view message, char flag = 0) {
  const auto n = static_cast<uint32_t>(message.size());
  std::string out = {flag, static_cast<char>(n >> 24), static_cast<char>(n >> 16),
                     static_cast<char>(n >> 8), static_cast<char>(n)};
  return out += message;
}

class H2Client {
 public:
  struct Answer {
    std::map<std::string, std::string> headers;  // trailers too
    std::string body;
    bool closed = false;
    uint32_t error = 0;  // of RST_STREAM
    size_t header_blocks = 0;
    std::string status() const {
      const auto at = headers.find("grpc-status");
      return at == headers.end() ? "none" : at->second;
    }
    std::string message() const {
      const auto at = headers.find("grpc-message");
      return at == headers.end() ? "" : at->second;
    }
    // The body's messages, without their prefixes.
    std::vector<std::string> messages() const {
      std::vector<std::string> out;
      for (size_t at = 0; at + 5 <= body.size();) {
        uint32_t n = 0;
        for (int i = 1; i < 5; ++i) n = n << 8 | static_cast<uint8_t>(body[at + i]);
        out.push_back(body.substr(at + 5, n));
        at += 5 + n;
      }
      return out;
    }
  };

  // `window` below 64 KB is never given back.
  explicit H2Client(uint16_t port, uint32_t window = 1 << 30, int receive_buffer = 0)
      : tcp_(port, receive_buffer) {
    nghttp2_session_callbacks* c;
    nghttp2_session_callbacks_new(&c);
    nghttp2_session_callbacks_set_on_header_callback(
        c, [](nghttp2_session*, const nghttp2_frame* f, const uint8_t* n, size_t nl,
              const uint8_t* v, size_t vl, uint8_t, void* user) {
          auto& a = self(user).answers[f->hd.stream_id];
          a.headers[std::string(reinterpret_cast<const char*>(n), nl)] =
              std::string(reinterpret_cast<const char*>(v), vl);
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        c, [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* d, size_t n, void* user) {
          self(user).answers[id].body.append(reinterpret_cast<const char*>(d), n);
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        c, [](nghttp2_session*, const nghttp2_frame* f, void* user) {
          H2Client& me = self(user);
          if (f->hd.type == NGHTTP2_HEADERS) ++me.answers[f->hd.stream_id].header_blocks;
          if (f->hd.type == NGHTTP2_GOAWAY)
            me.goaways.emplace_back(f->goaway.last_stream_id, f->goaway.error_code);
          if (f->hd.type == NGHTTP2_PING && (f->hd.flags & NGHTTP2_FLAG_ACK)) ++me.pongs;
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        c, [](nghttp2_session*, int32_t id, uint32_t error, void* user) {
          self(user).answers[id].closed = true;
          self(user).answers[id].error = error;
          return 0;
        });
    nghttp2_option* option;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, window < 65535);
    nghttp2_session_client_new2(&session_, c, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(c);
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window}};
    nghttp2_submit_settings(session_, 0, settings, 1);
    nghttp2_session_set_local_window_size(session_, 0, 0, 1 << 30);
  }
  ~H2Client() { nghttp2_session_del(session_); }

  using Headers = std::vector<std::pair<std::string, std::string>>;
  static Headers grpc_headers(std::string path, const Headers& more = {}) {
    Headers h = {{":method", "POST"},    {":scheme", "http"}, {":path", std::move(path)},
                 {":authority", "test"}, {"te", "trailers"},  {"content-type", "application/grpc"}};
    h.insert(h.end(), more.begin(), more.end());
    return h;
  }

  // Opens a stream. Its body goes by data().
  int32_t open(const Headers& headers, bool end = false) {
    std::vector<nghttp2_nv> nv;
    for (const auto& [n, v] : headers)
      nv.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(n.data())),
                    reinterpret_cast<uint8_t*>(const_cast<char*>(v.data())), n.size(), v.size(),
                    NGHTTP2_NV_FLAG_NONE});
    auto source = std::make_unique<Source>();
    nghttp2_data_provider provider{.source = {.ptr = source.get()}, .read_callback = &read};
    const int32_t id = nghttp2_submit_request(session_, nullptr, nv.data(), nv.size(),
                                              end ? nullptr : &provider, nullptr);
    EXPECT_GT(id, 0);
    sources_[id] = std::move(source);
    return id;
  }
  void data(int32_t id, std::string_view bytes, bool end = false) {
    sources_[id]->bytes += bytes;
    sources_[id]->end = end;
    nghttp2_session_resume_data(session_, id);
  }
  int32_t call(const std::string& path, std::string_view message, const Headers& more = {}) {
    const int32_t id = open(grpc_headers(path, more));
    data(id, framed(message), true);
    return id;
  }
  void reset(int32_t id) { nghttp2_submit_rst_stream(session_, 0, id, NGHTTP2_CANCEL); }
  void ping() { nghttp2_submit_ping(session_, 0, nullptr); }

  // Sends what is due, as far as windows allow.
  bool flush() {
    const uint8_t* out;
    ssize_t n;
    std::string all;
    while ((n = nghttp2_session_mem_send(session_, &out)) > 0) {
      all.append(reinterpret_cast<const char*>(out), static_cast<size_t>(n));
      if (all.size() > (1 << 20)) {
        if (!tcp_.send(all)) return false;
        all.clear();
      }
    }
    return n == 0 && (all.empty() || tcp_.send(all));
  }
  // All that flush() would send, to be cut up by the test.
  std::string take_output() {
    const uint8_t* out;
    std::string all;
    for (ssize_t n; (n = nghttp2_session_mem_send(session_, &out)) > 0;)
      all.append(reinterpret_cast<const char*>(out), static_cast<size_t>(n));
    return all;
  }
  bool send_raw(std::string_view bytes) { return tcp_.send(bytes); }

  // Sends and receives until `done`. False: the connection ended, or nothing came for so long.
  template <class Done>
  bool until(Done done, int patience_ms = 10'000) {
    while (true) {
      if (!flush()) return done();
      if (done()) return true;
      pollfd wait{.fd = tcp_.fd(), .events = POLLIN};
      if (::poll(&wait, 1, patience_ms) <= 0) return false;
      char room[64 << 10];
      const ssize_t n = ::recv(tcp_.fd(), room, sizeof room, 0);
      if (n <= 0) {
        ended = true;
        return done();
      }
      if (nghttp2_session_mem_recv(session_, reinterpret_cast<uint8_t*>(room),
                                   static_cast<size_t>(n)) < 0)
        return false;
    }
  }
  const Answer& wait(int32_t id) {
    EXPECT_TRUE(until([&] { return answers[id].closed || ended; })) << "stream " << id;
    return answers[id];
  }
  bool wait_end() {
    return until([&] { return ended; });
  }
  nghttp2_session* session() { return session_; }
  Client& tcp() { return tcp_; }

  std::map<int32_t, Answer> answers;
  std::vector<std::pair<int32_t, uint32_t>> goaways;
  int pongs = 0;
  bool ended = false;

 private:
  struct Source {
    std::string bytes;
    size_t at = 0;
    bool end = false;
  };
  static H2Client& self(void* user) { return *static_cast<H2Client*>(user); }
  static ssize_t read(nghttp2_session*, int32_t, uint8_t* to, size_t length, uint32_t* flags,
                      nghttp2_data_source* source, void*) {
    auto& s = *static_cast<Source*>(source->ptr);
    const size_t n = std::min(length, s.bytes.size() - s.at);
    std::memcpy(to, s.bytes.data() + s.at, n);
    s.at += n;
    if (s.at == s.bytes.size() && s.end) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return n == 0 && !s.end ? static_cast<ssize_t>(NGHTTP2_ERR_DEFERRED) : static_cast<ssize_t>(n);
  }

  Client tcp_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, std::unique_ptr<Source>> sources_;
};

}  // namespace corolla::wire::loopback
