#include "wire/h2_callbacks.h"

#include <algorithm>
#include <memory>
#include <span>

#include "base/check.h"
#include "wire/h2_connection.h"
#include "wire/h2_exchange.h"
#include "wire/h2_output.h"

namespace corolla::wire {

H2Connection& H2Callbacks::connection(void* user) { return *static_cast<H2Connection*>(user); }

H2Exchange* H2Callbacks::exchange(nghttp2_session* session, int32_t id) {
  return static_cast<H2Exchange*>(nghttp2_session_get_stream_user_data(session, id));
}

int H2Callbacks::begin_frame(nghttp2_session* session, const nghttp2_frame_hd* hd, void* user) {
  H2Connection& c = connection(user);
  c.data_exchange_ = nullptr;
  switch (hd->type) {
    case NGHTTP2_DATA:
      if (hd->length == 0 && (hd->flags & NGHTTP2_FLAG_END_STREAM) == 0) c.charge_idle_frame();
      if (hd->flags & NGHTTP2_FLAG_PADDED) break;
      c.data_exchange_ = exchange(session, hd->stream_id);
      c.data_left_ = hd->length;
      break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_WINDOW_UPDATE:
      break;
    default:
      c.charge_idle_frame();
  }
  return 0;
}

int H2Callbacks::begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  H2Connection& c = connection(user);
  c.in_headers_ = true;
  c.headers_since_ = c.set_.loop().now();
  if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  c.exchanges_.push_back(std::make_unique<H2Exchange>(c, frame->hd.stream_id));
  nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, c.exchanges_.back().get());
  return 0;
}

int H2Callbacks::header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                        size_t name_length, const uint8_t* value, size_t value_length, uint8_t,
                        void*) {
  if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
    return 0;  // a client's trailers mean nothing to us
  if (H2Exchange* e = exchange(session, frame->hd.stream_id))
    e->add_header({reinterpret_cast<const char*>(name), name_length},
                  {reinterpret_cast<const char*>(value), value_length});
  return 0;
}

int H2Callbacks::frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  H2Connection& c = connection(user);
  const bool last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS: {
      c.in_headers_ = false;
      H2Exchange* e = exchange(session, frame->hd.stream_id);
      if (!e) break;
      if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) e->head_complete(last);
      if (last) e->input_ended();
      break;
    }
    case NGHTTP2_DATA:
      if (H2Exchange* e = last ? exchange(session, frame->hd.stream_id) : nullptr) e->input_ended();
      break;
    case NGHTTP2_SETTINGS:
      c.settled_ = true;
      break;
    case NGHTTP2_PING:
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) break;
      c.ping_out_ = false;
      if (std::equal(kDrainPing.begin(), kDrainPing.end(), frame->ping.opaque_data))
        c.last_goaway();
      break;
    default:
      break;
  }
  return 0;
}

int H2Callbacks::data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data,
                      size_t length, void* user) {
  H2Connection& c = connection(user);
  c.data_left_ -= std::min(c.data_left_, length);
  H2Exchange* e = exchange(session, id);
  const std::span bytes(reinterpret_cast<const std::byte*>(data), length);
  const size_t taken = e ? e->take(bytes) : length;
  nghttp2_session_consume(session, id, taken);
  if (!e || !e->blocked()) return 0;
  c.pause(*e, bytes.subspan(taken));
  return NGHTTP2_ERR_PAUSE;
}

int H2Callbacks::frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  // Its answer says that the client has seen the GOAWAY before it; nghttp2 would send a PING
  // submitted earlier first.
  if (frame->hd.type == NGHTTP2_GOAWAY && connection(user).draining_ &&
      !connection(user).last_goaway_sent_)
    nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, kDrainPing.data());
  // Answered before all of the request has come: the client may stop sending it.
  if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
      (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
    const H2Exchange* e = exchange(session, frame->hd.stream_id);
    if (e && !e->input_done())
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
  }
  return 0;
}

int H2Callbacks::stream_closed(nghttp2_session* session, int32_t id, uint32_t, void* user) {
  if (H2Exchange* e = exchange(session, id)) connection(user).remove(*e);
  return 0;
}

int H2Callbacks::send_data(nghttp2_session*, nghttp2_frame*, const uint8_t* head, size_t length,
                           nghttp2_data_source* source, void* user) {
  H2Output& output = connection(user).output_;
  output.append(std::as_bytes(std::span(head, 9)));
  static_cast<H2Exchange*>(source->ptr)->sent(length, output);
  return 0;
}

const nghttp2_session_callbacks* H2Callbacks::all() {
  static nghttp2_session_callbacks* const callbacks = [] {
    nghttp2_session_callbacks* c;
    CHECK(nghttp2_session_callbacks_new(&c) == 0);
    nghttp2_session_callbacks_set_on_begin_frame_callback(c, begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, frame_received);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, data);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, stream_closed);
    nghttp2_session_callbacks_set_send_data_callback(c, send_data);
    return c;
  }();
  return callbacks;
}

}  // namespace corolla::wire
