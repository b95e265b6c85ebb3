"""Rewrites a float ONNX net into QDQ form: u8 activations, s8 weights (symmetric, a scale a channel), int32 biases.

Quantised are all inputs of Conv and Gemm, both inputs of each residual Add, and the input of the
maximum pool. So every heavy node stands between DequantizeLinear and QuantizeLinear, which is the pattern that CPU runtimes fuse into
int8 kernels; a runtime that knows no QDQ computes the same values in float.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

HEAVY = ("Conv", "Gemm")


def activations(model):
    """Names of the tensors that get quantised, in graph order."""
    constants = {i.name for i in model.graph.initializer}
    names = []
    for node in model.graph.node:
        wanted = node.input[:1] if node.op_type in HEAVY else node.input if node.op_type == "Add" else ()
        names += [t for t in wanted if t not in constants and t not in names]
    return names


def quantise_weights(w):
    """int8 values and one scale for each output channel (axis 0)."""
    flat = np.abs(w.reshape(w.shape[0], -1)).max(axis=1)
    scale = np.maximum(flat / 127, 1e-9).astype(np.float32)
    shaped = scale.reshape((-1,) + (1,) * (w.ndim - 1))
    return np.clip(np.round(w / shaped), -127, 127).astype(np.int8), scale


def rewrite(model, ranges):
    """The QDQ model. `ranges`: what calibrate.observe returned for activations(model)."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    graph = out.graph
    weights = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    extra, nodes, dequantised, coded = [], [], {}, {}

    def constant(name, array):
        extra.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def quantised(tensor, like=None):
        """The dequantised twin of `tensor`, coded with the range of `like` (itself, unless told)."""
        if tensor not in dequantised:
            scale, zero = coded[tensor] = ranges[like or tensor].scale_and_zero()
            args = [constant(f"{tensor}/scale", scale), constant(f"{tensor}/zero", zero)]
            nodes.append(helper.make_node("QuantizeLinear", [tensor, *args], [f"{tensor}/u8"], f"{tensor}/quantise"))
            nodes.append(helper.make_node("DequantizeLinear", [f"{tensor}/u8", *args], [f"{tensor}/dq"],
                                          f"{tensor}/dequantise"))
            dequantised[tensor] = f"{tensor}/dq"
        return dequantised[tensor]

    def heavy(node):
        x = node.input[0]
        node.input[0] = quantised(x)
        wname = node.input[1]
        w = weights[wname]
        transposed = node.op_type == "Gemm" and not any(a.name == "transB" and a.i for a in node.attribute)
        q, scale = quantise_weights(w.T if transposed else w)
        shaped = scale.reshape((-1,) + (1,) * (w.ndim - 1))
        error = q.astype(np.float32) * shaped - (w.T if transposed else w)
        bias = weights[node.input[2]].astype(np.float64) if len(node.input) > 2 else np.zeros(len(scale))
        bias = bias - _shift(error, ranges[x].channel_means())
        axis = 1 if transposed else 0
        node.input[1] = _dequantise(wname, q.T if transposed else q, scale, np.int8, axis)
        bias_scale = (scale.astype(np.float64) * float(coded[x][0])).astype(np.float32)
        limits = np.iinfo(np.int32)
        whole = np.clip(np.round(bias / bias_scale), limits.min, limits.max).astype(np.int32)
        name = node.input[2] if len(node.input) > 2 else f"{node.output[0]}/bias"
        del node.input[2:]
        node.input.append(_dequantise(name, whole, bias_scale, np.int32, 0))

    def _dequantise(name, values, scale, dtype, axis):
        args = [constant(f"{name}/q", values), constant(f"{name}/scale", scale),
                constant(f"{name}/zero", np.zeros(len(scale), dtype))]
        nodes.append(helper.make_node("DequantizeLinear", args, [f"{name}/dq"], f"{name}/dequantise", axis=axis))
        return f"{name}/dq"

    for node in model.graph.node:
        node = _copy(node)
        if node.op_type in HEAVY:
            heavy(node)
        elif node.op_type == "Add":
            for i, tensor in enumerate(node.input):
                node.input[i] = quantised(tensor)
        elif node.op_type == "MaxPool" and node.output[0] in ranges:
            # Same code before and after: a maximum of codes is the code of the maximum.
            node.input[0] = quantised(node.input[0], like=node.output[0])
        elif node.op_type == "GlobalAveragePool" and node.input[0] in dequantised:
            node.input[0] = dequantised[node.input[0]]
        nodes.append(node)

    used = {t for n in nodes for t in n.input}
    kept = [i for i in graph.initializer if i.name in used] + extra
    del graph.node[:]
    del graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    del graph.value_info[:]
    onnx.checker.check_model(out)
    return out


def _copy(node):
    twin = onnx.NodeProto()
    twin.CopyFrom(node)
    return twin


def _shift(error, means):
    """What rounding the weights adds to each output on average: it is taken off the bias again."""
    per_input = error.reshape(error.shape[0], error.shape[1], -1).sum(axis=2)
    return per_input.astype(np.float64) @ np.asarray(means, np.float64)
