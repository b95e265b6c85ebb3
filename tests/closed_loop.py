"""Clients that always have one request out, and look at every answer."""
import concurrent.futures
import http.client
import json
import threading
import time

import numpy as np

ROW = (np.linspace(0.0, 1.0, 102, dtype=np.float32)[::-1] ** 2).astype(np.float32).tobytes()


class Load:
    """`threads` closed-loop clients of the tiny model. Counts good answers; keeps what went wrong."""

    def __init__(self, address, threads=16, retry_connection=False):
        self.address, self.retry = address, retry_connection
        self.good, self.bad, self.worst, self.stop = 0, [], 0.0, threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(threads)
        self.running = [self.pool.submit(self.run) for _ in range(threads)]

    def run(self):
        head = json.dumps({"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 4], "parameters": {"binary_data_size": 16}}],
                           "outputs": [{"name": "output", "parameters": {"binary_data": True}}]}).encode()
        connection = http.client.HTTPConnection(self.address, timeout=30)
        while not self.stop.is_set():
            begin = time.monotonic()
            try:
                connection.request("POST", "/v2/models/tiny/infer", head + bytes(16), {"Inference-Header-Content-Length": str(len(head))})
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as problem:
                if not self.retry:
                    self.bad.append(repr(problem))
                connection.close()
                continue
            if answer.status == 200 and body.endswith(ROW):
                self.good += 1
            else:
                self.bad.append(f"{answer.status} {body[:200]!r}")
            self.worst = max(self.worst, time.monotonic() - begin)

    def finish(self):
        self.stop.set()
        for each in self.running:
            each.result(60)
        return self
