"""Who puts the load on: the real perf_client, or `corolla perf`. Both write the same CSV columns."""
import csv
import os
import pathlib
import subprocess
import tempfile

TICK = os.sysconf("SC_CLK_TCK")


class PerfClient:
    name = "perf_client"

    def __init__(self, path):
        self.path, self.env = [path], {**os.environ, "LD_LIBRARY_PATH": str(path.parent)}


class CorollaPerf:
    name = "corolla perf"

    def __init__(self, binaries):
        self.path, self.env = [binaries / "corolla", "perf"], dict(os.environ)


def cpu_seconds(pids):
    total = 0.0
    for pid in pids:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        fields = text[text.rindex(")") + 2:].split()
        total += (int(fields[11]) + int(fields[12])) / TICK
    return total


def measure(generator, system, model, protocol, load, window_ms):
    """Starts the system, loads it, stops it. `load` is the generator's own option, such as ["--concurrency-range", "8"].
    Returns ({"rate", "p50", "p99" in microseconds, "cpu" in microseconds a request}, None) or (None, why)."""
    system.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out.csv"
            cpu, count = cpu_seconds(system.pids()), system.count(model)
            run = subprocess.run([*generator.path, "-m", model, "-u", system.target(protocol), "-i", protocol, *load, "-p", str(window_ms), "-s", "30", "-f", out],
                                 capture_output=True, text=True, env=generator.env)
            cpu, count = cpu_seconds(system.pids()) - cpu, system.count(model) - count
            if not out.exists():
                return None, run.stdout[-300:] + run.stderr[-300:]
            row = next(csv.DictReader(out.open()))
            return {"rate": float(row["Inferences/Second"]), "p50": float(row["p50 latency"]), "p99": float(row["p99 latency"]), "cpu": 1e6 * cpu / max(count, 1)}, None
    finally:
        system.stop()
