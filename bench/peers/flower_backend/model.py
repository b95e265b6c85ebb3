"""The flower model in a tritonserver that has no ONNX backend: OpenVINO inside the Python backend, on one thread of one core.

Parameters of config.pbtxt: `file` (the ONNX file) and `core` (the CPU that this server's compute is pinned to).
"""
import json
import os
import sys

sys.path.append(os.environ["BENCH_SITE"])  # of numpy and openvino: the stub starts Python isolated and reads no PYTHONPATH

import numpy
import openvino
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        parameters = {k: v["string_value"] for k, v in json.loads(args["model_config"])["parameters"].items()}
        os.sched_setaffinity(0, {int(parameters["core"])})
        settings = {"NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": "1", "ENABLE_CPU_PINNING": "NO", "PERFORMANCE_HINT": "LATENCY"}
        self.model = openvino.Core().compile_model(parameters["file"], "CPU", settings)
        self.request = self.model.create_infer_request()
        for rows in range(1, 9):
            self.request.infer([numpy.zeros((rows, 3, 224, 224), numpy.float32)])

    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(r, "input").as_numpy() for r in requests]
        rows = inputs[0] if len(inputs) == 1 else numpy.concatenate(inputs)
        output = next(iter(self.request.infer([rows]).values()))
        answers, at = [], 0
        for given in inputs:
            part = numpy.ascontiguousarray(output[at:at + len(given)])
            at += len(given)
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("output", part)]))
        return answers
