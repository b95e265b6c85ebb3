"""Plans for the CPU in a model repository: compiled by corolla compile --for cpu, served by real workers; those made for something else are refused and the others serve."""
import os
import re
import shutil
import struct
import subprocess

import numpy as np
import pytest
import tritonclient.http as th
from conftest import BIN, ROOT, Fleet, let_everybody_read
from PIL import Image

MODEL = ROOT / "models" / "flower"
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


def content_hash(data):
    """plan/mapped_file.h's."""
    odd, mask = 0x9E3779B97F4A7C15, (1 << 64) - 1
    value = len(data) * odd & mask
    words = len(data) // 8
    for word in (*struct.unpack_from(f"<{words}Q", data), int.from_bytes(data[words * 8:], "little")):
        value = (value ^ word) * odd & mask
        value ^= value >> 29
    value = (value ^ value >> 32) * 0xD6E8FEB86659FD93 & mask
    return value ^ value >> 32


def altered(plan, old, new):
    """The plan with `old` replaced in its description, of the same length, and right checksums."""
    assert len(old) == len(new)
    data = bytearray(plan)
    size = struct.unpack_from("<Q", data, 16)[0]
    description = bytes(data[4096:4096 + size])
    assert old in description
    data[4096:4096 + size] = description.replace(old, new)
    struct.pack_into("<Q", data, 24, content_hash(bytes(data[4096:4096 + size])))
    struct.pack_into("<Q", data, 56, content_hash(bytes(data[:56])))
    return bytes(data)


def compile_plan(target, *args):
    subprocess.run([BIN / "corolla", "compile", MODEL / "1" / "model.onnx", "-o", target, "--no-tune", *args], check=True, capture_output=True)
    return target.read_bytes()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("repository"), tmp_path_factory.mktemp("plans")
    let_everybody_read(folder)
    cpu = compile_plan(made / "cpu.plan", "--for", "cpu", "--batch", "1,4")
    version = re.search(rb"\d{4}\.\d+\.\d+-", cpu[:9000]).group()
    machine = os.uname().machine.encode() + b" "
    plans = {"flower": cpu, "bare": cpu, "pixels": cpu, "cut": cpu[:100000], "gpu": compile_plan(made / "gpu.plan", "--batch", "1"),
             "other_cpu": altered(cpu, machine, machine[:-2] + b"? "), "other_openvino": altered(cpu, version, b"1" + version[1:])}
    for name, plan in plans.items():
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "1" / "model.plan").write_bytes(plan)
    config = (MODEL / "config.pbtxt").read_text()
    (folder / "flower" / "config.pbtxt").write_text(config.replace("onnxruntime_onnx", "tensorrt_plan"))
    shutil.copy(MODEL / "labels.txt", folder / "flower")
    shutil.copy(MODEL / "labels.txt", folder / "pixels")
    parameters = {"image": "u8", "image_mean": "0.485,0.456,0.406", "image_std": "0.229,0.224,0.225"}
    (folder / "pixels" / "config.pbtxt").write_text(config.replace('"flower"', '"pixels"').replace('platform: "onnxruntime_onnx"', "") +
                                                    "".join(f'parameters {{ key: "{k}" value {{ string_value: "{v}" }} }}\n' for k, v in parameters.items()))
    running = Fleet(folder, engine="openvino", cache=tmp_path_factory.mktemp("cache"))
    client = th.InferenceServerClient(running.http)
    running.wait(lambda s: all(client.is_model_ready(m) for m in ("flower", "bare", "pixels")), "the good plans are there", 60)
    yield running
    running.stop()


def infer(client, model, array, dtype):
    given = th.InferInput("input", array.shape, dtype)
    given.set_data_from_numpy(array)
    return client.infer(model, [given]).as_numpy("output")


def test_plans_answer_as_the_model_does(fleet):
    client = th.InferenceServerClient(fleet.http, network_timeout=120)
    files = sorted((MODEL / "examples").glob("*.jpg"))[::40][:5]
    pixels = np.stack([np.asarray(Image.open(file).convert("RGB").resize((224, 224))) for file in files])
    x = ((pixels.astype(np.float32) / 255 - MEAN) / STD).transpose(0, 3, 1, 2).astype(np.float32).copy()
    together = infer(client, "flower", x, "FP32")  # five rows: the batch of four and that of one
    assert [int(row.argmax()) for row in together] == [int(file.stem[:3]) for file in files]
    for i in range(len(x)):
        np.testing.assert_allclose(infer(client, "bare", x[i:i + 1], "FP32")[0], together[i], atol=2e-5)
    np.testing.assert_allclose(infer(client, "pixels", pixels, "UINT8"), together, atol=2e-3)


def test_their_platform_and_batch_are_told(fleet):
    client = th.InferenceServerClient(fleet.http)
    assert client.get_model_metadata("pixels")["platform"] == client.get_model_metadata("bare")["platform"] == "corolla_plan"
    assert client.get_model_config("bare")["max_batch_size"] == 8
    assert client.get_model_metadata("bare")["inputs"][0]["shape"] == [-1, 3, 224, 224]
    compiled = [line for line in fleet.logs().splitlines() if "model_loaded" in line and "from_cache=true" not in line]
    assert compiled == []


def test_those_made_for_something_else_are_refused_by_name(fleet):
    client = th.InferenceServerClient(fleet.http)
    fleet.wait(lambda s: all(w["state"] == "serving" for w in s["workers"]), "all is loaded or refused", 60)
    entries = {m["name"]: m for m in client.get_model_repository_index()}
    wanted = {"cut": ["damaged"], "gpu": ["'cuda'", "'openvino'"], "other_cpu": ["? ", os.uname().machine, "compile the model again"],
              "other_openvino": ["OpenVINO 1", "OpenVINO 2", "corolla compile"]}
    for name, words in wanted.items():
        assert entries[name]["state"] == "UNAVAILABLE"
        for word in words:
            assert word in entries[name]["reason"], entries[name]
