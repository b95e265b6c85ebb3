#!/usr/bin/env python3
"""Ten architectures with random weights: the interpreter, and plans in fp32, fp16 and int8, against ONNX Runtime in fp32.

Not part of CI: PyTorch takes 6 GB. Make its environment once, then run it (ten minutes on two cores):

    python3.11 -m venv .venv-arch
    .venv-arch/bin/pip install --no-deps --require-hashes -r train/requirements.txt
    .venv-arch/bin/pip install --no-deps torchvision==0.26.0
    .venv-arch/bin/python tests/plan/architectures.py --bin build/bin [NAME ...]

Errors are the norm of the difference over the norm of ONNX Runtime's answer, before any softmax. int8 plans come from the same model, quantised here (QDQ, weights a channel, activations
a tensor, by their largest values on random pictures) and are compared with ONNX Runtime on that quantised model; before it stands the interpreter on
the quantised model, behind it ONNX Runtime with its optimiser off: in a random net one unit of rounding grows, so that is the yardstick. The last column is what quantising itself costs.
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


def calm(module):
    """Random weights as after training, or activations vanish and nothing is tested: BatchNorm with statistics that are not 0 and 1, layer scales that count."""
    generator = torch.Generator().manual_seed(2)

    def uniform(tensor, low, high):
        tensor.data.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)

    for m in module.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            uniform(m.weight, 0.8, 1.2)
            uniform(m.bias, -0.2, 0.2)
            uniform(m.running_mean, -0.2, 0.2)
        if isinstance(m, torch.nn.Linear) and not m.weight.any():  # ViT's head
            uniform(m.weight, -0.05, 0.05)
        if hasattr(m, "layer_scale"):
            uniform(m.layer_scale, 0.2, 0.6)


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


def export(name, path):
    torch.manual_seed(1)
    kwargs = {"init_weights": True} if name.startswith(("vgg",)) else {}
    module = getattr(torchvision.models, name)(weights=None, **kwargs)
    calm(module)
    settle(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, torch.randn(1, 3, 224, 224), path, opset_version=17, input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}},
                          dynamo=False)


def run_ort(path, x, optimised=True):
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def quantise(source, to, pictures):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rest = [{"x": p[None]} for p in pictures]

        def get_next(self):
            return self.rest.pop() if self.rest else None

    quantize_static(str(source), str(to), Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                    op_types_to_quantize=["Conv", "Gemm", "MatMul", "Add", "MaxPool"], extra_options={"ActivationSymmetric": False, "WeightSymmetric": True})


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
    args = parser.parse_args()
    binary = pathlib.Path(args.bin) / "corolla"
    logging.disable(logging.WARNING)
    failed = []
    print(f"{'':20} {'interpreter':>11} {'fp32 plan':>10} {'fp16 plan':>10} {'int8 model':>10} {'int8 plan':>10} {'int8 ORT':>10} {'quantising':>10}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        for name in args.names:
            folder = pathlib.Path(args.keep or temporary) / name
            folder.mkdir(parents=True, exist_ok=True)
            model, eight = folder / f"{name}.onnx", folder / f"{name}-int8.onnx"
            if not model.exists():
                export(name, model)
            pictures = np.random.default_rng(5).standard_normal((10, 3, 224, 224)).astype(np.float32)
            x = pictures[:1]
            want = run_ort(model, x)
            errors = [relative(corolla(binary, model, x, folder / "i"), want)]
            errors += [relative(corolla(binary, model, x, folder / "p", flag), want) for flag in ("--fp32", "--fp16")]
            if not eight.exists():
                quantise(model, eight, pictures[2:])
            reference = run_ort(eight, x)
            errors.append(relative(corolla(binary, eight, x, folder / "j"), reference))
            errors.append(relative(corolla(binary, eight, x, folder / "q", "--int8"), reference))
            errors.append(relative(run_ort(eight, x, optimised=False), reference))
            errors.append(relative(reference, want))
            limits = (1e-4, 1e-4, 1e-3, 3e-2, 3e-2)
            over = [e > limit for e, limit in zip(errors, limits)]
            print(f"{name:20} {errors[0]:11.2g} {errors[1]:10.2g} {errors[2]:10.2g} {errors[3]:10.2g} {errors[4]:10.2g} {errors[5]:10.2g} {errors[6]:10.2g}" + ("   over" if any(over) else ""), flush=True)
            if any(over):
                failed.append(name)
    sys.exit(1 if failed else 0)


main()
