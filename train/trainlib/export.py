"""From a trained net to a Triton model repository: ONNX with softmax last, labels, config."""

import os

import numpy as np
import torch
from torch import nn

from .resnet import ResNet

OPSET = 17
MAX_BATCH = 8


def to_onnx(model, path, side):
    """Writes `model` (on the CPU) with softmax as its last node; input [N,3,side,side], output [N,classes]."""
    whole = nn.Sequential(model, nn.Softmax(dim=1)).eval().to(memory_format=torch.contiguous_format)
    example = torch.zeros(1, 3, side, side)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    partial = path + ".part"
    torch.onnx.export(whole, (example,), partial, opset_version=OPSET, input_names=["input"], output_names=["output"],
                      dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}}, dynamo=False)
    os.replace(partial, path)


def difference(model, path, side, count=16, seed=0):
    """Largest absolute difference of the softmax outputs, PyTorch (float32, CPU) against ONNX Runtime."""
    import onnxruntime as ort

    batch = np.random.default_rng(seed).normal(0, 1, (count, 3, side, side)).astype(np.float32)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    got = session.run(["output"], {"input": batch})[0]
    with torch.no_grad():
        want = torch.softmax(model.eval()(torch.from_numpy(batch)), 1).numpy()
    return float(np.abs(got - want).max())


def cpu_copy(model, arch):
    copy = ResNet(arch, model.fc.out_features)
    copy.load_state_dict({k: v.detach().float().cpu() for k, v in model.state_dict().items()})
    return copy.eval()


CONFIG = """\
name: "{name}"
platform: "onnxruntime_onnx"
max_batch_size: {max_batch}
input [
  {{
    name: "input"
    data_type: TYPE_FP32
    dims: [ 3, {side}, {side} ]
  }}
]
output [
  {{
    name: "output"
    data_type: TYPE_FP32
    dims: [ {classes} ]
    label_filename: "labels.txt"
  }}
]
dynamic_batching {{ }}
"""


def write_repository(folder, name, classes, side):
    """config.pbtxt and labels.txt beside 1/model.onnx."""
    with open(os.path.join(folder, "labels.txt"), "w", encoding="utf-8") as f:
        f.writelines(c + "\n" for c in classes)
    with open(os.path.join(folder, "config.pbtxt"), "w", encoding="utf-8") as f:
        f.write(CONFIG.format(name=name, max_batch=MAX_BATCH, side=side, classes=len(classes)))
