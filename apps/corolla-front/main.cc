// corolla-front: started by the keeper, never by hand.
#include <cstdio>

#include "base/log.h"
#include "link/channel.h"
#include "serve/front/front.h"
#include "serve/front/privileges.h"

int main() {
  using namespace corolla;
  link::Channel keeper{Fd(link::kKeeperFd)};
  auto welcome = keeper.receive_within(std::chrono::seconds(10));
  if (!welcome || !welcome->message.has_front_welcome()) {
    std::fprintf(stderr,
                 "corolla-front: it is started by `corolla up`, which has to speak to it on "
                 "descriptor %d%s%s\n",
                 link::kKeeperFd, welcome ? "" : ": ", welcome ? "" : welcome.error().what.c_str());
    return 2;
  }
  const auto& wish = welcome->message.front_welcome();
  log::init("front", wish.log_json(), log::Level::kInfo);
  if (auto dropped = front::settle_in(wish.drop_privileges()); !dropped) {
    log::error("front_failed", {{"why", dropped.error().what}});
    return 1;
  }
  auto made = front::Front::create(std::move(keeper), *std::move(welcome));
  if (!made) {
    log::error("front_failed", {{"why", made.error().what}});
    return 1;
  }
  return (*made)->run();
}
