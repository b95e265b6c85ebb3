"""make_null_models.py OUT: a model repository of null models: they answer the same 102 numbers for each row, whatever comes in.

They measure everything but the model. Names, shapes, labels and answers are those of the null models that the real tritonserver runs beside Corolla (bench/peers), so that
one client, and one check, fits both.
"""
import argparse
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROW = (np.linspace(0.0, 1.0, 102, dtype=np.float32)[::-1] ** 2).astype(np.float32)
# name: (input dtype, dims, dynamic batching)
MODELS = {
    "flower": ("FP32", [3, 224, 224], True),
    "flower_nodyn": ("FP32", [3, 224, 224], False),
    "flower_u8": ("UINT8", [224, 224, 3], True),
    "tiny": ("FP32", [4], True),
    "cflower": ("FP32", [3, 224, 224], True),
    "cflower_u8": ("UINT8", [224, 224, 3], True),
    "ctiny": ("FP32", [4], True),
}
ONNX_TYPE = {"FP32": TensorProto.FLOAT, "UINT8": TensorProto.UINT8}


def null_model(dtype, dims):
    """output = Expand(ROW, [batch, 102]): the batch is all that is read of the input."""
    nodes = [
        helper.make_node("Shape", ["input"], ["shape"], start=0, end=1),
        helper.make_node("Concat", ["shape", "classes"], ["want"], axis=0),
        helper.make_node("Expand", ["row", "want"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes, "null",
        [helper.make_tensor_value_info("input", ONNX_TYPE[dtype], ["batch", *dims])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 102])],
        [numpy_helper.from_array(ROW[None], "row"), numpy_helper.from_array(np.array([102], np.int64), "classes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="corolla")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    out = parser.parse_args().out
    for name, (dtype, dims, dynamic) in MODELS.items():
        folder = out / name / "1"
        folder.mkdir(parents=True, exist_ok=True)
        onnx.save(null_model(dtype, dims), folder / "model.onnx")
        (out / name / "labels.txt").write_text("".join(f"flower {i:03d}\n" for i in range(102)))
        (out / name / "config.pbtxt").write_text(
            f'name: "{name}"\nplatform: "onnxruntime_onnx"\nmax_batch_size: 8\n'
            f'input [ {{ name: "input", data_type: TYPE_{dtype}, dims: {dims} }} ]\n'
            'output [ { name: "output", data_type: TYPE_FP32, dims: [ 102 ], label_filename: "labels.txt" } ]\n'
            + ("dynamic_batching { }\n" if dynamic else ""))


if __name__ == "__main__":
    main()
