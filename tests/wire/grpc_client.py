#!/usr/bin/env python3
"""Talks to the server at sys.argv[1] with the real tritonclient and grpc, and exits with 0 if all went as it should.
With a file of certificates as sys.argv[2], over TLS.

The server is the one in src/wire/grpc_real_client_test.cc: ModelInfer and ModelStreamInfer send inputs back as outputs; the
model "slow" never answers; messages may have 64 MiB.
"""
import queue
import sys

import grpc
import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

URL = sys.argv[1]
CERTIFICATES = sys.argv[2] if len(sys.argv) > 2 else None


def connect(**options):
    if CERTIFICATES:
        options |= {"ssl": True, "root_certificates": CERTIFICATES}
    return triton.InferenceServerClient(URL, **options)


def tensor(array, datatype="FP32", name="input"):
    given = triton.InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array)
    return given


def same(result, array, name="input"):
    got = result.as_numpy(name)
    assert got.shape == array.shape and (got == array).all(), (got, array)


def refused(code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{code}", error
        return str(error)
    raise AssertionError(f"{code} expected, but the call succeeded")


def unary(client):
    assert client.is_server_live()
    refused("UNIMPLEMENTED", client.get_server_metadata)
    picture = np.random.default_rng(1).standard_normal((1, 3, 224, 224)).astype(np.float32)
    for compression in (None, "gzip", "deflate"):
        same(client.infer("echo", [tensor(picture)], compression_algorithm=compression), picture)
    words = np.array([b"flower", b"", "Blüte".encode()], dtype=np.object_)
    same(client.infer("echo", [tensor(words, "BYTES"), tensor(picture, name="second")]), words)
    same(client.infer("echo", [tensor(words, "BYTES"), tensor(picture, name="second")]), picture, "second")
    assert client.infer("echo", [tensor(picture)], request_id="r-7").get_response().id == "r-7"


def many(client):
    answers = queue.Queue()
    arrays = [np.full((1, 1 + 397 * i), i, dtype=np.float32) for i in range(200)]
    for i, array in enumerate(arrays):
        client.async_infer("echo", [tensor(array)], lambda result, error, i=i: answers.put((i, result, error)))
    for _ in arrays:
        i, result, error = answers.get(timeout=60)
        assert error is None, error
        same(result, arrays[i])


def stream(client):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for i in range(20):
        client.async_stream_infer("echo", [tensor(np.full((1, 1000 * i + 1), i, dtype=np.float32))], request_id=str(i))
    for i in range(20):
        result, error = answers.get(timeout=60)
        assert error is None and result.get_response().id == str(i), error
        same(result, np.full((1, 1000 * i + 1), i, dtype=np.float32))
    client.stop_stream()


def deadlines(client):
    small = [tensor(np.zeros((1, 4), dtype=np.float32))]
    refused("DEADLINE_EXCEEDED", client.infer, "slow", small, client_timeout=0.2)
    answers = queue.Queue()
    for _ in range(200):
        client.async_infer("slow", small, lambda result, error: answers.put(error)).cancel()
    for _ in range(200):
        assert answers.get(timeout=60).status() in ("StatusCode.CANCELLED", "CANCELLED")
    same(client.infer("echo", small), np.zeros((1, 4), dtype=np.float32))


def limits(client):
    large = np.zeros((1, 10 << 20), dtype=np.float32)
    same(client.infer("echo", [tensor(large)]), large)
    text = refused("RESOURCE_EXHAUSTED", client.infer, "echo", [tensor(np.zeros((1, 25 << 20), dtype=np.float32))])
    assert "limit" in text, text


def health():
    def raw(data):
        return data

    if CERTIFICATES:
        with open(CERTIFICATES, "rb") as file:
            secure = grpc.ssl_channel_credentials(file.read())
        made = grpc.secure_channel(URL, secure)
    else:
        made = grpc.insecure_channel(URL)
    with made as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check", request_serializer=raw, response_deserializer=raw)
        assert check(b"", timeout=10) == b"\x08\x01"
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch", request_serializer=raw, response_deserializer=raw)
        states = watch(b"", timeout=30)
        assert next(states) == b"\x08\x01"
        assert check(b"\x0a\x04flip", timeout=10) == b"\x08\x01"
        assert next(states) == b"\x08\x02", "the watcher is told of the change"
        states.cancel()


def main():
    client = connect()
    for case in (unary, many, stream, deadlines, limits):
        case(client)
        print(f"{case.__name__}: ok", flush=True)
    health()
    print("health: ok", flush=True)
    alive = triton.KeepAliveOptions(keepalive_time_ms=100, keepalive_permit_without_calls=True, http2_max_pings_without_data=0)
    with connect(keepalive_options=alive) as pinging:
        refused("DEADLINE_EXCEEDED", pinging.infer, "slow", [tensor(np.zeros((1, 4), dtype=np.float32))], client_timeout=1)
        assert pinging.is_server_live()
    print("keep-alive pings: ok", flush=True)


main()
