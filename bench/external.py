"""external.py: what an external worker costs: CPU microseconds a request of each process on the way to a server that computes nothing.

By default that server is a fleet of one null worker of our own; --command gives another one's command line (docs/external-workers.md) whose models answer the same names.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

TICK = 1_000_000 / os.sysconf("SC_CLK_TCK")


def tree(pid):
    """The process and all below it."""
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += tree(int(child))
    return found


def cpu_us(pids):
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total * TICK


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, help="a repository of null models; default: made by models/make_null_models.py")
    parser.add_argument("--command", help="the server; default: corolla up --engine null")
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--model", action="append", help="default: ctiny and cflower")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        models = options.models or pathlib.Path(folder) / "models"
        if not options.models:
            subprocess.run([sys.executable, pathlib.Path(__file__).parent / "models" / "make_null_models.py", models], check=True)
        command = options.command or f"{options.bin.resolve()}/corolla up --name external-bench --models {models} --engine null --slices 1 --http {{http_port}} --grpc {{grpc_port}} --metrics off"
        print(f"{'protocol':9} {'model':8} {'front':>8} {'worker':>8} {'server':>8}   CPU us a request, 4 outstanding")
        for protocol in ("http", "grpc"):
            file = pathlib.Path(folder) / "corolla.yaml"
            file.write_text(json.dumps({"name": f"bench-{os.getpid()}", "listen": {"http": 0, "grpc": 0, "metrics": "off"}, "models_dir": str(models), "slices": 1,
                                        "models": {name: {} for name in options.model or ("ctiny", "cflower")},
                                        "engine": {"name": "external", "options": {"command": command, "protocol": protocol}}}))
            up = subprocess.Popen([options.bin / "corolla", "up", "-f", file, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            try:
                status = json.loads(up.stdout.readline())
                address, front, worker = status["listeners"]["http"], status["front"]["pid"], status["workers"][0]["pid"]
                servers = [pid for pid in tree(worker) if pid != worker]
                for model in options.model or ("ctiny", "cflower"):
                    load = [options.bin / "corolla", "perf", "-m", model, "-u", address, "--concurrency-range", "4", "--request-count"]
                    subprocess.run([*load, str(options.requests // 10)], check=True, stdout=subprocess.DEVNULL)
                    groups = ([front], [worker], servers)
                    before = [cpu_us(pids) for pids in groups]
                    subprocess.run([*load, str(options.requests)], check=True, stdout=subprocess.DEVNULL)
                    used = [(cpu_us(pids) - old) / options.requests for pids, old in zip(groups, before)]
                    print(f"{protocol:9} {model:8} " + " ".join(f"{each:8.1f}" for each in used), flush=True)
            finally:
                up.terminate()
                up.wait(30)


main()
