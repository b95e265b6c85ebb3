"""fleet.py --peers DIR --bin DIR --perf-client FILE [--rounds N] [--json FILE]: Corolla's front beside tritonserver and Envoy, in one run.

The real perf_client loads each system in turn, A B A B ..., on the same cores, with null models on both sides: what is measured is everything but the model. Prints one
row a case: the median of each side, their ratio and its spread over the rounds; and the CPU time that the server side took for one request.
"""
import argparse
import csv
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")
MODELS = {"cflower": ("FP32", "[ 3, 224, 224 ]"), "cflower_u8": ("UINT8", "[ 224, 224, 3 ]"), "ctiny": ("FP32", "[ 4 ]")}
# name, model, protocol, outstanding, peer: "balanced" (Envoy before two servers) or "alone" (one server)
CASES = [
    ("602 KB, demo's form, 8 outstanding, HTTP", "cflower", "http", 8, "balanced"),
    ("602 KB, demo's form, 8 outstanding, gRPC", "cflower", "grpc", 8, "balanced"),
    ("602 KB, 16 outstanding, HTTP", "cflower", "http", 16, "balanced"),
    ("602 KB, 16 outstanding, gRPC", "cflower", "grpc", 16, "balanced"),
    ("150 KB, 16 outstanding, HTTP", "cflower_u8", "http", 16, "alone"),
    ("150 KB, 16 outstanding, gRPC", "cflower_u8", "grpc", 16, "alone"),
    ("16 B, 16 outstanding, HTTP", "ctiny", "http", 16, "alone"),
    ("16 B, 16 outstanding, gRPC", "ctiny", "grpc", 16, "alone"),
    ("602 KB, 1 outstanding, HTTP", "cflower", "http", 1, "alone"),
    ("602 KB, 1 outstanding, gRPC", "cflower", "grpc", 1, "alone"),
]


def repository(folder, backend):
    """Null models for tritonserver's null backend, or for Corolla's null engine: the same names, shapes and labels."""
    for name, (dtype, dims) in MODELS.items():
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "1" / ("model.onnx" if backend is None else ".keep")).touch()
        (folder / name / "labels.txt").write_text("".join(f"flower {i:03d}\n" for i in range(102)))
        kind = f'backend: "{backend}"\ninstance_group [ {{ kind: KIND_CPU, count: 1 }} ]\n' if backend else ""
        (folder / name / "config.pbtxt").write_text(
            f'name: "{name}"\n{kind}max_batch_size: 8\ninput [ {{ name: "input", data_type: TYPE_{dtype}, dims: {dims} }} ]\n'
            'output [ { name: "output", data_type: TYPE_FP32, dims: [ 102 ], label_filename: "labels.txt" } ]\ndynamic_batching { }\n')
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)


def cpu_seconds(pids):
    total = 0.0
    for pid in pids:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        fields = text[text.rindex(")") + 2:].split()
        total += (int(fields[11]) + int(fields[12])) / TICK
    return total


def wait_ready(address, limit=60):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        try:
            if urllib.request.urlopen(f"http://{address}/v2/health/ready", timeout=2).status == 200:
                return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{address} is not ready after {limit} s")


def served(address, model):
    stats = json.load(urllib.request.urlopen(f"http://{address}/v2/models/{model}/stats", timeout=5))
    return stats["model_stats"][0]["inference_stats"]["success"]["count"]


class Peers:
    """Two tritonservers and Envoy before them. Started anew for each measurement through Envoy: perf_client reads statistics from either server."""

    def __init__(self, folder, models):
        self.site = next((folder / "lib").glob("python3*")) / "site-packages"
        self.models, self.processes, self.log = models, [], open(os.devnull, "w")

    def start(self):
        base = self.site / "pytriton" / "tritonserver"
        env = {**os.environ, "LD_LIBRARY_PATH": str(self.site / "nvidia" / "cuda_runtime" / "lib")}
        for i in range(2):
            port = 28000 + 10 * i
            self.processes.append(subprocess.Popen(
                [base / "bin" / "tritonserver", "--id", f"bench{i}", "--model-repository", self.models, "--backend-directory", base / "backends", "--http-address", "127.0.0.1",
                 "--http-port", str(port), "--grpc-address", "127.0.0.1", "--grpc-port", str(port + 1), "--allow-metrics=false", "--allow-sagemaker=false",
                 "--allow-vertex-ai=false", "--disable-auto-complete-config"], stdout=self.log, stderr=self.log, env=env))
        self.processes.append(subprocess.Popen([self.site / "envoy" / "_bin" / "envoy", "-c", HERE / "envoy.yaml", "--concurrency", "2", "--use-dynamic-base-id",
                                                "--disable-hot-restart"], stdout=self.log, stderr=self.log))
        for address in ("127.0.0.1:28000", "127.0.0.1:28010", "127.0.0.1:28050"):
            wait_ready(address)

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()
        self.processes.clear()

    def target(self, case):
        _, model, protocol, _, form = case
        ports = {"http": 28000, "grpc": 28001} if form == "alone" else {"http": 28050, "grpc": 28051}
        return f"127.0.0.1:{ports[protocol]}"

    def pids(self, case):
        return [p.pid for p in (self.processes if case[4] == "balanced" else self.processes[:1])]

    def count(self, case):
        return sum(served(f"127.0.0.1:{port}", case[1]) for port in ((28000, 28010) if case[4] == "balanced" else (28000,)))


