// `corolla classify`: pictures from disk through the fleet, as a person would.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "client/json_text.h"
#include "load/classify.h"
#include "load/interrupt.h"
#include "subcommand.h"

namespace corolla::app {
namespace {

using namespace corolla::load;

struct Options {
  ClassifyOptions classify;
  std::vector<std::string> files;
  std::string url, protocol = "http";
  bool json = false;
};

void print_text(const ClassifiedPicture& picture) {
  if (!picture.classes.ok()) {
    fprintf(stderr, "corolla: %s: %s\n", picture.path.c_str(),
            picture.classes.error().what.c_str());
    return;
  }
  printf("%s  (%.1f ms)\n", picture.path.c_str(), to_seconds(picture.took) * 1000);
  for (const client::Classified& one : *picture.classes) {
    const std::string label = one.label.empty() ? "class " + std::to_string(one.index) : one.label;
    printf("  %10.6f  %s (%lld)\n", one.score, label.c_str(), static_cast<long long>(one.index));
  }
  fflush(stdout);
}

// One JSON object a line.
void print_json(const ClassifiedPicture& picture) {
  std::string line = "{\"file\":" + client::json_string(picture.path);
  if (!picture.classes.ok()) {
    line += ",\"error\":" + client::json_string(picture.classes.error().what);
  } else {
    char ms[40];
    snprintf(ms, sizeof ms, "%.3f", to_seconds(picture.took) * 1000);
    line += std::string(",\"ms\":") + ms + ",\"classes\":[";
    for (const client::Classified& one : *picture.classes) {
      char score[40];
      snprintf(score, sizeof score, "%.9g", one.score);
      line += (&one == &picture.classes->front() ? "{\"score\":" : ",{\"score\":") +
              std::string(score) + ",\"index\":" + std::to_string(one.index) +
              ",\"label\":" + client::json_string(one.label) + "}";
    }
    line += "]";
  }
  printf("%s}\n", line.c_str());
  fflush(stdout);
}

int run(const Options& options) {
  const auto protocol = options.protocol == "grpc" ? wire::Protocol::kGrpc : wire::Protocol::kHttp;
  const int port = protocol == wire::Protocol::kGrpc ? 8001 : 8000;
  auto address = wire::resolve_address(options.url.empty() ? "127.0.0.1" : options.url, port);
  if (!address.ok()) return fail(kUsage, address.error().what);
  auto session = client::ServerSession::open(protocol, *address);
  if (!session.ok()) return fail(kFailed, session.error().what);
  const auto failed = classify(**session, options.files, options.classify,
                               options.json ? print_json : print_text, interrupt_flag());
  if (!failed.ok()) return fail(kFailed, failed.error().what);
  return *failed == 0 ? kSuccess : kFailed;
}

void add(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("classify", "Classify pictures through the fleet");
  sub->add_option("FILE", options->files, "JPEG or PNG files, or folders of them")
      ->required()
      ->type_name("PATH");
  sub->add_option("-u,--url", options->url,
                  "host:port; default: this machine, 8000 (HTTP) or 8001 (gRPC)");
  sub->add_option("-i,--protocol", options->protocol, "http or grpc")
      ->check(CLI::IsMember({"http", "grpc"}))
      ->capture_default_str();
  sub->add_option("-m,--model", options->classify.model, "The model")->capture_default_str();
  sub->add_option("-x,--model-version", options->classify.version, "Its version");
  sub->add_option("--top", options->classify.top, "Classes a picture")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  sub->add_option("--outstanding", options->classify.outstanding, "Pictures at a time")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  sub->add_flag("--json", options->json, "One JSON object a picture and line");
  examples(*sub, {{"corolla classify rose.jpg", "its five likeliest classes"},
                  {"corolla classify --top 1 --json pictures/", "a folder, for programs"}});
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

const Subcommand kClassify(40, add);

}  // namespace
}  // namespace corolla::app
