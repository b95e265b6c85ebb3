#include "serve/worker/batch.h"

#include <algorithm>

#include "base/log.h"

namespace corolla::worker {
namespace {

std::vector<int> doorbells(const FrontLink& front) {
  std::vector<int> fds;
  for (const Fd& fd : front.io_doorbells) fds.push_back(fd.get());
  return fds;
}

uint32_t us10(int64_t ns) {
  return static_cast<uint32_t>(std::clamp<int64_t>(ns / 100, 0, UINT32_MAX));
}

link::Outcome outcome_of(const Error& error) {
  switch (error.code) {
    case Code::kInvalidArgument:
    case Code::kTooLarge:
      return link::Outcome::kBadInput;
    case Code::kNotFound:
      return link::Outcome::kUnknownModel;
    default:
      return link::Outcome::kEngineFailed;
  }
}

}  // namespace

Session::Session(std::shared_ptr<FrontLink> link)
    : front(std::move(link)),
      submit(link::reply_region(front->reply), link::submit_region(front->submit)),
      completions(link::reply_region(front->reply), link::submit_region(front->submit),
                  doorbells(*front)) {}

Batch::Batch(std::shared_ptr<Session> session, std::span<const link::SubmitEntry> entries,
             ModelTable& models, int64_t picked_up_ns)
    : session_(std::move(session)),
      model_(models.use(session_->front->generation, entries[0].model)),
      picked_up_ns_(picked_up_ns),
      items_(entries.size()) {
  FrontLink& front = *session_->front;
  const auto region = front.reply.map.bytes();
  requests_.reserve(entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    Item& item = items_[i];
    item.entry = entries[i];
    if (!ReplySlot::fits(region.size(), item.entry.reply, item.entry.reply_capacity)) {
      log::error("bad_reply_slot",
                 {{"offset", item.entry.reply}, {"bytes", item.entry.reply_capacity}});
      item.reply.emplace(std::span<std::byte>(), 0, 0);
      item.outcome = Error{Code::kInternal, "the front's reply slot cannot be"};
      continue;
    }
    item.reply.emplace(region.subspan(item.entry.reply, item.entry.reply_capacity),
                       item.entry.reply, item.entry.outputs_wanted);
    if (!model_) {
      item.outcome = Error{Code::kNotFound, "the model is not loaded here"};
      continue;
    }
    item.outcome = read_request(front, item.entry, *model_->model, model_->max_batch, item.inputs);
    if (!item.outcome.ok()) {
      if (item.outcome.error().code != Code::kInvalidArgument)
        log::error("bad_request_slot", {{"why", item.outcome.error().what}});
      continue;
    }
    if (rows_ != 0 && rows_ + item.inputs.rows > std::max(1, model_->max_batch)) {
      item.outcome =
          Error{Code::kInternal, "the front joined more rows into a batch than the model takes"};
      continue;
    }
    rows_ += item.inputs.rows;
    item.runs = true;
    item.request = requests_.size();
    requests_.push_back(
        {.inputs = item.inputs.inputs, .rows = item.inputs.rows, .reply = &*item.reply});
  }
}

link::Completion Batch::answer(Item& item, const Status& status) {
  link::Completion completion{
      .request = item.entry.request, .batch = item.entry.batch, .outcome = link::Outcome::kOk};
  Status outcome = item.outcome;
  if (item.runs) {
    outcome = requests_[item.request].outcome;
    // The engine's own trouble counts first, the client's cut memory next: what was computed from
    // it is worthless.
    if (!status.ok())
      outcome = status;
    else if (item.inputs.broken())
      outcome = Error{
          Code::kInvalidArgument,
          "the client's shared memory has pages that cannot be had: it was cut short while it was "
          "registered, or /dev/shm is full; register it again"};
  }
  if (!outcome.ok()) {
    completion.outcome =
        item.runs && !status.ok() ? link::Outcome::kEngineFailed : outcome_of(outcome.error());
    completion.bytes = item.reply->fail(outcome.error().what);
  } else if (item.reply->too_small()) {
    completion.outcome = link::Outcome::kReplyTooSmall;
    completion.bytes = item.reply->needed();
  } else {
    item.reply->finish(static_cast<uint32_t>(item.inputs.rows));
    completion.bytes = item.reply->needed();
  }
  return completion;
}

void Batch::complete(const Status& status, const engine::Timing& timing) {
  const size_t threads = session_->front->io_doorbells.size();
  for (Item& item : items_) {
    link::Completion completion = answer(item, status);
    completion.batch_rows = static_cast<uint32_t>(rows_);
    completion.picked_up_ns = picked_up_ns_;
    completion.input_us10 = us10(timing.input_ns);
    completion.infer_us10 = us10(timing.infer_ns);
    completion.output_us10 = us10(timing.output_ns);
    completion.last = &item == &items_.back();
    // A thread that does not exist would never look: any that does can find the request by its
    // number.
    session_->completions.push(item.entry.io_thread < threads ? item.entry.io_thread : 0,
                               completion);
  }
}

}  // namespace corolla::worker
