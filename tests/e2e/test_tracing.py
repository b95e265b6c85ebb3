"""Triton's trace settings, as its own client sends them: single requests in the log."""
import re

import numpy
import tritonclient.http


def test_every_nth_request_leaves_its_timestamps_in_the_log(own_fleet):
    fleet = own_fleet()
    client = tritonclient.http.InferenceServerClient(fleet.http)
    shown = client.update_trace_settings("tiny", {"trace_level": ["TIMESTAMPS"], "trace_rate": "4", "trace_count": "2"})
    assert shown["trace_level"] == ["TIMESTAMPS"] and shown["trace_rate"] == "4"
    tensor = tritonclient.http.InferInput("input", [1, 4], "FP32")
    tensor.set_data_from_numpy(numpy.zeros([1, 4], numpy.float32))
    for i in range(12):
        client.infer("tiny", [tensor], request_id=f"r{i}")
    lines = [line for line in fleet.logs().splitlines() if "request_trace" in line]
    assert [re.search(r" id=(\S+)", line)[1] for line in lines] == ["r0", "r4"], "the count ends it"
    for line in lines:
        assert "model=tiny" in line and "slice=cores:" in line
        times = [int(re.search(rf" {name}=(\d+)", line)[1]) for name in
                 ("REQUEST_START", "QUEUE_START", "COMPUTE_START", "COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START", "COMPUTE_END", "REQUEST_END")]
        assert times == sorted(times)
    assert client.get_trace_settings("tiny")["trace_count"] == "0"
