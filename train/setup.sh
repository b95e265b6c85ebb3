#!/usr/bin/env bash
# Makes .venv-train/ at the root of the repository: the environment of the training tools, and of nothing else.
# Does nothing when it is there and up to date.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$root/.venv-train"
wanted="$(sha256sum "$root/train/requirements.txt" | cut -d' ' -f1)"
stamp="$venv/requirements.sha256"

if [[ -x "$venv/bin/python" && -f "$stamp" && "$(cat "$stamp")" == "$wanted" ]]; then
  exit 0
fi

python="${PYTHON:-}"
if [[ -z "$python" ]]; then
  for candidate in python3.11 python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys, venv; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
      python="$candidate"
      break
    fi
  done
fi
if [[ -z "$python" ]]; then
  echo "error: the training tools are pinned for Python 3.11 with its venv module; install it, or name it with PYTHON=." >&2
  exit 2
fi

if [[ "$(df --output=avail -k "$root" | tail -1)" -lt 8000000 ]]; then
  echo "error: the training environment takes about 6 GB, and $root has less than 8 GB free." >&2
  exit 2
fi

echo "making $venv (PyTorch is large: several minutes)"
[[ -x "$venv/bin/python" ]] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$root/train/requirements.txt"
echo "$wanted" > "$stamp"
