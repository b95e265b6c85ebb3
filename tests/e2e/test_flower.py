"""The shipped model on the real engine: pictures in three forms, cached starts, TLS, a corrupt model beside a good one."""
import json
import shutil
import subprocess

import numpy as np
import pytest
import tritonclient.grpc as tg
import tritonclient.http as th
from conftest import BIN, ROOT, Fleet
from PIL import Image
from tritonclient.utils import InferenceServerException

MODEL = ROOT / "models" / "flower"
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """flower as it is shipped; flower_u8 and flower_jpeg take pixels and JPEG files; broken is no model at all."""
    folder = tmp_path_factory.mktemp("repository")
    for part in (folder, *list(folder.parents)[:3]):
        part.chmod(part.stat().st_mode | 0o055)
    for name, form in (("flower", None), ("flower_u8", "u8"), ("flower_jpeg", "encoded")):
        shutil.copytree(MODEL, folder / name, ignore=shutil.ignore_patterns("examples"))
        if form:
            config = (folder / name / "config.pbtxt").read_text().replace('name: "flower"', f'name: "{name}"')
            parameters = {"image": form, "image_mean": "0.485,0.456,0.406", "image_std": "0.229,0.224,0.225"}
            config += "".join(f'parameters {{ key: "{k}" value {{ string_value: "{v}" }} }}\n' for k, v in parameters.items())
            (folder / name / "config.pbtxt").write_text(config)
    (folder / "broken" / "1").mkdir(parents=True)
    (folder / "broken" / "1" / "model.onnx").write_bytes(b"\x08\x07nonsense" * 100)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def flowers(repository, cache):
    running = Fleet(repository, engine="openvino", cache=cache)
    client = th.InferenceServerClient(running.http)
    running.wait(lambda s: all(client.is_model_ready(m) for m in ("flower", "flower_u8", "flower_jpeg")), "all good models are there", 120)
    yield running
    running.stop()


def examples(count):
    files = sorted((MODEL / "examples").glob("*.jpg"))[:: max(1, 204 // count)][:count]
    return [(file, int(file.stem[:3])) for file in files]


def infer(client, model, array, dtype):
    given = th.InferInput("input", array.shape, dtype)
    given.set_data_from_numpy(array)
    return client.infer(model, [given]).as_numpy("output")[0]


def test_pictures_in_three_forms_agree(flowers):
    client = th.InferenceServerClient(flowers.http, network_timeout=120)
    right = 0
    for file, label in examples(12):
        pixels = np.asarray(Image.open(file).convert("RGB"))
        plain = ((pixels.astype(np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32).copy()
        from_floats = infer(client, "flower", plain, "FP32")
        from_pixels = infer(client, "flower_u8", pixels[None], "UINT8")
        from_file = infer(client, "flower_jpeg", np.array([[file.read_bytes()]], dtype=np.object_), "BYTES")
        right += int(from_floats.argmax() == label)
        np.testing.assert_allclose(from_pixels, from_floats, atol=0.02)
        np.testing.assert_allclose(from_file, from_floats, atol=0.05)
    assert right >= 11


def test_what_is_no_picture_is_the_clients_fault(flowers):
    client = th.InferenceServerClient(flowers.http)
    for junk in (b"", b"not a picture", examples(1)[0][0].read_bytes()[:100]):
        with pytest.raises(InferenceServerException) as raised:
            infer(client, "flower_jpeg", np.array([[junk]], dtype=np.object_), "BYTES")
        assert raised.value.status() == "400" and raised.value.message()


def test_a_broken_model_is_told_and_the_others_serve(flowers):
    client = th.InferenceServerClient(flowers.http)
    entry = next(m for m in client.get_model_repository_index() if m["name"] == "broken")
    assert entry["state"] == "UNAVAILABLE" and entry["reason"]
    assert client.is_model_ready("flower") and not client.is_model_ready("broken")


def test_a_cached_start_compiles_nothing(flowers, repository, cache):
    again = Fleet(repository, engine="openvino", cache=cache)
    status = again.wait(lambda s: all(w["state"] == "serving" for w in s["workers"]), "served from the cache", 60)
    again.stop()
    compiled = [line for line in again.logs().splitlines() if "model_loaded" in line and "from_cache=true" not in line]
    assert compiled == [] and len(status["workers"]) == 2


def test_a_second_fleet_is_told_who_has_the_port(flowers, repository):
    run = subprocess.run([BIN / "corolla", "up", "--name", "second", "--models", repository, "--grpc", "0", "--metrics", "0", "--http", flowers.http.split(":")[1]], capture_output=True, text=True, timeout=30)
    assert run.returncode != 0 and str(flowers.status()["keeper_pid"]) in run.stdout + run.stderr


def test_classify_from_the_command_line(flowers):
    files = [str(file) for file, _ in examples(3)]
    run = subprocess.run([BIN / "corolla", "classify", "-u", flowers.http, "--top", "1", "--json", *files], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert len([json.loads(line) for line in run.stdout.splitlines()]) == 3


def test_tls_on_both_ports(repository, cache, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    config = tmp_path / "corolla.yaml"
    config.write_text(f"tls: {{ certificate: {certificate}, key: {key} }}\n")
    fleet = Fleet(repository, "-f", config, engine="openvino", cache=cache)
    try:
        secure = tg.InferenceServerClient(fleet.grpc, ssl=True, root_certificates=str(certificate))
        assert secure.is_server_live()
        out = subprocess.run(["curl", "-s", "--cacert", certificate, f"https://{fleet.http}/v2/health/live", "-o", "/dev/null", "-w", "%{http_code}"], capture_output=True, text=True)
        assert out.stdout == "200"
    finally:
        fleet.stop()
