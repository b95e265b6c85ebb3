"""fleet_life.py --bin DIR --models DIR [--seconds N]: how long a fleet's steps take, and what deaths cost.

Starts to the first answer (cold, cached, one more worker), a killed front, workers killed at random for N seconds under load; memory of front and workers.
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time


def infer(connection, model, shape, data):
    head = json.dumps({"inputs": [{"name": "input", "datatype": "FP32", "shape": shape, "parameters": {"binary_data_size": len(data)}}],
                       "outputs": [{"name": "output", "parameters": {"binary_data": True}}]}).encode()
    connection.request("POST", f"/v2/models/{model}/infer", head + data, {"Inference-Header-Content-Length": str(len(head))})
    answer = connection.getresponse()
    return answer.status, answer.read()


def start(binaries, *args):
    name = f"life-{os.getpid()}-{time.monotonic_ns()}"
    begin = time.monotonic()
    process = subprocess.Popen([binaries / "corolla", "up", "--name", name, "--http", "0", "--grpc", "off", "--metrics", "off", "--json", *map(str, args)], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    status = json.loads(process.stdout.readline())
    return process, name, status, begin


def stop(process):
    process.send_signal(signal.SIGTERM)
    process.wait()


def first_answer(binaries, models, cache, picture):
    process, name, status, begin = start(binaries, "--models", models, "--cache", cache, "--slices", "2")
    code, _ = infer(http.client.HTTPConnection(status["listeners"]["http"]), "flower", [1, 3, 224, 224], picture)
    assert code == 200
    return time.monotonic() - begin, process, name, status


def resident(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0.0


def deaths(binaries, models, seconds):
    process, name, status, _ = start(binaries, "--models", models, "--engine", "null", "--slices", "2")
    address, done, good, bad = status["listeners"]["http"], threading.Event(), [0] * 16, []

    def client(index):
        connection, answer = http.client.HTTPConnection(address, timeout=30), None
        while not done.is_set():
            code, body = infer(connection, "tiny", [1, 4], bytes(16))
            answer = answer or body
            if code == 200 and body == answer:
                good[index] += 1
            else:
                bad.append(code)

    threads = [threading.Thread(target=client, args=(i,)) for i in range(16)]
    [thread.start() for thread in threads]
    dice, kills, end = random.Random(1), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.3)
        workers = json.loads(subprocess.run([binaries / "corolla", "status", "--json", "--name", name], capture_output=True, text=True).stdout)["workers"]
        alive = [w["pid"] for w in workers if w["state"] == "serving"]
        if alive:
            os.kill(dice.choice(alive), signal.SIGKILL)
            kills += 1
    done.set()
    [thread.join() for thread in threads]
    stop(process)
    return kills, sum(good), len(bad)


def front_back(binaries, models):
    process, name, status, _ = start(binaries, "--models", models, "--engine", "null", "--slices", "2")
    times, front = [], status["front"]["pid"]
    for _ in range(5):
        os.kill(front, signal.SIGKILL)
        begin = time.monotonic()
        while True:
            try:
                if infer(http.client.HTTPConnection(status["listeners"]["http"], timeout=5), "tiny", [1, 4], bytes(16))[0] == 200:
                    break
            except (OSError, http.client.HTTPException):
                time.sleep(0.001)
        times.append(time.monotonic() - begin)
        front = json.loads(subprocess.run([binaries / "corolla", "status", "--json", "--name", name], capture_output=True, text=True).stdout)["front"]["pid"]
        time.sleep(1)
    stop(process)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    picture = bytes(602112)
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        cold, cached = [], []
        for _ in range(3):
            shutil.rmtree(f"{folder}/cache", ignore_errors=True)
            for times in (cold, cached):
                seconds, process, name, status = first_answer(options.bin, options.models, f"{folder}/cache", picture)
                times.append(seconds)
                if times is cached:
                    front, worker = resident(status["front"]["pid"]), max(resident(w["pid"]) for w in status["workers"])
                    subprocess.run([options.bin / "corolla", "scale", "flower=1", "--name", name], capture_output=True, check=True)
                    begin = time.monotonic()
                    subprocess.run([options.bin / "corolla", "scale", "flower=2", "--name", name], capture_output=True, check=True)
                    more = time.monotonic() - begin
                stop(process)
        print(f"start to first answer, cold      {statistics.median(cold):8.2f} s   ({min(cold):.2f}-{max(cold):.2f})")
        print(f"start to first answer, cached    {statistics.median(cached):8.2f} s   ({min(cached):.2f}-{max(cached):.2f})")
        print(f"one more worker, cached          {more:8.2f} s")
        print(f"private memory of the front      {front:8.1f} MB")
        print(f"private memory of a worker       {worker:8.1f} MB")
        null = pathlib.Path(folder) / "null"
        subprocess.run([sys.executable, pathlib.Path(__file__).parent / "models" / "make_null_models.py", null], check=True)
        subprocess.run(["chmod", "-R", "a+rX", null], check=True)
        times = front_back(options.bin, null)
        print(f"killed front to next answer      {1000 * statistics.median(times):8.0f} ms  ({1000 * min(times):.0f}-{1000 * max(times):.0f})")
        kills, good, bad = deaths(options.bin, null, options.seconds)
        print(f"workers killed in {options.seconds:.0f} s: {kills}; answers: {good}; failed or wrong: {bad}")


if __name__ == "__main__":
    main()
