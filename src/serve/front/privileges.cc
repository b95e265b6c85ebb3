#include "serve/front/privileges.h"

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace corolla::front {
namespace {

constexpr uid_t kNobody = 65534;

Status checked(const char* call, int result) {
  if (result == 0) return ok();
  return Error{Code::kPermission, std::string(call) + " failed: " + std::strerror(errno)};
}

}  // namespace

Status settle_in(bool drop_privileges) {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGTERM, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  const pid_t parent = ::getppid();
  if (drop_privileges && ::geteuid() == 0) {
    RETURN_IF_ERROR(checked("setgroups", ::setgroups(0, nullptr)));
    RETURN_IF_ERROR(checked("setresgid", ::setresgid(kNobody, kNobody, kNobody)));
    RETURN_IF_ERROR(checked("setresuid", ::setresuid(kNobody, kNobody, kNobody)));
  }
  RETURN_IF_ERROR(checked("PR_SET_NO_NEW_PRIVS", ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)));
  // After the change of user, which clears it.
  RETURN_IF_ERROR(checked("PR_SET_PDEATHSIG", ::prctl(PR_SET_PDEATHSIG, SIGKILL)));
  if (::getppid() != parent) return Error{Code::kUnavailable, "the keeper is gone"};
  return ok();
}

}  // namespace corolla::front
