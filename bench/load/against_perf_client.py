"""against_perf_client.py COROLLA PERF_CLIENT HTTP_URL GRPC_URL MODEL [ROUNDS]: the same server measured by both, A B A B.

Ten points (concurrency 1, 2, 4, 8, 16 over HTTP and gRPC), three windows of one second each. Prints for each point the median over the
rounds of Corolla's throughput and p50 over perf_client's, and of the CPU time that each generator took for one request (its whole
process, by getrusage, over the requests that the server's own statistics count).
"""
import csv, json, os, resource, statistics, subprocess, sys, tempfile, urllib.request

corolla, perf_client, http, grpc, model = sys.argv[1:6]
rounds = int(sys.argv[6]) if len(sys.argv) > 6 else 3


def served():
    stats = json.load(urllib.request.urlopen(f"http://{http}/v2/models/{model}/stats", timeout=30))
    return stats["model_stats"][0]["inference_stats"]["success"]["count"]


def measure(command, protocol, concurrency):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out.csv")
        url = http if protocol == "http" else grpc
        before, requests = resource.getrusage(resource.RUSAGE_CHILDREN), served()
        done = subprocess.run(command + ["-m", model, "-u", url, "-i", protocol, "--concurrency-range", str(concurrency), "-p", "1000", "-s", "999", "-r", "3", "-f", path],
                              capture_output=True, text=True)
        after, requests = resource.getrusage(resource.RUSAGE_CHILDREN), served() - requests
        if not os.path.exists(path):
            sys.exit(f"{command}: {done.stdout[-300:]}{done.stderr[-300:]}")
        row = next(csv.DictReader(open(path)))
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return float(row["Inferences/Second"]), float(row["p50 latency"]), 1e6 * cpu / requests


print("protocol conc | throughput ratio (each round) | p50 ratio | CPU us/request ours, theirs, ratio | req/s ours, theirs")
all_throughput, all_p50, all_cpu = [], [], []
for protocol in ("http", "grpc"):
    for concurrency in (1, 2, 4, 8, 16):
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(measure([corolla, "perf"], protocol, concurrency))
            theirs.append(measure([perf_client], protocol, concurrency))
        ratios = [[a[i] / b[i] for a, b in zip(ours, theirs)] for i in range(3)]
        medians = [statistics.median(r) for r in ratios]
        for kept, median in zip((all_throughput, all_p50, all_cpu), medians):
            kept.append(median)
        both = [[statistics.median(x[i] for x in side) for i in range(3)] for side in (ours, theirs)]
        print(f"{protocol} {concurrency:2d} | {medians[0]:.3f} ({' '.join(f'{x:.3f}' for x in ratios[0])}) | {medians[1]:.3f} | "
              f"{both[0][2]:.0f} {both[1][2]:.0f} {medians[2]:.2f} | {both[0][0]:.0f} {both[1][0]:.0f}", flush=True)
print(f"medians over the points: throughput {statistics.median(all_throughput):.3f}, p50 {statistics.median(all_p50):.3f}, CPU {statistics.median(all_cpu):.2f}")
