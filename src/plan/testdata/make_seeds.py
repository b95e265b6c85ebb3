#!/usr/bin/env python3
"""Makes the fuzzers' seeds: small models with most operators, and plans of them. usage: make_seeds.py PATH/TO/corolla (needs onnx and numpy)"""
import pathlib
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
rng = np.random.default_rng(1)


class Net:
    def __init__(self, *shape):
        self.nodes, self.weights, self.shape = [], [], shape

    def weight(self, *shape, dtype=np.float32, values=None):
        name = f"w{len(self.weights)}"
        array = rng.standard_normal(shape).astype(dtype) if values is None else np.asarray(values, dtype)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def __call__(self, op, *inputs, outputs=1, **attributes):
        names = [f"{op.lower()}{len(self.nodes)}" + (f"_{i}" if i else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def save(self, name, *ends, opset=17):
        graph = helper.make_graph(self.nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *self.shape])],
                                  [helper.make_tensor_value_info(e, TensorProto.FLOAT, None) for e in ends], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        (HERE / "onnx_fuzz" / f"{name}.onnx").write_bytes(model.SerializeToString())


def residual():
    n = Net(3, 8, 8)
    x = n("Conv", "x", n.weight(4, 3, 3, 3), pads=[1, 1, 1, 1], strides=[2, 2])
    x = n("Relu", n("BatchNormalization", x, n.weight(4), n.weight(4), n.weight(4), n.weight(4, values=np.ones(4))))
    y = n("Conv", n("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1]), n.weight(4, 1, 3, 3), group=4, pads=[1, 1, 1, 1])
    x = n("Clip", n("Add", x, y), n.weight(values=0), n.weight(values=6))
    x = n("Flatten", n("GlobalAveragePool", n("Concat", x, y, axis=1)))
    n.save("residual", n("Softmax", n("Gemm", x, n.weight(8, 5), n.weight(5))))


def attention():
    n = Net(4, 8)
    q, k, v = (n("Transpose", n("Reshape", p, n.weight(4, dtype=np.int64, values=[0, 0, 2, 4])), perm=perm)
               for p, perm in zip(n("Split", n("MatMul", "x", n.weight(8, 24)), n.weight(3, dtype=np.int64, values=[8, 8, 8]), outputs=3, axis=2),
                                  ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])))
    x = n("MatMul", n("Softmax", n("MatMul", q, k)), v)
    x = n("Reshape", n("Transpose", x, perm=[0, 2, 1, 3]), n.weight(3, dtype=np.int64, values=[0, 0, 8]))
    n.save("attention", n("Gather", n("LayerNormalization", n("Add", x, "x"), n.weight(8), n.weight(8)), n.weight(1, dtype=np.int64, values=[0]), axis=1))


def quantised():
    n = Net(3, 6, 6)
    s, z = n.weight(values=0.02), n.weight(dtype=np.uint8, values=128)
    w = n("DequantizeLinear", n.weight(4, 3, 3, 3, dtype=np.int8), n.weight(4, values=np.full(4, 0.01)), axis=0)
    x = n("Conv", n("DequantizeLinear", n("QuantizeLinear", "x", s, z), s, z), w)
    n.save("quantised", n("DequantizeLinear", n("QuantizeLinear", n("Relu", x), s, z), s, z))


def odds():
    n = Net(3, 5, 6)
    x = n("Pad", n("Conv", "x", n.weight(3, 3, 1, 1)), n.weight(8, dtype=np.int64, values=[0, 0, 1, 0, 0, 0, 0, 1]))
    x = n("Slice", x, n.weight(1, dtype=np.int64, values=[1]), n.weight(1, dtype=np.int64, values=[5]), n.weight(1, dtype=np.int64, values=[2]))
    x = n("Resize", x, "", n.weight(4, values=[1, 1, 2, 2]), mode="linear")
    y = n("ReduceMean", n("Mul", x, n("Sigmoid", x)), axes=[2, 3], keepdims=1)
    n.save("odds", n("Squeeze", n("Div", y, n("Exp", y)), n.weight(2, dtype=np.int64, values=[2, 3])))


def old():
    n = Net(4, 6)
    x = n("Softmax", n("Squeeze", n("Unsqueeze", n("Clip", "x", min=-1.0, max=1.0), axes=[1]), axes=[1]), axis=1)
    n.save("old", n("Dropout", n("Pad", n("Slice", x, starts=[0], ends=[3], axes=[2]), pads=[0, 0, 0, 0, 0, 1])), opset=9)


for make in (residual, attention, quantised, odds, old):
    make()
for model, kind in (("residual", "--fp16"), ("attention", "--fp16"), ("quantised", "--int8"), ("odds", "--bf16")):
    subprocess.run([sys.argv[1], "compile", HERE / "onnx_fuzz" / f"{model}.onnx", "-o", HERE / "plan_fuzz" / f"{model}.plan", "--batch", "1,2", "--no-tune", kind], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
