"""What is compared: tritonservers behind Envoy, Corolla fleets behind Envoy, and one Corolla fleet.

Each has start(), stop(), target(protocol), pids() of the server side, and count(model) of requests served.
"""
import json
import os
import pathlib
import signal
import string
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
HTTP_PORT, BALANCED_PORT = 28100, 28050  # of the first server, the others 10 further each; of Envoy. gRPC: one more


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


def site_of(peers):
    return next((peers / "lib").glob("python3*")) / "site-packages"


def envoy(site, servers):
    def endpoints(first):
        return "\n        ".join(f"- endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {first + 10 * i} }} }} }}" for i in range(servers))

    config = string.Template((HERE / "envoy.yaml").read_text()).substitute(HTTP_ENDPOINTS=endpoints(HTTP_PORT), GRPC_ENDPOINTS=endpoints(HTTP_PORT + 1))
    return subprocess.Popen([site / "envoy" / "_bin" / "envoy", "--config-yaml", config, "--concurrency", "2", "--use-dynamic-base-id", "--disable-hot-restart"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def end(processes):
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait()
    processes.clear()


class Triton:
    """Tritonservers, one a repository, and Envoy before two of them. Started anew for each measurement through Envoy: perf_client reads the statistics of either server."""

    def __init__(self, peers, repositories):
        self.site, self.repositories, self.processes = site_of(peers), repositories, []

    def start(self):
        base = self.site / "pytriton" / "tritonserver"
        env = {**os.environ, "LD_LIBRARY_PATH": str(self.site / "nvidia" / "cuda_runtime" / "lib"), "BENCH_SITE": str(self.site)}
        for i, repository in enumerate(self.repositories):
            port = HTTP_PORT + 10 * i
            self.processes.append(subprocess.Popen(
                [base / "bin" / "tritonserver", "--id", f"bench{i}", "--model-repository", repository, "--backend-directory", base / "backends",
                 "--backend-config", f"python,shm-region-prefix-name=bench{i}_{os.getpid()}", "--http-address", "127.0.0.1",
                 "--http-port", str(port), "--grpc-address", "127.0.0.1", "--grpc-port", str(port + 1), "--allow-metrics=false", "--allow-sagemaker=false",
                 "--allow-vertex-ai=false", "--disable-auto-complete-config"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env))
            wait_ready(f"127.0.0.1:{port}")
        if len(self.repositories) > 1:
            self.processes.append(envoy(self.site, len(self.repositories)))
            wait_ready(f"127.0.0.1:{BALANCED_PORT}")

    def stop(self):
        end(self.processes)

    def target(self, protocol):
        return f"127.0.0.1:{(BALANCED_PORT if len(self.repositories) > 1 else HTTP_PORT) + (protocol == 'grpc')}"

    def pids(self):
        """The servers, the balancer, and what they started (Python stubs)."""
        own = {p.pid for p in self.processes}
        return [*own, *(pid for pid in children_of(own))]

    def count(self, model):
        return sum(served(f"127.0.0.1:{HTTP_PORT + 10 * i}", model) for i in range(len(self.repositories)))


class Corolla:
    """One fleet; `arguments` are those of `corolla up`."""

    def __init__(self, binaries, arguments, ports=("0", "0")):
        self.command = [binaries / "corolla", "up", "--http", ports[0], "--grpc", ports[1], "--metrics", "off", "--json", *arguments]

    def start(self):
        self.process = subprocess.Popen([*self.command, "--name", f"bench-{os.getpid()}-{id(self)}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"`{' '.join(map(str, self.command))}` did not start")
        self.status = json.loads(line)

    def stop(self):
        end([self.process])

    def target(self, protocol):
        return self.status["listeners"][protocol]

    def pids(self):
        return [self.status["front"]["pid"], *(worker["pid"] for worker in self.status["workers"])]

    def count(self, model):
        return served(self.status["listeners"]["http"], model)


class Balanced:
    """Corolla fleets of one worker each behind Envoy's round robin: what late binding changes, with the very same workers."""

    def __init__(self, peers, binaries, argument_lists):
        self.site = site_of(peers)
        self.fleets = [Corolla(binaries, arguments, (str(HTTP_PORT + 10 * i), str(HTTP_PORT + 1 + 10 * i))) for i, arguments in enumerate(argument_lists)]

    def start(self):
        for fleet in self.fleets:
            fleet.start()
        self.balancer = [envoy(self.site, len(self.fleets))]
        wait_ready(f"127.0.0.1:{BALANCED_PORT}")

    def stop(self):
        end(self.balancer)
        for fleet in self.fleets:
            fleet.stop()

    def target(self, protocol):
        return f"127.0.0.1:{BALANCED_PORT + (protocol == 'grpc')}"

    def pids(self):
        return [self.balancer[0].pid, *(pid for fleet in self.fleets for pid in fleet.pids())]

    def count(self, model):
        return sum(fleet.count(model) for fleet in self.fleets)


def children_of(parents):
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:
                continue
            if int(text[text.rindex(")") + 2:].split()[1]) in parents:
                yield int(entry.name)
