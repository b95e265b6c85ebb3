"""What a Triton client needs, asked by the real tritonclient over HTTP and gRPC, against models whose answers are known."""
import json

import numpy as np
import pytest
import tritonclient.grpc as tg
import tritonclient.http as th
import tritonclient.utils.shared_memory as shm
from google.protobuf import json_format
from tritonclient.utils import InferenceServerException

ROW = (np.linspace(0.0, 1.0, 102, dtype=np.float32)[::-1] ** 2).astype(np.float32)
MODULES = {"http": th, "grpc": tg}


def plain(message):
    return message if isinstance(message, (dict, list)) else json.loads(json_format.MessageToJson(message, preserving_proto_field_name=True))


def connect(fleet, kind):
    made = MODULES[kind].InferenceServerClient(getattr(fleet, kind))
    made.kind, made.module = kind, MODULES[kind]
    return made


@pytest.fixture(params=["http", "grpc"])
def client(request, fleet):
    made = connect(fleet, request.param)
    yield made
    made.close()


def tensor(client, array):
    made = client.module.InferInput("input", array.shape, {np.float32: "FP32", np.uint8: "UINT8"}[array.dtype.type])
    made.set_data_from_numpy(array)
    return made


def ones(*shape):
    return np.ones(shape, np.float32)


def test_health_and_metadata(client):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("flower")
    assert not client.is_model_ready("nobody")
    meta = plain(client.get_server_metadata())
    assert {"statistics", "classification", "system_shared_memory"} <= set(meta["extensions"])
    model = plain(client.get_model_metadata("flower"))
    assert [int(d) for d in model["inputs"][0]["shape"]] == [-1, 3, 224, 224]
    config = plain(client.get_model_config("flower"))
    assert config.get("config", config)["max_batch_size"] == 8
    index = plain(client.get_model_repository_index())
    assert {"flower", "tiny"} <= {m["name"] for m in (index if isinstance(index, list) else index["models"])}


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_infer(client, batch):
    answer = client.infer("flower", [tensor(client, ones(batch, 3, 224, 224))], request_id=f"r{batch}")
    np.testing.assert_array_equal(answer.as_numpy("output"), np.tile(ROW, (batch, 1)))
    assert plain(answer.get_response())["id"] == f"r{batch}"


@pytest.mark.parametrize("model,shape,words", [
    ("flower", [9, 3, 224, 224], "batch-size must be <= 8"),
    ("flower", [1, 3, 224, 223], "unexpected shape"),
    ("nobody", [1, 4], "unknown model"),
])
def test_bad_requests_are_told_and_cost_nothing(client, model, shape, words):
    with pytest.raises(InferenceServerException, match=words):
        client.infer(model, [tensor(client, ones(*shape))])
    client.infer("tiny", [tensor(client, ones(1, 4))])


def test_classification_has_labels(client):
    wanted = [client.module.InferRequestedOutput("output", class_count=3)]
    got = client.infer("flower", [tensor(client, ones(2, 3, 224, 224))], outputs=wanted).as_numpy("output")
    assert got.shape == (2, 3) and got[0, 0] == b"1.000000:0:flower 000" and got[1, 2].endswith(b":2:flower 002")


def test_json_tensors(fleet):
    client = connect(fleet, "http")
    given = th.InferInput("input", [1, 4], "FP32")
    given.set_data_from_numpy(ones(1, 4), binary_data=False)
    answer = client.infer("tiny", [given], outputs=[th.InferRequestedOutput("output", binary_data=False)])
    np.testing.assert_allclose(answer.as_numpy("output")[0], ROW, rtol=1e-6)


@pytest.mark.parametrize("how", ["gzip", "deflate"])
def test_compression_both_ways(fleet, how):
    http, grpc = connect(fleet, "http"), connect(fleet, "grpc")
    x = ones(1, 3, 224, 224)
    answer = http.infer("flower", [tensor(http, x)], request_compression_algorithm=how, response_compression_algorithm=how)
    np.testing.assert_array_equal(answer.as_numpy("output")[0], ROW)
    np.testing.assert_array_equal(grpc.infer("flower", [tensor(grpc, x)], compression_algorithm=how).as_numpy("output")[0], ROW)


def test_shared_memory_in_and_out(client):
    x = ones(1, 3, 224, 224)
    key, out_bytes = f"/corolla_test_{client.kind}", 408
    handle = shm.create_shared_memory_region("both", key, x.nbytes + out_bytes)
    try:
        shm.set_shared_memory_region(handle, [x])
        client.register_system_shared_memory("both", key, x.nbytes + out_bytes)
        assert "both" in str(plain(client.get_system_shared_memory_status()))
        given = client.module.InferInput("input", x.shape, "FP32")
        given.set_shared_memory("both", x.nbytes)
        wanted = client.module.InferRequestedOutput("output")
        wanted.set_shared_memory("both", out_bytes, x.nbytes)
        for _ in range(20):  # either worker
            client.infer("flower", [given], outputs=[wanted])
        np.testing.assert_array_equal(shm.get_contents_as_numpy(handle, np.float32, [1, 102], x.nbytes)[0], ROW)
        wanted.set_shared_memory("both", out_bytes - 1, x.nbytes)
        with pytest.raises(InferenceServerException, match="at least 408"):
            client.infer("flower", [given], outputs=[wanted])
        client.unregister_system_shared_memory("both")
        with pytest.raises(InferenceServerException):
            client.infer("flower", [given])
    finally:
        shm.destroy_shared_memory_region(handle)


def test_cuda_shared_memory_says_that_there_is_none(client):
    assert plain(client.get_cuda_shared_memory_status()) in ([], {}, {"regions": {}})
    client.unregister_cuda_shared_memory()
    with pytest.raises(InferenceServerException, match="no CUDA worker"):
        client.register_cuda_shared_memory("x", b"\0" * 64, 0, 64)


def test_statistics_count_what_was_answered(client):
    def read():
        stats = plain(client.get_inference_statistics("tiny"))["model_stats"][0]
        return int(stats.get("inference_count", 0)), int(stats["inference_stats"]["success"].get("count", 0))

    before = read()
    for _ in range(10):
        client.infer("tiny", [tensor(client, ones(2, 4))])
    after = read()
    assert (after[0] - before[0], after[1] - before[1]) == (20, 10)


def test_streaming(fleet):
    client = connect(fleet, "grpc")
    answers = []
    client.start_stream(lambda result, error: answers.append((result, error)))
    for i in range(20):
        client.async_stream_infer("tiny", [tensor(client, np.full([1, 4], i, np.float32))], request_id=str(i))
    client.async_stream_infer("nobody", [tensor(client, ones(1, 4))], request_id="bad")
    client.stop_stream()
    good = [int(result.get_response().id) for result, error in answers if error is None]
    assert sorted(good) == list(range(20))
    assert len(answers) == 21 and "unknown model" in str([error for _, error in answers if error][0])


def test_load_and_unload(own_fleet):
    client = connect(own_fleet(), "http")
    client.unload_model("tiny")
    assert not client.is_model_ready("tiny")
    with pytest.raises(InferenceServerException, match="unknown model"):
        client.infer("tiny", [tensor(client, ones(1, 4))])
    client.load_model("tiny")
    client.infer("tiny", [tensor(client, ones(1, 4))])
    with pytest.raises(InferenceServerException, match="failed to load 'nobody'"):
        client.load_model("nobody")
