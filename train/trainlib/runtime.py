"""Running an exported model in OpenVINO, as the CPU workers do."""

import os
import time

import numpy as np

from .augment import MEAN, STD
from .say import Refusal, bar, printable


def to_input(pixels):
    """N x S x S x 3 uint8 to the model's input: float32 N x 3 x S x S, normalised as torchvision does."""
    x = pixels.astype(np.float32) / 255
    x = (x - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def compile_model(path, threads=0, precision="f32"):
    """`precision` keeps OpenVINO from quietly using bf16 or f16 where a model says float32."""
    import openvino as ov

    if not os.path.isfile(path):
        raise Refusal(f"there is no model {printable(path)}.")
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    try:
        return ov.Core().compile_model(path, "CPU", options)
    except RuntimeError as e:
        raise Refusal(f"OpenVINO cannot read {printable(path)}: {str(e).strip().splitlines()[-1][:120]}") from None


def scores(path, pictures, batch=8, title="running"):
    """Softmax outputs (N x classes) of the model at `path`, and pictures a second."""
    model = compile_model(path)
    request = model.create_infer_request()
    out, n, spent = [], len(pictures.labels), 0.0
    with bar(n, title, "picture") as progress:
        for at in range(0, n, batch):
            x = to_input(pictures.pixels[at:at + batch])
            begun = time.perf_counter()
            out.append(request.infer({0: x})[0].copy())
            spent += time.perf_counter() - begun
            progress(min(at + batch, n))
    return np.concatenate(out), n / spent