class Corolla:
    def __init__(self, binaries, models):
        self.binaries, self.models = binaries, models

    def start(self):
        self.process = subprocess.Popen([self.binaries / "corolla", "up", "--name", f"bench-{os.getpid()}", "--models", self.models, "--engine", "null", "--slices", "2", "--http", "0",
                                         "--grpc", "0", "--metrics", "off", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.status = json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def target(self, case):
        return self.status["listeners"][case[2]]

    def pids(self, case):
        return [self.status["front"]["pid"], *(worker["pid"] for worker in self.status["workers"])]

    def count(self, case):
        return served(self.status["listeners"]["http"], case[1])


def measure(system, case, perf_client, window_ms):
    _, model, protocol, outstanding, _ = case
    system.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out.csv"
            cpu, count = cpu_seconds(system.pids(case)), system.count(case)
            run = subprocess.run([perf_client, "-m", model, "-u", system.target(case), "-i", protocol, "--concurrency-range", str(outstanding), "-p", str(window_ms), "-s", "30", "-f", out],
                                 capture_output=True, text=True, env={**os.environ, "LD_LIBRARY_PATH": str(perf_client.parent)})
            cpu, count = cpu_seconds(system.pids(case)) - cpu, system.count(case) - count
            if not out.exists():
                return None, run.stdout[-300:] + run.stderr[-300:]
            row = next(csv.DictReader(out.open()))
            return {"rate": float(row["Inferences/Second"]), "p50": float(row["p50 latency"]), "p99": float(row["p99 latency"]), "cpu": 1e6 * cpu / max(count, 1)}, None
    finally:
        system.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=pathlib.Path, required=True)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--perf-client", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window-ms", type=int, default=1000)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        theirs, ours = pathlib.Path(folder) / "triton", pathlib.Path(folder) / "corolla"
        theirs.mkdir(), ours.mkdir()
        repository(theirs, "null"), repository(ours, None)
        systems = {"peer": Peers(options.peers, theirs), "corolla": Corolla(options.bin, ours)}
        print(f"{'case':44} {'peer/s':>9} {'corolla/s':>9} {'ratio':>13}   {'p50 us':>13} {'p99 us':>15} {'CPU us/request':>15}")
        for case in CASES:
            if options.only not in case[0]:
                continue
            got = {name: [] for name in systems}
            for _ in range(options.rounds):
                for name, system in systems.items():
                    row, problem = measure(system, case, options.perf_client, options.window_ms)
                    got[name].append(row) if row else print(f"  {name}: no figure: {problem}", file=sys.stderr)
            if not got["peer"] or not got["corolla"]:
                continue
            middle = {name: {key: statistics.median(row[key] for row in rows) for key in rows[0]} for name, rows in got.items()}
            ratios = [a["rate"] / b["rate"] for a, b in zip(got["corolla"], got["peer"])]
            peer, mine = middle["peer"], middle["corolla"]
            print(f"{case[0]:44} {peer['rate']:9.0f} {mine['rate']:9.0f} {mine['rate'] / peer['rate']:5.2f} ({min(ratios):.2f}-{max(ratios):.2f})  "
                  f"{peer['p50']:6.0f} {mine['p50']:6.0f} {peer['p99']:7.0f} {mine['p99']:7.0f} {peer['cpu']:7.0f} {mine['cpu']:7.0f}", flush=True)
            results.append({"case": case[0], "peer": peer, "corolla": mine, "ratios": ratios, "against": case[4]})
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
