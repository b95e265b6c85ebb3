# ./dev build, test, sanitize, fuzz.

configure_flags() {
  # Ubuntu 22.04's own g++ is 11, which lacks parts of C++20.
  local version=
  [ "$(distribution)" = ubuntu-22.04 ] && version=-12
  printf '%s\n' -G Ninja "-DCMAKE_C_COMPILER=gcc$version" "-DCMAKE_CXX_COMPILER=g++$version"
}

# dev_build FOLDER [CMAKE FLAGS...]: everything, or the one target that BUILD_TARGET names.
dev_build() {
  local folder=$1 target=${BUILD_TARGET:-all} flags
  shift
  mapfile -t flags < <(configure_flags)
  [ -f "$folder/build.ninja" ] || step "configuring $folder" cmake -S . -B "$folder" "${flags[@]}" "$@"
  if [ -t 1 ]; then
    NINJA_STATUS="[%f/%t, %es] " ninja -C "$folder" "$target" || die "building $folder failed"
  else
    step "building $folder" ninja -C "$folder" "$target"
  fi
}

dev_test() {
  local folder=$1 filter=()
  shift
  [ $# -gt 0 ] && filter=(-R "$1")
  # Tests with real clients, which otherwise are skipped: ./dev e2e makes the environment.
  [ -x .venv-test/bin/python ] && export COROLLA_TEST_PYTHON=$ROOT/.venv-test/bin/python
  say "testing $folder"
  ctest --test-dir "$folder" --output-on-failure -j "$(nproc)" "${filter[@]}" || die "tests failed"
}

# By clang for both: what it does not optimise it compiles in a quarter of the time, and what counts is what the sanitizers say and how long one waits for it. Line numbers only,
# precompiled headers.
SANITIZER_FLAGS=(-DCMAKE_CXX_COMPILER=clang++ -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=None "-DCMAKE_CXX_FLAGS=-O0 -g1" -DCOROLLA_PRECOMPILED=ON)

# sanitizer_build FOLDER TARGET [CMAKE FLAGS...]
sanitizer_build() {
  local folder=$1 target=$2
  shift 2
  need_packages "$CHECK_PACKAGES"
  [ -f "$folder/build.ninja" ] || step "configuring $folder" cmake -S . -B "$folder" -G Ninja "${SANITIZER_FLAGS[@]}" "$@"
  step "building $folder: $target" ninja -C "$folder" "$target"
}

# One tree for ASan, UBSan and libFuzzer: what the fuzzers need besides costs the tests little.
asan_build() { sanitizer_build build-asan "$1" -DCOROLLA_SANITIZE=address -DCOROLLA_FUZZ=ON; }

dev_sanitize() {
  asan_build tests
  dev_test build-asan
  tsan_build tests
  dev_test build-tsan
  tsan_build programs
  tsan_fleet
}

tsan_build() { sanitizer_build build-tsan "$1" -DCOROLLA_SANITIZE=thread; }

# The front's threads meet nowhere but in the front: real clients, bad input and kill -9 on whole fleets. What TSan says lands in a folder that also the unprivileged front
# can write to.
tsan_fleet() {
  local reports
  need_test_env
  reports=$(mktemp -d)
  chmod 1777 "$reports"
  say "fleets of build-tsan"
  COROLLA_BIN=$ROOT/build-tsan/bin TSAN_OPTIONS="log_path=$reports/report" .venv-test/bin/python -m pytest -q tests/oracle tests/wire tests/faults/test_deaths.py tests/faults/test_bad_input.py ||
    die "tests failed"
  if [ -n "$(ls "$reports")" ]; then
    tail -n 60 "$reports"/* >&2
    die "TSan found something; it is in $reports"
  fi
  rmdir "$reports"
}

# Runs every fuzzer for the given time, as many at once as there are cores. A crash leaves its input in .cache/fuzz/. With COROLLA_FUZZ_SEED the runs start from the seeds in the
# tree alone and draw the same inputs each time, as CI wants it; without, they go on from what earlier runs found.
dev_fuzz() {
  local seconds=${1:-60} seed=${COROLLA_FUZZ_SEED:-} fuzzer names=() running=0
  asan_build fuzzers
  for fuzzer in build-asan/bin/*_fuzz; do names+=("$fuzzer"); done
  say "running ${#names[@]} fuzzers, $seconds s each"
  mkdir -p .cache/fuzz .cache/log
  rm -f .cache/fuzz/failed
  for fuzzer in "${names[@]}"; do
    fuzz_one "$fuzzer" "$seconds" "$seed" &
    running=$((running + 1))
    if [ $running -ge "$(nproc)" ]; then wait -n || true; running=$((running - 1)); fi
  done
  wait
  for fuzzer in "${names[@]}"; do
    printf '  %-24s %s\n' "${fuzzer##*/}" "$(sed -n 's/^stat::number_of_executed_units: */runs: /p' ".cache/log/${fuzzer##*/}.log")"
  done
  if [ -s .cache/fuzz/failed ]; then die "these fuzzers found something: $(sort -u .cache/fuzz/failed | tr '\n' ' ')(inputs: .cache/fuzz/*-crash-*)"; fi
}

# fuzz_one FUZZER SECONDS SEED
fuzz_one() {
  local name=${1##*/} corpus=() found
  mapfile -t corpus < <(find src -type d \( -path "*/testdata/$name" -o -path "*/testdata/${name%_fuzz}" \))
  found=.cache/fuzz/$name${3:+-seed-$3}
  [ -z "$3" ] || rm -rf "$found"
  mkdir -p "$found"
  "$1" -max_total_time="$2" ${3:+-seed="$3"} -timeout=25 -rss_limit_mb=2048 -artifact_prefix=".cache/fuzz/$name-crash-" -print_final_stats=1 "$found" "${corpus[@]}" \
    >".cache/log/$name.log" 2>&1 || { tail -n 30 ".cache/log/$name.log"; printf '%s\n' "$name" >>.cache/fuzz/failed; }
}
