# ./dev e2e: tests with several processes, real clients and kill -9; and the Python environment they need.

E2E_PACKAGES="libb64-0d unzip"

# .venv-test: tritonclient, onnx and pytest, by version and hash; perf_client beside it in .cache/perf_client.
need_test_env() {
  local want
  want=$(cat tests/requirements.txt tests/perf_client.txt | sha256sum)
  [ "$(cat .venv-test/corolla-requirements 2>/dev/null)" = "$want" ] && return 0
  need_packages "$E2E_PACKAGES"
  step "making .venv-test (tritonclient, onnx, pytest)" make_test_env
  printf %s "$want" >.venv-test/corolla-requirements
}

make_test_env() {
  rm -rf .venv-test .cache/perf_client
  python3 -m venv .venv-test
  .venv-test/bin/pip install --disable-pip-version-check --require-hashes --only-binary=:all: -r tests/requirements.txt
  mkdir -p .cache/perf_client
  .venv-test/bin/pip download --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: --platform manylinux1_x86_64 --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 \
    -d .cache/perf_client -r tests/perf_client.txt
  unzip -qoj .cache/perf_client/tritonclient-*.whl '*/data/bin/*' -d .cache/perf_client
  unzip -qoj .cache/perf_client/nvidia_cuda_runtime*.whl '*/libcudart.so.12' -d .cache/perf_client
  rm .cache/perf_client/*.whl
  chmod +x .cache/perf_client/perf_*
}

# Extra arguments go to pytest: ./dev e2e -k perf_client
dev_e2e() {
  need_test_env
  say "running the tests with several processes"
  .venv-test/bin/python -m pytest -q tests "$@" || die "tests failed"
}
