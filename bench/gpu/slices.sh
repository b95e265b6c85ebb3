#!/bin/bash
# slices.sh [BUILD_DIR]: what seven slices of one GPU are worth, by MPS and by green contexts, on this machine. About a minute.
#
# Prints for each way the SMs as the driver shows them to each slice, the rate of one slice alone, of seven at once, and the ratio of
# the two: what neighbours cost. Changes no setting of the GPU; the MPS daemon is its own, in a folder of its own, and gone afterwards.
# With BUILD_DIR the contract tests of the slices run too, on the real driver. FAULT=1 also breaks one of three MPS clients, to see whom
# that takes along and what the server's log says. Needs nvcc; for MPS nvidia-cuda-mps-control.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
BUILD=${1:-}
WORK=$(mktemp -d /tmp/corolla-slices-XXXXXX)
DAEMON=
SECONDS_EACH=${SECONDS_EACH:-2}
cleanup() {
  if [ -n "$DAEMON" ]; then
    echo quit | timeout 10 "$CONTROL" >/dev/null 2>&1 || true
    kill -9 "$DAEMON" 2>/dev/null || true
  fi
  rm -rf "$WORK"
}
trap cleanup EXIT

nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null || true
nvcc -O2 -std=c++17 -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90a,code=sm_90a -o "$WORK/burner" "$HERE/slices_burner.cu"
CONTROL=$(command -v nvidia-cuda-mps-control || find /usr/local/nvidia /usr/lib/nvidia /opt -name nvidia-cuda-mps-control -type f 2>/dev/null | head -1 || true)

burner() { "$WORK/burner" --seconds "$SECONDS_EACH" "$@"; }
# at_once NAME COMMAND...: every line of standard input is one slice's extra environment; all begin together.
at_once() {
  local start i=0
  start=$(python3 -c 'import time; print(time.time() + 3)')
  while read -r environment; do
    i=$((i + 1))
    # shellcheck disable=SC2086
    env $environment "$WORK/burner" --seconds "$SECONDS_EACH" --at "$start" "$@" >"$WORK/out.$i" 2>&1 &
  done
  wait
  cat "$WORK"/out.*
  rm -f "$WORK"/out.*
}
# summary NAME ALONE_FILE AT_ONCE_FILE
summary() {
  python3 - "$@" <<'PYTHON'
import sys
name, alone, together = sys.argv[1:]
def rows(path):
    found = []
    for line in open(path):
        words = line.split()
        try:
            found.append((int(words[0]), float(words[1])))
        except (ValueError, IndexError):
            print(f"  {name}: {line.strip()}")
    return found
alone, together = rows(alone), rows(together)
if not alone or not together:
    print(f"{name:<28} did not run")
    sys.exit()
total = sum(rate for _, rate in together)
mean = total / len(together)
print(f"{name:<28} SMs read back {','.join(str(sms) for sms, _ in together):<24} one alone {alone[0][1]:9.1f}/s   {len(together)} at once {total:9.1f}/s "
      f"({mean:.1f} each)   one alone over one of {len(together)}: {alone[0][1] / mean:.2f}")
PYTHON
}

for load in compute memory; do
  option=$([ $load = memory ] && echo --memory || true)
  # shellcheck disable=SC2086
  { burner $option >"$WORK/alone"; printf "ENV=1\n%.0s" 1 2 3 4 5 6 7 | at_once $option >"$WORK/together"; summary "$load: no MPS" "$WORK/alone" "$WORK/together"; }
done

if [ -n "$CONTROL" ]; then
  export CUDA_MPS_PIPE_DIRECTORY=$WORK/pipe CUDA_MPS_LOG_DIRECTORY=$WORK/log
  mkdir -p "$WORK/pipe" "$WORK/log"
  "$CONTROL" -d
  DAEMON=$(cat "$WORK/pipe/nvidia-cuda-mps-control.pid" 2>/dev/null || pgrep -n -f nvidia-cuda-mps-control)
  SHARE=CUDA_MPS_ACTIVE_THREAD_PERCENTAGE
  for load in compute memory; do
    option=$([ $load = memory ] && echo --memory || true)
    # shellcheck disable=SC2086
    { env $SHARE=14 "$WORK/burner" --seconds "$SECONDS_EACH" $option >"$WORK/alone"
      printf "$SHARE=14\n%.0s" 1 2 3 4 5 6 7 | at_once $option >"$WORK/together"; summary "$load: MPS 14 % x 7" "$WORK/alone" "$WORK/together"; }
  done
  env $SHARE=50 "$WORK/burner" --seconds "$SECONDS_EACH" >"$WORK/alone"
  printf '%s\n' $SHARE=50 $SHARE=25 $SHARE=25 | at_once >"$WORK/together"
  summary "compute: MPS 50,25,25" "$WORK/alone" "$WORK/together"
  CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=512M "$WORK/burner" --seconds 0.2 >/dev/null && echo "MPS memory limit 512 MiB: a small process runs"
  echo get_server_list | "$CONTROL" | sed 's/^/MPS servers: /'
  server=$(pgrep -P "$DAEMON" || true)
  echo "children of the control daemon (what the keeper watches): $server $(ps -o comm= -p "${server:-0}" 2>/dev/null || true)"
  if [ -n "${FAULT:-}" ]; then
    : >"$WORK/log/marker"
    start=$(python3 -c 'import time; print(time.time() + 2)')
    for i in 1 2; do env $SHARE=25 "$WORK/burner" --seconds 5 --at "$start" >"$WORK/neighbour.$i" 2>&1 & done
    env $SHARE=25 "$WORK/burner" --seconds 1 --at "$start" --fault || true
    wait
    sed 's/^/neighbour of the fault: /' "$WORK"/neighbour.*
    echo "server.log since:"; find "$WORK/log" -name server.log -exec tail -12 {} \;
    echo "control.log:"; tail -8 "$WORK/log/control.log" || true
  fi
  echo quit | timeout 10 "$CONTROL" || true
  for _ in $(seq 100); do kill -0 "$DAEMON" 2>/dev/null || break; sleep 0.05; done
  kill -0 "$DAEMON" 2>/dev/null && echo "the daemon did not quit" || echo "the MPS daemon has quit"
  DAEMON=
  unset CUDA_MPS_PIPE_DIRECTORY CUDA_MPS_LOG_DIRECTORY
else
  echo "MPS: nvidia-cuda-mps-control is not on this machine"
fi

for load in compute memory; do
  option=$([ $load = memory ] && echo --memory || true)
  # shellcheck disable=SC2086
  { burner $option --green 16,16,16,16,16,16,16 --only 0 >"$WORK/alone"; burner $option --green 16,16,16,16,16,16,16 >"$WORK/together"
    summary "$load: green 16 x 7" "$WORK/alone" "$WORK/together"; }
done
burner --green 16,16,100 --only 2 >"$WORK/alone" && burner --green 16,16,100 >"$WORK/together" && summary "compute: green 16,16,100" "$WORK/alone" "$WORK/together"

if [ -n "$BUILD" ]; then
  "$BUILD/bin/corolla_slice_test" --gtest_filter='Real/SliceProviderContract.*/mps:Real/SliceProviderContract.*/green' --gtest_brief=1 2>&1 | tail -20
fi
