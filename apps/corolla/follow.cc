#include "follow.h"

#include <cstdio>

#include "fleet/control.h"
#include "status_text.h"
#include "subcommand.h"

namespace corolla::app {
namespace {

int print_status(const std::string& fleet, bool json) {
  auto client = fleet::ControlClient::connect(fleet);
  if (!client.ok()) return fail(client.error());
  fleet::control::Request request;
  request.mutable_status();
  if (Status asked = client->ask(request); !asked.ok()) return fail(asked.error());
  auto answer = client->next(std::chrono::seconds(10));
  if (!answer.ok()) return fail(answer.error());
  const std::string text =
      json ? status_json(answer->status()) + "\n" : status_text(answer->status(), colours_wanted());
  std::fputs(text.c_str(), stdout);
  return kSuccess;
}

}  // namespace

int ask_and_follow(const std::string& fleet, const fleet::control::Request& request, bool json,
                   Duration limit) {
  auto client = fleet::ControlClient::connect(fleet);
  if (!client.ok()) return fail(client.error());
  if (Status asked = client->ask(request); !asked.ok()) return fail(asked.error());
  const TimePoint until = now() + limit;
  for (;;) {
    auto answer = client->next(until - now());
    if (!answer.ok()) return fail(answer.error());
    if (answer->has_progress()) std::fprintf(stderr, "%s\n", answer->progress().text().c_str());
    if (!answer->has_done()) continue;
    const Status done = fleet::ControlClient::status_of(answer->done());
    if (!done.ok()) return fail(done.error());
    return print_status(fleet, json);
  }
}

}  // namespace corolla::app
