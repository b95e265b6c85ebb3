"""compare.py --peers DIR --bin DIR --out DIR [--model cflower] [--concurrency 1:32:4]: one chart of Corolla beside Envoy and tritonserver.

`corolla sweep` measures each system with the same generator on the same cores, one after the other; `corolla report` draws them into one page
(--out/report.html, and SVG files beside it). With --model flower it is the shipped int8 model, tritonserver running OpenVINO in its Python backend.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import tempfile

import repositories
from repositories import folder_in
from systems import Corolla, Triton

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=pathlib.Path, required=True)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--model", choices=["cflower", "flower"], default="cflower")
    parser.add_argument("--protocol", choices=["http", "grpc"], default="http")
    parser.add_argument("--concurrency", default="1:32:4")
    parser.add_argument("--window-ms", type=int, default=1000)
    parser.add_argument("--budget", default="50")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        folder = pathlib.Path(name)
        if options.model == "flower":
            shipped = ROOT / "models" / "flower"
            theirs = [repositories.flower(folder_in(folder, f"triton{core}"), shipped, core) for core in (0, 1)]
            fleet = Corolla(options.bin, ["--models", repositories.flower(folder_in(folder, "corolla"), shipped), "--slices", "cores:2x1"])
        else:
            theirs = [repositories.null(folder_in(folder, "triton"), "null")] * 2
            fleet = Corolla(options.bin, ["--models", repositories.null(folder_in(folder, "corolla")), "--engine", "null", "--slices", "2"])
        folders = []
        for title, system in (("Corolla", fleet), ("Envoy + 2 tritonservers", Triton(options.peers, theirs))):
            out = options.out / title.split()[0].lower()
            shutil.rmtree(out, ignore_errors=True)
            system.start()
            try:
                subprocess.run([options.bin / "corolla", "sweep", "-m", options.model, "-u", system.target(options.protocol), "-i", options.protocol, "--concurrency", options.concurrency,
                                "-p", str(options.window_ms), "--budget", options.budget, "--name", title, "--out", out], check=True)
            finally:
                system.stop()
            folders.append(out)
    subprocess.run([options.bin / "corolla", "report", *folders, "-o", options.out / "report.html", "--budget", options.budget, "--svg", options.out], check=True)


if __name__ == "__main__":
    main()
