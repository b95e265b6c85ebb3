// corolla-worker-cuda --run MODEL|PLAN --input NAME=FILE.npy ... --out DIR: what `corolla run
// --engine cuda` calls.
#pragma once

namespace corolla {

// The whole of the command: the exit status.
int run_once(int argc, char** argv);

}  // namespace corolla
