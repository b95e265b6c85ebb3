#!/usr/bin/env python3
"""Rewrites requirements.txt from requirements.in: every package, its version and its file's hash.

    .venv-train/bin/python train/pin.py

The hashes are those of the files that this Python and this platform get.
"""

import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main():
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed",
                        "--report", report.name, "-r", str(HERE / "requirements.in")], check=True)
        found = json.loads(Path(report.name).read_text())["install"]
    lines = [f"# Made by pin.py from requirements.in for CPython {platform.python_version().rsplit('.', 1)[0]} "
             f"on {platform.system()} {platform.machine()}. Do not edit."]
    for item in sorted(found, key=lambda i: i["metadata"]["name"].lower()):
        sha = item["download_info"]["archive_info"]["hashes"]["sha256"]
        lines.append(f"{item['metadata']['name'].lower()}=={item['metadata']['version']} \\\n    --hash=sha256:{sha}")
    (HERE / "requirements.txt").write_text("\n".join(lines) + "\n")
    print(f"{len(found)} packages pinned")


if __name__ == "__main__":
    main()
