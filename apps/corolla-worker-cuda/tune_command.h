// corolla-worker-cuda --tune PLAN [-o OUT] [--cache FOLDER] [--json]
#pragma once

namespace corolla {

// The whole of the command: the exit status.
int run_tune(int argc, char** argv);

}  // namespace corolla
