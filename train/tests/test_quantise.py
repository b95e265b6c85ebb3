"""The int8 form: which tensors are quantised, how, and that a bad result is not written."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

import quantise
from trainlib import calibrate, qdq


@pytest.fixture(scope="module")
def quantised(trained, flowers5, tmp_path_factory):
    out = tmp_path_factory.mktemp("int8")
    quantise.run([str(trained / "flower"), str(flowers5), "--out", str(out), "--pictures", "40", "--max-drop", "15"])
    return out


def test_every_heavy_node_stands_between_quantised_tensors(quantised):
    graph = onnx.load(str(quantised / "1" / "model.onnx")).graph
    maker = {o: n for n in graph.node for o in n.output}
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    heavy = [n for n in graph.node if n.op_type in ("Conv", "Gemm")]
    assert len(heavy) == 21
    for node in heavy:
        x, w, b = (maker[t] for t in node.input)
        assert {x.op_type, w.op_type, b.op_type} == {"DequantizeLinear"}
        assert constants[x.input[2]].dtype == np.uint8
        codes, scale, zero = (constants[t] for t in w.input)
        assert codes.dtype == np.int8 and not zero.any() and len(scale) == codes.shape[0]
        assert codes.min() >= -127
        assert constants[b.input[0]].dtype == np.int32
    for node in graph.node:
        if node.op_type in ("Add", "MaxPool"):
            assert all(maker[t].op_type == "DequantizeLinear" for t in node.input)


def test_the_batch_stays_free_and_the_files_come_along(quantised, trained):
    model = onnx.load(str(quantised / "1" / "model.onnx"))
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
    for name in ("labels.txt", "config.pbtxt"):
        assert (quantised / name).read_bytes() == (trained / "flower" / name).read_bytes()
    size = (trained / "flower" / "1" / "model.onnx").stat().st_size
    assert (quantised / "1" / "model.onnx").stat().st_size < size * 0.27


def test_nothing_is_written_when_too_much_is_lost(trained, flowers5, tmp_path, refuses):
    said = refuses(quantise, trained / "flower", flowers5, "--out", tmp_path / "q", "--pictures", "4", "--max-drop", "-200")
    assert "--max-drop" in said
    assert not list(tmp_path.rglob("model.onnx*"))


def test_a_quantised_model_is_not_quantised_again(quantised, flowers5, tmp_path, refuses):
    assert "already" in refuses(quantise, quantised, flowers5, "--out", tmp_path / "q")


def test_weights_round_to_within_half_a_step():
    w = np.random.default_rng(1).normal(0, 1, (6, 4, 3, 3)).astype(np.float32)
    w[2] *= 50
    codes, scale = qdq.quantise_weights(w)
    assert np.abs(codes * scale[:, None, None, None] - w).max(axis=(1, 2, 3)) == pytest.approx(scale / 2, rel=0.2)


def test_zero_is_exact_and_outliers_do_not_set_the_range():
    rng = np.random.default_rng(2)
    seen = calibrate.Range(0.0, 100.0)
    seen.add(np.concatenate([np.abs(rng.normal(0, 1, 200_000)), [100.0]]).astype(np.float32).reshape(1, -1))
    scale, zero = seen.scale_and_zero()
    assert zero == 0 and scale * 255 < 90
    signed = calibrate.Range(-2.0, 3.0)
    signed.add(rng.uniform(-2, 3, (1, 5000)).astype(np.float32))
    scale, zero = signed.scale_and_zero()
    assert 90 <= zero <= 115 and scale * 255 == pytest.approx(5.0, rel=0.1)
