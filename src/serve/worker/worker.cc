#include "serve/worker/worker.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/log.h"
#include "link/channel.h"
#include "link/options_text.h"
#include "serve/worker/control_loop.h"
#include "serve/worker/sigbus_guard.h"

namespace corolla::worker {
namespace {

constexpr auto kWelcomeLimit = std::chrono::seconds(10);
constexpr uint64_t kDefaultReplyBytes = 64 << 20;
constexpr uint64_t kMaxSpinUs = 20;

// Spinning helps only a thread that keeps nobody else from a core: when the process is pinned to
// some of the machine's cores and enough others are left for the front.
Duration default_spin() {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return Duration(0);
  const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
  const bool own = CPU_COUNT(&allowed) < online && online >= 4;
  return std::chrono::microseconds(own ? kMaxSpinUs : 0);
}

Result<Duration> take_spin(std::map<std::string, std::string>& options) {
  const auto found = options.find("spin_us");
  if (found == options.end()) return default_spin();
  uint64_t us = 0;
  const std::string text = found->second;
  options.erase(found);
  const auto end = text.data() + text.size();
  if (const auto parsed = std::from_chars(text.data(), end, us);
      parsed.ec != std::errc() || parsed.ptr != end || us > 1000000)
    return Error{Code::kInvalidArgument, "spin_us is '" + text + "'; it may be 0 to 1000000"};
  return Duration(std::chrono::microseconds(us));
}

struct Arguments {
  bool json = false;
  log::Level level = log::Level::kInfo;
};

Result<Arguments> parse_arguments(int argc, char** argv) {
  static constexpr std::pair<std::string_view, log::Level> kLevels[] = {
      {"debug", log::Level::kDebug},
      {"info", log::Level::kInfo},
      {"warn", log::Level::kWarn},
      {"error", log::Level::kError}};
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--log-json") {
      arguments.json = true;
    } else if (argument == "--log-level" && i + 1 < argc) {
      const std::string_view wanted = argv[++i];
      bool known = false;
      for (auto [name, level] : kLevels)
        if (name == wanted) arguments.level = level, known = true;
      if (!known)
        return Error{Code::kInvalidArgument, "unknown log level '" + std::string(wanted) + "'"};
    } else {
      return Error{Code::kInvalidArgument, "unknown option '" + std::string(argument) +
                                               "'; corolla starts its workers itself (corolla up)"};
    }
  }
  return arguments;
}

// The engine may have threads in the middle of something that cannot be stopped (compiling a
// model); nothing of ours needs cleaning up.
[[noreturn]] void leave(int code) {
  std::fflush(nullptr);
  std::_Exit(code);
}

Result<link::Received> welcome(link::Channel& keeper) {
  auto received = keeper.receive_within(kWelcomeLimit);
  if (received.ok() && !received->message.has_worker_welcome())
    return Error{Code::kInvalidArgument, "the keeper's first message was no welcome"};
  return received;
}

}  // namespace

int run_worker(int argc, char** argv, const engine::EngineFactory& make_engine) {
  const auto arguments = parse_arguments(argc, argv);
  if (!arguments.ok()) {
    std::fprintf(stderr, "%s: %s\n", argv[0], arguments.error().what.c_str());
    return kExitUsage;
  }
  log::init("worker", arguments->json, arguments->level);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGTERM, SIG_IGN);
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGPIPE, SIG_IGN);
  install_sigbus_guard();

  const auto fail = [](const Error& error) {
    log::error("worker_failed", {{"why", error.what}});
    return kExitUsage;
  };
  link::Channel keeper{Fd(link::kKeeperFd)};
  const auto received = welcome(keeper);
  if (!received.ok()) return fail(received.error());
  const link::WorkerWelcome& told = received->message.worker_welcome();
  log::init("worker " + std::to_string(told.worker()), arguments->json, arguments->level);

  auto options = link::parse_options(told.engine_options());
  if (!options.ok()) return fail(options.error());
  const auto spin = take_spin(*options);
  if (!spin.ok()) return fail(spin.error());
  engine::EngineSetup setup{
      .cache_dir = told.cache_dir(), .options = *options, .slice = told.slice().id()};
  KeeperSharing sharing;
  setup.sharing = &sharing;
  setup.cores.assign(told.slice().cores().begin(), told.slice().cores().end());
  auto engine = make_engine(setup);
  if (!engine.ok()) return fail(engine.error());

  link::Message hello;
  hello.mutable_worker_hello()->set_engine((*engine)->name());
  hello.mutable_worker_hello()->set_sm_count(static_cast<uint32_t>((*engine)->sm_count()));
  hello.mutable_worker_hello()->set_contexts(static_cast<uint32_t>((*engine)->contexts()));
  if (Status sent = keeper.send(hello); !sent.ok()) return fail(sent.error());
  log::info("worker_up",
            {{"slice", told.slice().id()}, {"engine", (*engine)->name()}, {"pid", ::getpid()}});

  ControlLoop control(std::move(keeper), **engine, sharing,
                      {.reply_bytes = told.reply_bytes() ? told.reply_bytes() : kDefaultReplyBytes,
                       .spin = *spin,
                       .engine_broken = [](const Error& error) {
                         log::error("engine_broken", {{"why", error.what}});
                         leave(kExitEngineBroken);
                       }});
  control.run();
  (*engine)->leaving();
  leave(kExitQuit);
}

}  // namespace corolla::worker
