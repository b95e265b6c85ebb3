#!/usr/bin/env python3
"""Makes the small ONNX files of this folder (pip install onnx numpy). Run it here; the files are checked in."""
import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh


def save(name, nodes, inputs, outputs, constants=()):
    graph = h.make_graph(
        nodes, name,
        [h.make_tensor_value_info(n, t, s) for n, t, s in inputs],
        [h.make_tensor_value_info(n, t, s) for n, t, s in outputs],
        [nh.from_array(np.asarray(a), n) for n, a in constants])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, name + ".onnx")


# double = 2x + 1, sum = its sum over the row
save("affine",
     [h.make_node("Mul", ["x", "two"], ["m"]), h.make_node("Add", ["m", "one"], ["double"]),
      h.make_node("ReduceSum", ["double", "axis"], ["sum"], keepdims=1)],
     [("x", T.FLOAT, ["N", 4])], [("double", T.FLOAT, ["N", 4]), ("sum", T.FLOAT, ["N", 1])],
     [("two", np.float32(2)), ("one", np.float32(1)), ("axis", np.array([1], np.int64))])
# What the model is given, as it is: 3 planes of 8 x 6
save("picture", [h.make_node("Identity", ["input"], ["output"])],
     [("input", T.FLOAT, ["N", 3, 8, 6])], [("output", T.FLOAT, ["N", 3, 8, 6])])
save("picture_alone", [h.make_node("Identity", ["input"], ["output"])],
     [("input", T.FLOAT, [1, 3, 8, 6])], [("output", T.FLOAT, [1, 3, 8, 6])])
# The batch of 1 is written into a Reshape: no other batch can be
save("fixed",
     [h.make_node("Reshape", ["x", "to"], ["r"]), h.make_node("Add", ["r", "one"], ["y"])],
     [("x", T.FLOAT, [1, 4])], [("y", T.FLOAT, [2, 2])],
     [("to", np.array([2, 2], np.int64)), ("one", np.float32(1))])
# Any length; no batch dimension
save("lengths",
     [h.make_node("Add", ["a", "b"], ["total"])],
     [("a", T.INT64, ["L"]), ("b", T.INT64, ["L"])], [("total", T.INT64, ["L"])])
# Large outputs, written in place
save("wide", [h.make_node("Expand", ["x", "to"], ["e"]), h.make_node("Mul", ["e", "ramp"], ["y"])],
     [("x", T.FLOAT, ["N", 1])], [("y", T.FLOAT, ["N", 20000])],
     [("to", np.array([1, 20000], np.int64)), ("ramp", np.arange(20000, dtype=np.float32))])
# An operator that nobody has
bad = onnx.load("affine.onnx")
bad.graph.node[0].op_type = "Frobnicate"
onnx.save(bad, "unknown_op.onnx")
