#!/usr/bin/env bash
# Builds, checks, tunes and measures the CUDA engine on the GPU of this machine, in under eight minutes:
#
#   bench/gpu/run.sh [BIN] [OUT]     BIN: folder with kernel_bench and corolla-worker-cuda; else they are built
#
# Rows: whole GPU and an 18-multiprocessor share by MPS, one and seven at once, beside PyTorch in CUDA graphs;
# green contexts of 16 multiprocessors in one process.
# Prints a table and writes OUT/gpu.json, OUT/*.txt. Never changes the card's settings; the MPS daemon that it
# starts is its own and ends with it. BIN may come from another machine.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=${1:-}
out=${2:-$(mktemp -d)}
mkdir -p "$out"
work=$(mktemp -d)
if [ -z "$bin" ]; then
  bin=$root/build/bin
  { cmake -S "$root" -B "$root/build" -G Ninja && ninja -C "$root/build" kernel_bench corolla-worker-cuda; } > "$out/build.txt" 2>&1 ||
    { tail -20 "$out/build.txt"; echo "run.sh: the build failed; see $out/build.txt"; exit 1; }
fi
bench=$bin/kernel_bench

echo "== as found =="
nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem,temperature.gpu,power.draw --format=csv,noheader | tee "$out/found.txt"
echo "== every kernel and split against a slow one =="
failed=0
for batch in 1 3; do timeout 120 "$bench" check $batch | tee -a "$out/check.txt" | tail -8; [ "${PIPESTATUS[0]}" = 0 ] || failed=1; done
echo "== whole GPU =="
timeout 120 "$bench" time 1,8,32,128 "$out/whole.table" | tee "$out/whole.txt"
timeout 60 "$bench" layers 1 "$out/whole.table" > "$out/layers1.txt"
timeout 60 "$bench" layers 128 "$out/whole.table" > "$out/layers128.txt"
nvidia-smi --query-gpu=clocks.sm,clocks.mem,temperature.gpu,power.draw --format=csv,noheader | sed 's/^/under load: /' | tee -a "$out/found.txt"
timeout 90 python3 "$here/torch_peer.py" 1,8,32,128 2> "$out/torch.err" | tee "$out/torch.txt"
timeout 60 python3 "$here/cudnn_layers.py" 1,8,32,128 2>> "$out/torch.err" | tee "$out/cudnn.txt" | grep sum

echo "== a share of 18 multiprocessors (MPS) =="
export CUDA_MPS_PIPE_DIRECTORY=$work/mps CUDA_MPS_LOG_DIRECTORY=$work/mps
mkdir -p "$work/mps"
if nvidia-cuda-mps-control -d; then
  trap 'echo quit | CUDA_MPS_PIPE_DIRECTORY=$work/mps nvidia-cuda-mps-control > /dev/null' EXIT
  export CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=14
  timeout 60 "$bench" time 1,8 "$out/slice.table" | tee "$out/slice.txt"
  timeout 60 "$bench" layers 1 "$out/slice.table" > "$out/layers1-slice.txt"
  timeout 60 python3 "$here/torch_peer.py" 1 2>> "$out/torch.err" | sed 's/^/slice: /' | tee -a "$out/torch.txt"
  : > "$out/serve.txt"
  for count in 1 2 4 7; do timeout -k 1 20 "$bench" slices $count 2 "$out/slice.table" | tee -a "$out/serve.txt"; done
  timeout -k 1 20 "$bench" slices 7 2 "$out/slice.table" 1 own | tee -a "$out/serve.txt"
  timeout -k 1 20 "$bench" slices 7 2 "$out/slice.table" 8 | tee -a "$out/serve.txt"
else
  echo "MPS does not start here: no slices were measured"
fi
unset CUDA_MPS_PIPE_DIRECTORY CUDA_MPS_LOG_DIRECTORY CUDA_MPS_ACTIVE_THREAD_PERCENTAGE
echo "== green contexts of 16 multiprocessors in one process =="
for count in 1 2 4 7; do timeout -k 1 30 "$bench" green $count 2 "$out/green.table" 16; done | tee "$out/green.txt"
timeout -k 1 30 "$bench" green 7 2 "$out/green.table" 16 8 | tee -a "$out/green.txt"
echo "== compute-sanitizer, one split and one cluster of each kernel =="
tools=(memcheck racecheck synccheck)
for tool in "${tools[@]}"; do
  { timeout 90 compute-sanitizer --tool $tool --error-exitcode 9 "$bench" check-few > "$out/$tool.txt" 2>&1; echo $? > "$work/$tool.rc"; } &
done
for tool in "${tools[@]}"; do
  while [ ! -s "$work/$tool.rc" ]; do sleep 0.2; done
  case $(cat "$work/$tool.rc") in 0) echo "$tool: clean" ;; 124) echo "$tool: not done in 90 s" ;; *) echo "$tool: see $out/$tool.txt"; failed=1 ;; esac
done
python3 "$here/summary.py" "$out" | tee "$out/summary.txt"
exit $failed
