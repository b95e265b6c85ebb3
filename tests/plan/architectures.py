#!/usr/bin/env python3
"""Eleven architectures with random weights: the interpreter, and plans in fp32, fp16 and int8, against ONNX Runtime in fp32.

Not part of CI: PyTorch takes 6 GB. Make its environment once, then run it (ten minutes on two cores):

    python3.11 -m venv .venv-arch
    .venv-arch/bin/pip install --no-deps --require-hashes -r train/requirements.txt
    .venv-arch/bin/pip install --no-deps torchvision==0.26.0
    .venv-arch/bin/python tests/plan/architectures.py --bin build/bin [NAME ...]

Errors are the norm of the difference over the norm of ONNX Runtime's fp32 answer, before any softmax.

Weights are as torchvision initialises them, but heads and layer scales of zero, which would hide all that stands before them, are drawn. MobileNet and EfficientNet need more: as initialised their
outputs are 1e-8 and less, so their BatchNorm gets the statistics of some batches of noise, as training would give it ("settled"). --settled does that to every net: a harder test of another kind,
since a net that is normalised anew at each layer lets any rounding grow from layer to layer. The first column says how much: it is what the order of fp32 sums alone makes of the answer.

int8 plans come from the same model, quantised here (QDQ, weights a channel, activations a tensor by their range on noise; of nets with LayerNormalization by all but one in ten thousand values, and only
products with weights and convolutions, but for depthwise ones, the first and the last; of VGG the convolutions but the first) and are compared with the fp32 answer: that is the sum of what quantising costs and of the plan's own error. Behind it the same for ONNX Runtime on the quantised model, and the
plan against that.
"""
import argparse
import logging
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
import torchvision

ARCHITECTURES = ["resnet18", "resnet50", "resnext50_32x4d", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "densenet121", "vgg11", "squeezenet1_1", "convnext_tiny", "vit_b_16"]


VANISHING = ("mobilenet", "efficientnet")


def fill_zeros(module):
    """Heads and layer scales that torchvision makes zero, or next to it."""
    generator = torch.Generator().manual_seed(2)
    for m in module.modules():
        if isinstance(m, torch.nn.Linear) and not m.weight.any():  # ViT's head
            m.weight.data.copy_(torch.rand(m.weight.shape, generator=generator) * 0.1 - 0.05)
        if hasattr(m, "layer_scale"):
            m.layer_scale.data.copy_(torch.rand(m.layer_scale.shape, generator=generator) * 0.4 + 0.2)


def vary(module):
    """BatchNorm with numbers that are not 0 and 1."""
    generator = torch.Generator().manual_seed(2)

    def uniform(tensor, low, high):
        tensor.data.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)

    for m in module.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            uniform(m.weight, 0.8, 1.2)
            uniform(m.bias, -0.2, 0.2)
            uniform(m.running_mean, -0.2, 0.2)


def settle(module):
    """BatchNorm's statistics as the data have them."""
    norms = [m for m in module.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for m in norms:
        m.momentum = 0.5
    module.train()
    for m in module.modules():
        if isinstance(m, torch.nn.Dropout):
            m.eval()
    with torch.no_grad():
        for seed in range(3):
            module(torch.randn(4, 3, 224, 224, generator=torch.Generator().manual_seed(seed)))
    module.eval()


def export(name, path, settled):
    torch.manual_seed(1)
    module = getattr(torchvision.models, name)(weights=None).eval()
    fill_zeros(module)
    if settled:
        vary(module)
        settle(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, torch.randn(1, 3, 224, 224), path, opset_version=17, input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}},
                          dynamo=False)


