#!/usr/bin/env python3
"""Writes small models with inputs and ONNX's answers, for bench/gpu/nodes.py --cases: what ONNX's node tests do not reach.

    bench/gpu/node_models.py FOLDER      FOLDER/float/NAME, FOLDER/int8/NAME: model.onnx, test_data_set_0/{input,output}_0.pb

Layouts that meet, channels that are no multiple of 8 and 16, the fp32 residual stream of transformers, normalisations, searches and resizing behind convolutions; quantised models (QDQ) whose steps have no fast
kernel. The answers are ONNX Runtime's, without its optimisations.
"""
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OPSET = 21


class Maker:
    """A model of one input 'x', node by node. Numbers are drawn from one generator, so that every run makes the same."""

    def __init__(self, name, shape, dtype=np.float32, whole=False):
        self.name, self.nodes, self.weights, self.random = name, [], [], np.random.default_rng(sum(name.encode()))
        self.x = self.random.permutation(np.prod(shape)).reshape(shape) % 199 - 99 if whole else self.random.standard_normal(shape)
        self.x = self.x.astype(dtype)

    def constant(self, values):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def normal(self, *shape, scale=1.0):
        return self.constant((self.random.standard_normal(shape) * scale).astype(np.float32))

    def node(self, op, *inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=names[0] + op, **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x, inputs, outputs, kernel=3, group=1, bias=True, **attributes):
        w = self.normal(outputs, inputs // group, kernel, kernel, scale=(inputs // group * kernel * kernel) ** -0.5)
        return self.node("Conv", x, w, *([self.normal(outputs, scale=0.2)] if bias else []), group=group, **attributes)

    # Activations of 8 bits, weights with one scale a channel.
    def quantised(self, x, scale=0.03, zero=128, kind=np.uint8):
        s, z = self.constant(np.float32(scale)), self.constant(kind(zero))
        return self.node("DequantizeLinear", self.node("QuantizeLinear", x, s, z), s, z)

    def int8_weight(self, *shape):
        s = self.constant(self.random.uniform(0.002, 0.006, shape[0]).astype(np.float32))
        z = self.constant(np.zeros(shape[0], np.int8))
        return self.node("DequantizeLinear", self.constant(self.random.integers(-127, 128, shape).astype(np.int8)), s, z, axis=0)

    def int8_conv(self, x, inputs, outputs, kernel=3, group=1, **attributes):
        w = self.int8_weight(outputs, inputs // group, kernel, kernel)
        return self.node("Conv", x, w, self.normal(outputs, scale=0.2), group=group, **attributes)

    def write(self, folder, *outputs):
        x = helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(self.x.dtype), self.x.shape)
        graph = helper.make_graph(self.nodes, self.name, [x], [onnx.ValueInfoProto(name=o) for o in outputs], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        made = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, {"x": self.x})
        for info, value in zip(model.graph.output, made):
            info.CopyFrom(helper.make_tensor_value_info(info.name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape))
        onnx.checker.check_model(model)
        data = folder / self.name / "test_data_set_0"
        data.mkdir(parents=True, exist_ok=True)
        onnx.save(model, folder / self.name / "model.onnx")
        onnx.save_tensor(numpy_helper.from_array(self.x, "x"), data / "input_0.pb")
        for i, value in enumerate(made):
            onnx.save_tensor(numpy_helper.from_array(np.asarray(value), outputs[i]), data / f"output_{i}.pb")


def searches(folder):
    for axis in (0, 1, -1):
        for largest in (0, 1):
            m = Maker(f"top_k_axis{axis}_largest{largest}", (3, 33, 70), whole=True)
            m.write(folder, *m.node("TopK", "x", m.constant(np.array([3], np.int64)), outputs=2, axis=axis, largest=largest))
        for op in ("ArgMax", "ArgMin"):
            m = Maker(f"{op}_axis{axis}", (3, 33, 70), whole=True)
            m.write(folder, m.node(op, "x", axis=axis, keepdims=0), m.node(op, "x", axis=axis, keepdims=1))
    m = Maker("arg_max_of_channels", (1, 5, 8, 9), whole=True)  # behind NHWC, with channels that pad
    m.write(folder, m.node("ArgMax", m.node("MaxPool", "x", kernel_shape=[2, 2]), axis=1, keepdims=0))


def resizes(folder):
    for mode in ("nearest", "linear"):
        for places in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"):
            for size in ((14, 22), (4, 5), (14, 5)):
                m = Maker(f"resize_{mode}_{places}_{size[0]}x{size[1]}", (2, 11, 7, 11))
                sizes = m.constant(np.array([2, 11, *size], np.int64))
                m.write(folder, m.node("Resize", "x", "", "", sizes, mode=mode, coordinate_transformation_mode=places))
    m = Maker("resize_between_convolutions", (1, 3, 16, 16))
    y = m.node("Resize", m.conv("x", 3, 12, pads=[1] * 4), "", m.constant(np.array([1, 1, 2, 2], np.float32)), mode="linear", coordinate_transformation_mode="half_pixel")
    m.write(folder, m.conv(y, 12, 20))


def norms(folder):
    for width in (768, 100, 7):
        m = Maker(f"layer_norm_{width}", (5, 9, width))
        m.write(folder, m.node("LayerNormalization", "x", m.normal(width), m.normal(width), axis=-1))
    for groups, shape in ((4, (2, 12, 5, 7)), (1, (2, 12, 31)), (12, (2, 12, 5, 7))):
        m = Maker(f"group_norm_{groups}_{len(shape)}d", shape)
        m.write(folder, m.node("GroupNormalization", "x", m.normal(12), m.normal(12), num_groups=groups))
        m = Maker(f"group_norm_{groups}_{len(shape)}d_behind_convolution", (2, 3, 9, 9))
        m.write(folder, m.conv(m.node("GroupNormalization", m.conv("x", 3, 12), m.normal(12), m.normal(12), num_groups=groups), 12, 8))
    m = Maker("instance_norm", (2, 12, 5, 7))
    m.write(folder, m.node("InstanceNormalization", "x", m.normal(12), m.normal(12)))
    for axes in ([1], [2, 3], [1, 2, 3], [3]):
        for op in ("ReduceMean", "ReduceMax", "ReduceSum"):
            m = Maker(f"{op}_{'_'.join(map(str, axes))}_behind_convolution", (2, 3, 9, 9))
            m.write(folder, m.node(op, m.conv("x", 3, 12), m.constant(np.array(axes, np.int64)), keepdims=1))


def transformers(folder):
    """x + f(layernorm(x)), with sums that grow far over what is added."""
    for width, heads in ((192, 3), (100, 2)):
        m = Maker(f"residual_stream_{width}", (2, 17, width))
        stream = "x"
        for _ in range(3):
            h = m.node("LayerNormalization", stream, m.normal(width), m.normal(width), axis=-1)
            parts = []
            for _ in range(3):
                p = m.node("Add", m.node("MatMul", h, m.normal(width, width, scale=width**-0.5)), m.normal(width, scale=0.1))
                p = m.node("Reshape", p, m.constant(np.array([2, 17, heads, width // heads], np.int64)))
                parts.append(m.node("Transpose", p, perm=[0, 2, 3, 1] if len(parts) == 1 else [0, 2, 1, 3]))
            scores = m.node("Mul", m.node("MatMul", parts[0], parts[1]), m.constant(np.float32((width // heads) ** -0.5)))
            h = m.node("MatMul", m.node("Softmax", scores, axis=-1), parts[2])
            h = m.node("Reshape", m.node("Transpose", h, perm=[0, 2, 1, 3]), m.constant(np.array([2, 17, width], np.int64)))
            stream = m.node("Add", stream, m.node("Add", m.node("MatMul", h, m.normal(width, width, scale=4 * width**-0.5)), m.normal(width)))
            h = m.node("LayerNormalization", stream, m.normal(width), m.normal(width), axis=-1)
            h = m.node("Gelu", m.node("Add", m.node("MatMul", h, m.normal(width, 2 * width, scale=width**-0.5)), m.normal(2 * width, scale=0.1)))
            stream = m.node("Add", stream, m.node("MatMul", h, m.normal(2 * width, width, scale=4 * width**-0.5)))
        m.write(folder, m.node("LayerNormalization", stream, m.normal(width), m.normal(width), axis=-1))


def pictures(folder):
    for dtype in (np.float16, np.float64):  # an import that is none of fp32
        for shape in ((1, 3, 17, 17), (2, 11, 9, 9)):
            m = Maker(f"{np.dtype(dtype).name}_picture_{shape[1]}", shape, dtype=dtype)
            y = m.conv(m.node("Cast", "x", to=TensorProto.FLOAT), shape[1], 12, kernel=7 if shape[1] == 3 else 3, strides=[2, 2], pads=[3] * 4)
            m.write(folder, m.node("Cast", y, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype))))
    m = Maker("stem", (2, 3, 35, 33))
    m.write(folder, m.node("MaxPool", m.node("Relu", m.conv("x", 3, 20, kernel=7, strides=[2, 2], pads=[3] * 4)), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4))
    m = Maker("shortcut_of_a_block", (2, 16, 9, 9))
    y = m.node("Relu", m.conv("x", 16, 64, kernel=1))
    z = m.conv(m.node("Relu", m.conv(y, 64, 64, pads=[1] * 4)), 64, 128, kernel=1)
    m.write(folder, m.node("Relu", m.node("Add", z, m.conv(y, 64, 128, kernel=1))))
    for op, attributes in (("Relu", {}), ("Clip", {}), ("Sigmoid", {}), ("Tanh", {}), ("HardSigmoid", {"alpha": 0.2, "beta": 0.4}), ("HardSwish", {}), ("LeakyRelu", {"alpha": 0.1}), ("Gelu", {})):
        m = Maker(f"convolution_{op}", (2, 5, 9, 9))
        more = [m.constant(np.float32(-0.3)), m.constant(np.float32(0.7))] if op == "Clip" else []
        y = m.node(op, m.conv("x", 5, 12, pads=[1] * 4), *more, **attributes)
        z = m.node(op, m.conv(y, 12, 12, group=12), *more, **attributes)  # depthwise
        m.write(folder, m.node(op, m.conv(z, 12, 18, group=3), *more, **attributes))
    for op, inputs in (("Concat", 2), ("Add", 2), ("Mul", 2), ("Sub", 2)):
        m = Maker(f"{op}_of_pictures", (2, 3, 9, 9))
        y = [m.conv("x", 3, 5, pads=[1] * 4) for _ in range(inputs)]
        m.write(folder, m.conv(m.node(op, *y, **({"axis": 1} if op == "Concat" else {})), 10 if op == "Concat" else 5, 7))
    m = Maker("pieces_of_pictures", (2, 3, 9, 9))
    y = m.node("Pad", m.conv("x", 3, 12), m.constant(np.array([0, 1, 2, 0, 0, 2, 1, 3], np.int64)), m.constant(np.float32(0)))
    y = m.node("Slice", y, *(m.constant(np.array(a, np.int64)) for a in ([1, 1], [14, 9], [1, 3], [2, 1])))
    a, b = m.node("Split", y, m.constant(np.array([3, 4], np.int64)), outputs=2, axis=1)
    m.write(folder, m.conv(a, 3, 5), m.node("Transpose", b, perm=[0, 2, 3, 1]), m.node("Softmax", m.node("Flatten", y), axis=-1))
    for count in (0, 1):
        for ceil in (0, 1):
            m = Maker(f"average_pool_{count}_{ceil}", (2, 11, 10, 9))
            m.write(folder, m.node("AveragePool", "x", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1], count_include_pad=count, ceil_mode=ceil))
    m = Maker("classifier", (3, 3, 16, 16))
    y = m.node("Flatten", m.node("GlobalAveragePool", m.node("Relu", m.conv("x", 3, 20))))
    m.write(folder, m.node("Softmax", m.node("Gemm", y, m.normal(20, 11), m.normal(11)), axis=-1))
    for k in (20, 24, 64):
        m = Maker(f"gemm_{k}", (7, k))
        m.write(folder, m.node("Relu", m.node("Gemm", "x", m.normal(13, k), m.normal(13), transB=1)))
    m = Maker("scale_of_channels", (2, 12, 9, 9))  # squeeze and excitation
    y = m.conv("x", 12, 20)
    s = m.node("Sigmoid", m.conv(m.node("Relu", m.conv(m.node("GlobalAveragePool", y), 20, 4, kernel=1)), 4, 20, kernel=1))
    m.write(folder, m.conv(m.node("Mul", y, s), 20, 9, kernel=1))


def functions(folder):
    for op in ("Softmax", "LogSoftmax"):
        for axis in (0, 1, 2):
            m = Maker(f"{op}_axis{axis}", (3, 33, 70))
            m.write(folder, m.node(op, "x", axis=axis))
        m = Maker(f"{op}_of_channels", (2, 3, 9, 9))
        m.write(folder, m.node(op, m.conv("x", 3, 12), axis=1))
    m = Maker("log_of_small_probabilities", (4, 50))
    m.write(folder, m.node("LogSoftmax", m.node("Mul", "x", m.constant(np.float32(9))), axis=-1))
    for op in ("Sin", "Cos", "Softplus", "Softsign", "Elu", "Selu", "Mish", "Floor", "Sign"):  # between convolutions, with channels that pad
        m = Maker(f"{op}_between_convolutions", (2, 3, 9, 9))
        y = m.node(op, m.node("MaxPool", "x", kernel_shape=[2, 2]) if op in ("Floor", "Sign") else m.conv("x", 3, 12))
        m.write(folder, m.conv(y, 3 if op in ("Floor", "Sign") else 12, 7))
    m = Maker("PRelu_between_convolutions", (2, 3, 9, 9))
    m.write(folder, m.conv(m.node("PRelu", m.conv("x", 3, 12), m.normal(12, 1, 1)), 12, 7))


def bytes_(folder):
    for name, inputs, outputs, group in (("plain", 32, 48, 1), ("odd_channels", 12, 20, 1), ("grouped", 32, 48, 4), ("depthwise", 24, 24, 24), ("depthwise_odd", 20, 20, 20), ("twice_as_many", 12, 24, 12)):
        for kind, zero in ((np.uint8, 117), (np.int8, 5), (np.uint8, 0)):
            m = Maker(f"{name}_{np.dtype(kind).name}_{zero}", (2, inputs, 11, 9))
            y = m.node("Relu", m.int8_conv(m.quantised("x", 0.03, zero, kind), inputs, outputs, group=group, pads=[1] * 4))
            y = m.int8_conv(m.quantised(y, 0.02, 0 if kind == np.uint8 else -128, kind), outputs, 16, kernel=1)
            m.write(folder, y)
    m = Maker("residual", (2, 32, 9, 9))
    x = m.quantised("x")
    y = m.int8_conv(m.quantised(m.node("Relu", m.int8_conv(x, 32, 32, pads=[1] * 4)), 0.02, 0), 32, 32, pads=[1] * 4)
    y = m.node("Relu", m.node("Add", m.quantised(y, 0.1), x))
    m.write(folder, m.int8_conv(m.quantised(y, 0.03, 0), 32, 16, kernel=1))
    m = Maker("stem", (2, 3, 35, 33))
    y = m.node("MaxPool", m.quantised(m.node("Relu", m.int8_conv(m.quantised("x"), 3, 32, kernel=7, strides=[2, 2], pads=[3] * 4)), 0.03, 0), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    m.write(folder, m.int8_conv(m.quantised(y, 0.03, 0), 32, 32))
    m = Maker("concatenated", (2, 16, 9, 9))
    x = m.quantised("x")
    y = m.node("Concat", m.quantised(m.int8_conv(x, 16, 24), 0.03), m.quantised(m.int8_conv(x, 16, 8), 0.03), axis=1)
    m.write(folder, m.int8_conv(m.quantised(y, 0.03), 32, 16, kernel=1))
    for k in (64, 20):  # rows, imported as they are; a product that no fast kernel takes
        for kind, zero in ((np.uint8, 117), (np.int8, 5)):
            m = Maker(f"rows_{k}_{np.dtype(kind).name}", (5, k))
            y = m.node("Relu", m.node("Gemm", m.quantised("x", 0.03, zero, kind), m.int8_weight(k, k), m.normal(k), transB=1))
            m.write(folder, m.node("Gemm", m.quantised(y, 0.05, 0 if kind == np.uint8 else -128, kind), m.int8_weight(10, k), m.normal(10), transB=1))
    m = Maker("half_picture", (2, 32, 9, 9), dtype=np.float16)
    m.write(folder, m.int8_conv(m.quantised(m.node("Cast", "x", to=TensorProto.FLOAT)), 32, 16))


if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1])
    for make in (searches, resizes, norms, transformers, pictures, functions):
        make(root / "float")
    bytes_(root / "int8")
