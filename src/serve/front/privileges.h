// What the front does to itself before it meets the network.
#pragma once
#include "base/result.h"

namespace corolla::front {

// Dies with its parent (PR_SET_PDEATHSIG), can gain no privileges, ignores SIGPIPE and the
// terminal's signals (the keeper decides when to go); with `drop_privileges` as root becomes
// nobody, without groups. kPermission when the system refuses.
Status settle_in(bool drop_privileges);

}  // namespace corolla::front
