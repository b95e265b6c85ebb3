"""engine_share.py --bin DIR [--rounds N]: a fleet of two one-core workers, through its front, over OpenVINO alone with two pinned streams.

Both run the shipped int8 flower model on the same two cores, A B A B. OpenVINO alone is one process with NUM_STREAMS=2, pinned, two
requests always under way, nothing copied between them: what the cores can do. The fleet is loaded by `corolla perf` with four
outstanding and shared memory, and by plain HTTP; its generator runs on the same cores. Also prints what a worker's private
memory is over that of a process which only loads the same model with OpenVINO on one stream.
"""
import argparse
import csv
import json
import multiprocessing
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODEL = ROOT / "models" / "flower" / "1" / "model.onnx"


def private_mb(pid):
    rows = dict(line.split(":") for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return sum(int(rows[key].split()[0]) for key in ("Private_Clean", "Private_Dirty")) / 1024


def alone(seconds, out):
    import numpy
    import openvino

    os.sched_setaffinity(0, {0, 1})
    model = openvino.Core().compile_model(MODEL, "CPU", {"NUM_STREAMS": "2", "INFERENCE_NUM_THREADS": "2", "ENABLE_CPU_PINNING": "YES", "PERFORMANCE_HINT": "THROUGHPUT"})
    queue = openvino.AsyncInferQueue(model, 2)
    picture = numpy.random.default_rng(1).standard_normal((1, 3, 224, 224)).astype(numpy.float32)
    for _ in range(10):
        queue.start_async([picture])
    queue.wait_all()
    begin, done = time.monotonic(), 0
    while time.monotonic() - begin < seconds:
        queue.start_async([picture])
        done += 1
    queue.wait_all()
    out.put(done / (time.monotonic() - begin))


def memory_alone(out):
    import numpy
    before = private_mb(os.getpid())
    import openvino

    model = openvino.Core().compile_model(MODEL, "CPU", {"NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": "1", "CACHE_DIR": os.environ["BENCH_CACHE"]})
    request = model.create_infer_request()
    for rows in (1, 8):
        request.infer([numpy.zeros((rows, 3, 224, 224), numpy.float32)])
    out.put(private_mb(os.getpid()) - before)


def in_process(function, *arguments):
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    process = context.Process(target=function, args=(*arguments, out))
    process.start()
    value = out.get()
    process.join()
    return value


def fleet(binaries, seconds, extra):
    process = subprocess.Popen([binaries / "corolla", "up", "--models", ROOT / "models", "--name", f"share-{os.getpid()}", "--slices", "cores:2x1", "--http", "0", "--grpc", "0",
                                "--metrics", "off", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        status = json.loads(process.stdout.readline())
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out.csv"
            subprocess.run([binaries / "corolla", "perf", "-m", "flower", "-u", status["listeners"]["http"], "--concurrency-range", "4", "-p", str(int(seconds * 1000 / 3)), "-s", "50",
                            "-f", out, *extra], check=True, capture_output=True)
            rate = float(next(csv.DictReader(out.open()))["Inferences/Second"])
        return rate, max(private_mb(worker["pid"]) for worker in status["workers"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6)
    options = parser.parse_args()
    rows = {"OpenVINO alone": [], "fleet, shared memory": [], "fleet, HTTP": []}
    memory = 0
    for _ in range(options.rounds):
        rows["OpenVINO alone"].append(in_process(alone, options.seconds))
        for name, extra in (("fleet, shared memory", ["--shared-memory", "system"]), ("fleet, HTTP", [])):
            rate, memory = fleet(options.bin, options.seconds, extra)
            rows[name].append(rate)
    base = rows["OpenVINO alone"]
    for name, rates in rows.items():
        shares = sorted(100 * a / b for a, b in zip(rates, base))
        print(f"{name:22} {statistics.median(rates):6.1f} img/s   {statistics.median(shares):5.1f} % ({shares[0]:.1f}-{shares[-1]:.1f})")
    with tempfile.TemporaryDirectory() as cache:
        os.environ["BENCH_CACHE"] = cache
        in_process(memory_alone)
        own = in_process(memory_alone)
    print(f"private memory: a worker {memory:.0f} MB, OpenVINO alone with the same model from its cache {own:.0f} MB, difference {memory - own:.0f} MB")


if __name__ == "__main__":
    main()
