"""fleet.py --bin DIR [--models DIR] [--slices mps:14x7] [--limit-ms 15] [--json FILE]: a fleet on GPU slices, through its front.

Starts the fleet on the flower model with u8 pictures, finds its rate without a limit (closed loop, enough outstanding to fill every slice), then the
largest Poisson rate whose p99 stays within the limit (open loop, bisection), and prints the second as a share of the first:
what a latency bound costs. Also one request at a time, for the floor of the whole path, and (--kills N) what clients see while workers are killed.
"""
import argparse
import csv
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Fleet:
    def __init__(self, options, folder):
        config = folder / "corolla.yaml"
        engine = f"engine: {{name: {options.engine}, options: {{{', '.join(options.engine_option).replace('=', ': ')}}}}}\n"
        config.write_text(f"models_dir: {options.models.resolve()}\nmodels: {{flower: {{image: u8}}}}\n{engine}")
        begin = time.monotonic()
        self.log = open(folder / "fleet.log", "w+")
        self.name = f"gpu-{os.getpid()}"
        self.process = subprocess.Popen(
            [options.bin / "corolla", "up", "-f", config, "--name", self.name, "--slices", options.slices, "--http", "0", "--grpc", "0",
             "--metrics", "0", "--json", *(["--cache", options.cache] if options.cache else [])], stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            sys.exit("the fleet did not start:\n" + self.log.read()[-3000:])
        self.status, self.ready_s = json.loads(line), time.monotonic() - begin

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def perf(options, fleet, folder, *load, protocol="grpc"):
    """The last level's row of `corolla perf`, or None when it was invalid."""
    out = folder / "out.csv"
    out.unlink(missing_ok=True)
    run = subprocess.run([options.bin / "corolla", "perf", "-m", "flower", "-u", fleet.status["listeners"][protocol], "-i", protocol, "--shared-memory", options.shared_memory,
                          "--input-data", "random", "--max-threads", "2", "-s", "20", "-f", out, *map(str, load)], capture_output=True, text=True)
    rows = list(csv.DictReader(out.open())) if out.exists() else []
    if not rows:
        print(run.stderr.strip()[-300:], file=sys.stderr)
        return None
    return {"rate": float(rows[-1]["Inferences/Second"]), "p50_us": float(rows[-1]["p50 latency"]), "p99_us": float(rows[-1]["p99 latency"])}


def kills(options, fleet, folder):
    """N workers killed with SIGKILL, one every half second, under load: how many requests were answered, and how many were not."""
    out = folder / "kills.csv"
    load = subprocess.Popen([options.bin / "corolla", "perf", "-m", "flower", "-u", fleet.status["listeners"]["http"], "-i", "http", "--shared-memory", "system", "--input-data", "random",
                             "--concurrency-range", "56", "-p", str(500 * (options.kills + 2)), "-r", "1", "-f", out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1)
    for i in range(options.kills):
        status = json.loads(subprocess.run([options.bin / "corolla", "status", "--json", "--name", fleet.name], capture_output=True, text=True, check=True).stdout)
        alive = [worker["pid"] for worker in status["workers"] if worker.get("pid") and worker["state"] == "serving"]
        if alive:
            os.kill(alive[i % len(alive)], signal.SIGKILL)
        time.sleep(0.5)
    load.wait()
    row = next(csv.DictReader(out.open()))
    return {"kills": options.kills, "rate": float(row["Inferences/Second"]), "errors": {key: value for key, value in row.items() if key.lower().startswith("error") and value not in ("", "0")}}


def say(name, row):
    print(f"{name:44} {row['rate']:10,.0f}/s   p50 {row['p50_us'] / 1000:8.3f} ms   p99 {row['p99_us'] / 1000:8.3f} ms", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, default=ROOT / "models")
    parser.add_argument("--engine", default="cuda")
    parser.add_argument("--engine-option", action="append", default=[], metavar="NAME=VALUE", help="direct='off': requests are copied once more")
    parser.add_argument("--shared-memory", default="system", help="none: pictures travel in the requests")
    parser.add_argument("--slices", default="mps:14x7")
    parser.add_argument("--cache")
    parser.add_argument("--limit-ms", type=float, default=15)
    parser.add_argument("--outstanding", type=int, nargs="*", default=[7, 28, 112, 224, 448])
    parser.add_argument("--window-ms", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=6, help="of the bisection")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.chmod(folder, 0o755)
        fleet = Fleet(options, folder)
        try:
            workers = len(fleet.status["workers"])
            print(f"{workers} workers on {options.slices}, serving after {fleet.ready_s:.2f} s")
            window = ["-p", options.window_ms, "-r", 6]
            result = {"slices": options.slices, "workers": workers, "ready_s": fleet.ready_s, "closed": {}}
            for protocol in ("http", "grpc"):
                row = perf(options, fleet, folder, "--concurrency-range", 1, *window, protocol=protocol)
                if row:
                    say(f"one outstanding, {protocol}", row)
                    result[f"single_{protocol}"] = row
            best = 0
            for outstanding in options.outstanding:
                row = perf(options, fleet, folder, "--concurrency-range", outstanding, *window)
                if row:
                    say(f"{outstanding} outstanding", row)
                    result["closed"][outstanding] = row
                    best = max(best, row["rate"])
            if options.kills:
                result["kills"] = kills(options, fleet, folder)
                print(f"{options.kills} workers killed under load: {result['kills']['rate']:,.0f}/s, errors: {result['kills']['errors'] or 'none'}", flush=True)
            low, high, held = 0.0, 1.0, None
            for _ in range(options.steps):
                share = (low + high) / 2
                row = perf(options, fleet, folder, "--request-rate-range", f"{share * best:.0f}", "--request-distribution", "poisson", "--max-connections", 1024, *window)
                # Latency counts from when a request was due, so a generator that sends late can only make it look worse.
                held_here = row is not None and row["p99_us"] <= options.limit_ms * 1000 and row["rate"] >= 0.97 * share * best
                if row:
                    say(f"Poisson, {share * 100:.0f} % of the largest rate", row)
                if held_here:
                    low, held = share, row
                else:
                    high = share
            result["limit_ms"], result["share"], result["held"], result["largest"] = options.limit_ms, low, held, best
            print(f"p99 within {options.limit_ms:g} ms up to {low * 100:.0f} % of {best:,.0f}/s")
        finally:
            fleet.stop()
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
