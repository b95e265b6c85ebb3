"""What killed other servers, and what should not be sent: each gets the right code and a sentence, costs no slot, kills nothing."""
import http.client
import json
import socket

import numpy as np
import pytest
import tritonclient.grpc as tg
import tritonclient.http as th
import tritonclient.utils.shared_memory as shm
from tritonclient.utils import InferenceServerException


def post(fleet, body, path="/v2/models/tiny/infer", headers=None):
    connection = http.client.HTTPConnection(fleet.http, timeout=30)
    connection.request("POST", path, body, headers or {})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"{}").get("error", "")


def request(**changes):
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4], **changes}
    return json.dumps({"inputs": [{k: v for k, v in tensor.items() if v is not None}]})


@pytest.fixture(autouse=True)
def still_well(fleet):
    pids = fleet.status()["front"]["pid"], sorted(w["pid"] for w in fleet.workers())
    yield
    assert post(fleet, request())[0] == 200
    status = fleet.wait(lambda s: s["serving"].get("arena_used_bytes", 0) == 0, "every slot is free again")
    assert (status["front"]["pid"], sorted(w["pid"] for w in status["workers"])) == pids, "somebody died of it"


@pytest.mark.parametrize("body,status,words", [
    (request(shape=[1, 4611686018427387904]), 400, ""),
    (request(shape=[2**40, 2**40]), 400, ""),
    (request(shape=[-1, 4]), 400, ""),
    (request(shape=[1, 5]), 400, ""),
    (request(datatype="FP31"), 400, "FP31"),
    (request(datatype="INT32"), 400, "INT32"),
    (request(name="imput"), 400, "imput"),
    (request(data=[1, 2, 3]), 400, ""),
    (request(data=["a", "b", "c", "d"]), 400, ""),
    (request(data=None), 400, ""),
    ("[" * 1_000_000, 400, ""),
    ('{"inputs":' + "[" * 1_000_000, 400, ""),
    ('{"inputs":[{"name":"\xff"}]}', 400, ""),
    ("", 400, ""),
    ("null", 400, ""),
], ids=lambda v: str(v)[:40] if isinstance(v, str) else str(v))
def test_json(fleet, body, status, words):
    got, error = post(fleet, body.encode("latin-1"))
    assert got == status and error and words in error


@pytest.mark.parametrize("path,status", [("/v2/models/nobody/infer", 404), ("/v2/models/tiny/versions/7/infer", 404), ("/v2/models/tiny/versions/x/infer", 400),
                                         ("/v2/nothing", 404), ("/v2/models/%00/infer", 404), ("/v2/models/../../etc/passwd/infer", 404)])
def test_paths(fleet, path, status):
    assert post(fleet, request(), path)[0] == status


@pytest.mark.parametrize("length", ["-1", "abc", "99999999999999999999", "10000"])
def test_lying_json_length(fleet, length):
    assert post(fleet, request(), headers={"Inference-Header-Content-Length": length})[0] == 400


def test_a_body_over_the_limit_is_refused_before_it_is_sent(fleet):
    host, port = fleet.http.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(b"POST /v2/models/flower/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        assert b" 413 " in raw.recv(4096)


@pytest.mark.parametrize("junk", [b"\0" * 1000, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A" * 200_000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 5000,
                                  b"GET /v2 HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"], ids=range(6))
def test_junk_on_the_socket(fleet, junk):
    host, port = fleet.any.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        try:
            raw.sendall(junk)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(65536):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass


def test_shared_memory_that_is_cut_short_or_lies(fleet):
    client = th.InferenceServerClient(fleet.http)
    handle = shm.create_shared_memory_region("cut", "/corolla_test_cut", 602112 + 64)
    try:
        for offset, size in ((0, 10**12), (2**63, 64), (602112 + 64, 1)):
            with pytest.raises((InferenceServerException, OverflowError)):
                client.register_system_shared_memory("cut", "/corolla_test_cut", size, offset)
        client.register_system_shared_memory("cut", "/corolla_test_cut", 602112, 64)
        given = th.InferInput("input", [1, 3, 224, 224], "FP32")
        given.set_shared_memory("cut", 602112)
        client.infer("flower", [given])
        given.set_shared_memory("cut", 602112, 1)
        with pytest.raises(InferenceServerException):
            client.infer("flower", [given])
        with open("/dev/shm/corolla_test_cut", "r+b") as file:
            file.truncate(4096)
        given.set_shared_memory("cut", 602112)
        try:
            client.infer("flower", [given])  # the null model reads no input: an answer is as good as an error
        except InferenceServerException:
            pass
        client.unregister_system_shared_memory("cut")
    finally:
        shm.destroy_shared_memory_region(handle)


def test_a_burst_of_cancelled_calls_leaves_the_neighbours_alone(fleet):
    client = tg.InferenceServerClient(fleet.grpc)
    tensor = tg.InferInput("input", [1, 3, 224, 224], "FP32")
    tensor.set_data_from_numpy(np.zeros([1, 3, 224, 224], np.float32))
    for _ in range(5):
        calls = [client.async_infer("flower", [tensor], lambda result, error: None) for _ in range(100)]
        for call in calls:
            call.cancel()
        assert client.infer("flower", [tensor]).as_numpy("output").shape == (1, 102)


def test_an_overdue_call_is_refused_not_computed(fleet):
    client = tg.InferenceServerClient(fleet.grpc)
    tensor = tg.InferInput("input", [1, 4], "FP32")
    tensor.set_data_from_numpy(np.zeros([1, 4], np.float32))
    refusals = []
    for _ in range(50):  # gRPC rounds deadlines up to milliseconds: the odd call is in time
        try:
            client.infer("tiny", [tensor], client_timeout=0.000001)
        except InferenceServerException as refusal:
            refusals.append(str(refusal))
    assert refusals and all("deadline" in each.lower() for each in refusals)
