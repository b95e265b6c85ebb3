# ./dev setup: what the build needs, from the distribution's packages; the OpenVINO SDK from its PyPI wheel. Takes no time when all is there.

# Debian 12 and Ubuntu 24.04 share these names.
PACKAGES="g++ cmake ninja-build pkg-config ccache git ca-certificates python3 python3-pip python3-venv
  libssl-dev zlib1g-dev libprotobuf-dev protobuf-compiler libspdlog-dev libyaml-cpp-dev libcli11-dev libnghttp2-dev
  libsimdjson-dev libjpeg-dev libpng-dev libgtest-dev libgmock-dev libbenchmark-dev curl"
CHECK_PACKAGES="clang-format clang-tidy clang libclang-rt-dev prometheus"

distribution() { (. /etc/os-release && printf '%s-%s' "$ID" "${VERSION_ID:-}"); }

packages_for() {
  local names=$1
  case $(distribution) in
    debian-12) names=${names/libclang-rt-dev/libclang-rt-14-dev} ;;
    ubuntu-22.04) names=${names/g++ /g++-12 } names=${names/libclang-rt-dev/} ;;
    ubuntu-24.04) names=${names/libclang-rt-dev/libclang-rt-18-dev} ;;
  esac
  printf '%s' "$names"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"
  else die "installing packages needs root: run as root, or install sudo, or install by hand: ${*: -5} ..."; fi
}

# need_packages "names": installs those that are missing.
need_packages() {
  local missing=() name
  command -v apt-get >/dev/null || die "this script installs with apt-get (Debian 12, Ubuntu 22.04, 24.04); install the packages named in tools/dev/setup.sh by hand"
  for name in $(packages_for "$1"); do
    [ "$(dpkg-query -W -f='${Status}' "$name" 2>/dev/null)" = "install ok installed" ] || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${#missing[@]} packages: ${missing[*]}"
  step "apt-get update" as_root apt-get update
  step "apt-get install" as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

# The wheel carries headers, CMake files and libraries. Other devices' plugins are left out. All front ends stay: the CMake files name them, and without the IR front end compiled
# blobs do not load.
need_openvino() {
  local want have=.cache/openvino/sha256
  want=$(sed -n 's/.*--hash=sha256:\([0-9a-f]*\).*/\1/p' third_party/openvino.txt)
  [ "$(cat "$have" 2>/dev/null)" = "$want" ] && return 0
  step "fetching the OpenVINO SDK (59 MB)" fetch_openvino
  printf %s "$want" >"$have"
}

fetch_openvino() {
  local wheel=.cache/openvino-wheel
  rm -rf .cache/openvino "$wheel" && mkdir -p .cache/openvino "$wheel"
  # The C++ libraries are the same in every wheel; one fixed interpreter tag keeps the hash the same everywhere.
  python3 -m pip download --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: --python-version 3.11 --implementation cp \
    --platform manylinux_2_28_x86_64 -d "$wheel" -r third_party/openvino.txt
  python3 -m zipfile -e "$wheel"/openvino-*.whl .cache/openvino
  rm -rf "$wheel" .cache/openvino/openvino/libs/*{gpu,npu}_plugin*
}

dev_setup() {
  need_packages "$PACKAGES"
  need_openvino
}