def run_ort(path, x):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def quantise(source, to, pictures):
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rest = [{"x": p[None]} for p in pictures]

        def get_next(self):
            return self.rest.pop() if self.rest else None

    graph = onnx.load(source).graph
    constants = {i.name for i in graph.initializer}
    how = {"op_types_to_quantize": ["Conv", "Gemm", "MatMul", "Add", "MaxPool"]}
    if any(n.op_type == "LayerNormalization" for n in graph.node):
        convolutions, products = ([n for n in graph.node if n.op_type in ops] for ops in (["Conv"], ["Gemm", "MatMul"]))
        keep = [n for n in products if not set(n.input) & constants] + [n for n in convolutions if any(a.name == "group" and a.i > 1 for a in n.attribute)] + [convolutions[0], products[-1]]
        how = {"op_types_to_quantize": ["Conv", "Gemm", "MatMul"], "nodes_to_exclude": [n.name for n in keep], "calibrate_method": CalibrationMethod.Percentile}
        pictures = pictures[:4]  # ranges by percentiles hold all activations in memory
    elif sum(n.op_type == "Gemm" for n in graph.node) > 1:  # VGG's classifier, where nothing normalises between products
        how = {"op_types_to_quantize": ["Conv", "MaxPool"], "nodes_to_exclude": [next(n.name for n in graph.node if n.op_type == "Conv")]}
    quantize_static(str(source), str(to), Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                    extra_options={"ActivationSymmetric": False, "WeightSymmetric": True, "CalibPercentile": 99.99}, **how)


def corolla(binary, model, x, folder, *compile_args):
    folder.mkdir(exist_ok=True)
    np.save(folder / "x.npy", x)
    target = model
    if compile_args:
        target = folder / "model.plan"
        subprocess.run([binary, "compile", model, "-o", target, "--batch", str(len(x)), "--no-tune", "--json", *compile_args], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([binary, "run", target, "--input", f"x={folder / 'x.npy'}", "--out", folder], check=True, stdout=subprocess.DEVNULL)
    return np.load(folder / "y.npy")


def relative(a, b):
    return float(np.linalg.norm(a.astype(np.float64) - b) / np.linalg.norm(b))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=ARCHITECTURES)
    parser.add_argument("--bin", default="build/bin")
    parser.add_argument("--keep", help="keep the models in this folder, and use those that are there")
    parser.add_argument("--settled", action="store_true", help="settle every net")
    args = parser.parse_args()
    binary = pathlib.Path(args.bin) / "corolla"
    logging.disable(logging.WARNING)
    failed = []
    print(f"{'':20} {'weights':11} {'interpreter':>11} {'fp32 plan':>10} {'fp16 plan':>10} {'int8 plan':>10} {'ORT int8':>10} {'int8 plan - ORT int8':>20}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        for name in args.names:
            settled = args.settled or name.startswith(VANISHING)
            folder = pathlib.Path(args.keep or temporary) / (name + ("-settled" if settled else ""))
            folder.mkdir(parents=True, exist_ok=True)
            model, eight = folder / f"{name}.onnx", folder / f"{name}-int8.onnx"
            if not model.exists():
                export(name, model, settled)
            pictures = np.random.default_rng(5).standard_normal((10, 3, 224, 224)).astype(np.float32)
            x = pictures[:1]
            want = run_ort(model, x)
            errors = [relative(corolla(binary, model, x, folder / "i"), want)]
            errors += [relative(corolla(binary, model, x, folder / "p", flag), want) for flag in ("--fp32", "--fp16")]
            if not eight.exists():
                quantise(model, eight, pictures[2:])
            theirs, ours = run_ort(eight, x), corolla(binary, eight, x, folder / "q", "--int8")
            errors += [relative(ours, want), relative(theirs, want), relative(ours, theirs)]
            over = [e > limit for e, limit in zip(errors, (1e-4, 1e-4, 1e-3, 3e-2))]
            print(f"{name:20} {'settled' if settled else 'initialised':11} {errors[0]:11.2g} {errors[1]:10.2g} {errors[2]:10.2g} {errors[3]:10.2g} {errors[4]:10.2g} {errors[5]:20.2g}" +
                  ("   over" if any(over) else ""), flush=True)
            if any(over):
                failed.append(name)
    sys.exit(1 if failed else 0)


main()
