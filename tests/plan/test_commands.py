"""corolla compile and corolla run: the shipped model in every precision, on files; and input that is wrong."""
import json
import os
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from conftest import BIN, ROOT

FLOWER = ROOT / "models" / "flower" / "1" / "model.onnx"
EXAMPLES = ROOT / "models" / "flower" / "examples"


def corolla(*args, expect=0):
    run = subprocess.run([BIN / "corolla", *map(str, args)], capture_output=True, text=True)
    assert run.returncode == expect, run.stdout + run.stderr
    return run


def refused(*args):
    """The one sentence, which names no signal and no exception."""
    *progress, text = corolla(*args, expect=2).stderr.strip().splitlines()
    assert text.startswith("corolla: ") and all(line.startswith("compile: ") for line in progress), text
    return text


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """[(file.npy, class)]"""
    folder, made = tmp_path_factory.mktemp("pictures"), []
    for name in ("000a", "063a", "101b"):
        picture = Image.open(EXAMPLES / f"{name}.jpg").convert("RGB").resize((224, 224))
        x = (np.asarray(picture, np.float32) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        np.save(folder / f"{name}.npy", x.transpose(2, 0, 1)[None].astype(np.float32))
        made.append((folder / f"{name}.npy", int(name[:3])))
    return made


def small_model(path, nodes=None, shape=("batch", 4), weights=(), outputs=("y",)):
    graph = helper.make_graph(nodes or [helper.make_node("Relu", ["x"], ["y"], name="only")], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs], list(weights))
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
    return path


@pytest.mark.parametrize("precision", ["--fp16", "--int8"])
def test_the_flower_model_keeps_its_answers(pictures, tmp_path, precision):
    plan = tmp_path / "flower.plan"
    said = json.loads(corolla("compile", FLOWER, "-o", plan, "--batch", "1", "--no-tune", "--json", precision).stdout)
    steps = [s["step"].split()[0] for s in said["programs"][0]["steps"]]
    assert steps.count("conv") == 53 and steps.count("gemm") == 1 and "elementwise" not in steps
    for picture, label in pictures:
        answers = {}
        for name, target, engine in (("plan", plan, "reference"), ("openvino", FLOWER, "openvino")):
            corolla("run", target, "--input", f"input={picture}", "--out", tmp_path / name, "--engine", engine)
            answers[name] = np.load(tmp_path / name / "output.npy")
        assert answers["plan"].argmax() == answers["openvino"].argmax() == label
        assert np.abs(answers["plan"] - answers["openvino"]).max() < 0.02


def test_a_plan_for_the_cpu_holds_openvinos_blob(pictures, tmp_path):
    plan = tmp_path / "cpu.plan"
    corolla("compile", FLOWER, "-o", plan, "--for", "cpu", "--batch", "1")
    picture, label = pictures[1]
    for target in (plan, FLOWER):
        corolla("run", target, "--input", picture, "--out", tmp_path / target.stem, "--engine", "openvino")
    answers = [np.load(tmp_path / t.stem / "output.npy") for t in (plan, FLOWER)]
    assert answers[0].argmax() == label and np.allclose(*answers, atol=1e-6)
    assert list(tmp_path.glob("*.blob*")) == []
    assert "--engine openvino" in refused("run", plan, "--input", picture)


def test_the_same_model_makes_the_same_plan(tmp_path):
    for name in ("a", "b"):
        corolla("compile", small_model(tmp_path / "m.onnx"), "-o", tmp_path / name, "--no-tune")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_passes_can_be_watched_and_left_out(tmp_path):
    model = small_model(tmp_path / "m.onnx")
    assert "corolla.Elementwise" in corolla("compile", model, "-o", tmp_path / "p", "--dump-after", "fuse-elementwise").stdout
    assert "there is no pass 'x'" in refused("compile", model, "-o", tmp_path / "p", "--disable-pass", "x")


def test_models_that_are_wrong(tmp_path):
    path = tmp_path / "m.onnx"
    node = helper.make_node

    small_model(path, [node("LSTM", ["x"], ["a"], name="one"), node("Loop", ["a"], ["y"], name="two")])
    said = refused("compile", path, "-o", tmp_path / "p")
    assert "LSTM (one)" in said and "Loop (two)" in said

    small_model(path, shape=("batch", "width"))
    assert "'x' has open dimensions beyond the batch: 1 ('width')" in refused("compile", path, "-o", tmp_path / "p")

    small_model(path, [node("Add", ["x", "b"], ["a"], name="first"), node("Relu", ["a"], ["b"], name="second")], outputs=("b",))
    assert "cycle" in refused("compile", path, "-o", tmp_path / "p")

    small_model(path, [node("Mul", ["x", "w"], ["y"])], weights=[numpy_helper.from_array(np.array([1, np.nan, 2, 3], np.float32), "w")])
    assert "'w' holds 1 NaN" in refused("compile", path, "-o", tmp_path / "p")

    small_model(path, [node("Mul", ["x", "w"], ["y"])], weights=[numpy_helper.from_array(np.zeros(4, np.float32), "w")])
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    os.remove(tmp_path / "weights.bin")
    assert "weights.bin" in refused("compile", path, "-o", tmp_path / "p")

    with open(path, "wb") as file:
        file.truncate(3 << 30)
    assert "3221225472 bytes" in refused("compile", path, "-o", tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_runs_that_are_wrong(tmp_path):
    model = small_model(tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.zeros((2, 4), np.float32))
    np.save(tmp_path / "wide.npy", np.zeros((2, 5), np.float32))
    np.save(tmp_path / "double.npy", np.zeros((2, 4)))
    run = ["run", model, "--out", tmp_path / "out"]
    assert "'x' is not given" in refused(*run)
    assert "no input 'z'; it has 'x'" in refused(*run, "--input", f"z={tmp_path / 'x.npy'}")
    assert "[2,5]" in refused(*run, "--input", tmp_path / "wide.npy")
    assert "FP64" in refused(*run, "--input", tmp_path / "double.npy")
    assert "none.npy" in refused(*run, "--input", tmp_path / "none.npy")
    corolla(*run, "--input", tmp_path / "x.npy")

    plan = tmp_path / "m.plan"
    corolla("compile", model, "-o", plan, "--batch", "1,4", "--no-tune")
    assert "2 rows; the plan is for batches of 1, 4" in refused("run", plan, "--input", tmp_path / "x.npy")
    damaged = bytearray(plan.read_bytes())
    damaged[4100] ^= 1
    plan.write_bytes(damaged)
    assert "damaged" in refused("run", plan, "--input", tmp_path / "x.npy")
    plan.write_bytes(damaged[:5000])
    assert "damaged" in refused("run", plan, "--input", tmp_path / "x.npy")
