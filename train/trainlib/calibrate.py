"""Ranges of a net's activations, from histograms over calibration pictures."""

import numpy as np
import onnx
import onnxruntime as ort

from .runtime import to_input
from .say import bar

BINS = 2048


class Range:
    """What one tensor was seen to hold: a histogram between its extremes and the mean of each channel."""

    def __init__(self, lo, hi):
        room = 0.1 * (hi - lo) + 1e-6
        self.lo, self.hi = (0.0 if lo >= 0 else lo - room), hi + room
        self.counts = np.zeros(BINS, np.int64)
        self.channel_sum, self.seen = 0.0, 0

    def add(self, x):
        index = (x.ravel() - self.lo) * (BINS / (self.hi - self.lo))
        self.counts += np.bincount(np.clip(index, 0, BINS - 1).astype(np.int32), minlength=BINS)
        axes = (0,) if x.ndim == 2 else (0, 2, 3)
        self.channel_sum = self.channel_sum + x.mean(axis=axes) * x.shape[0]
        self.seen += x.shape[0]

    def channel_means(self):
        return self.channel_sum / max(self.seen, 1)

    def scale_and_zero(self):
        """u8 scale and zero point with the least squared error; 0.0 is always exact."""
        centres = self.lo + (np.arange(BINS) + 0.5) * (self.hi - self.lo) / BINS
        used = np.flatnonzero(self.counts)
        top, bottom = centres[used[-1]], min(0.0, centres[used[0]])
        best = None
        for shrink in np.linspace(0.45, 1.0, 45):
            lo, hi = bottom * shrink, max(top, 0.0) * shrink
            scale = max((hi - lo) / 255, 1e-8)
            zero = int(round(-lo / scale))
            q = np.clip(np.round(centres / scale) + zero, 0, 255)
            error = float((self.counts * (centres - (q - zero) * scale) ** 2).sum())
            if best is None or error < best[0]:
                best = (error, scale, zero)
        return np.float32(best[1]), np.uint8(min(best[2], 255))


def observe(model, tensors, pictures, order):
    """Runs the float model over pictures[order] and returns {tensor: Range}."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    inputs = {i.name for i in model.graph.input}
    known = {o.name for o in model.graph.output}
    inner = [t for t in tensors if t not in inputs]
    probe.graph.output.extend(onnx.helper.make_tensor_value_info(t, onnx.TensorProto.FLOAT, None)
                              for t in inner if t not in known)
    session = ort.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(indices):
        x = to_input(pictures.pixels[np.sort(indices)])
        values = dict(zip(inner, session.run(inner, {name: x})))
        values.update({t: x for t in tensors if t in inputs})
        return values

    extremes = {t: [np.inf, -np.inf] for t in tensors}
    first = order[:max(8, len(order) // 5)]
    chunks = [first[i:i + 4] for i in range(0, len(first), 4)]
    everything = [order[i:i + 4] for i in range(0, len(order), 4)]
    ranges = {}
    with bar(len(chunks) + len(everything), "calibrating", "batch") as progress:
        for k, chunk in enumerate(chunks, 1):
            for t, x in run(chunk).items():
                extremes[t] = [min(extremes[t][0], float(x.min())), max(extremes[t][1], float(x.max()))]
            progress(k)
        ranges = {t: Range(*e) for t, e in extremes.items()}
        for k, chunk in enumerate(everything, 1):
            for t, x in run(chunk).items():
                ranges[t].add(x)
            progress(len(chunks) + k)
    return ranges
