"""The real perf_client, in the form that people use, to its end and with its server columns."""
import csv
import os
import subprocess

import pytest
from conftest import PERF_CLIENT


@pytest.mark.skipif(not PERF_CLIENT.exists(), reason="perf_client is not there: ./dev e2e fetches it")
@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize("extra", [[], ["--shared-memory", "system", "--output-shared-memory-size", "408"]], ids=["network", "shm"])
def test_demo_form(fleet, tmp_path, protocol, extra):
    out = tmp_path / "results.csv"
    # Short windows and a wide stability limit: this is about running to the end, not about speed.
    run = subprocess.run([PERF_CLIENT, "-m", "flower", "-u", fleet.any, "-i", protocol, "--concurrency-range", "1:5:4", "-p", "300", "-s", "400", "-f", out, *extra],
                         capture_output=True, text=True, timeout=120, env={**os.environ, "LD_LIBRARY_PATH": str(PERF_CLIENT.parent)})
    assert run.returncode == 0, run.stdout + run.stderr
    rows = list(csv.DictReader(out.open()))
    assert {row["Concurrency"] for row in rows} == {"1", "5"}
    for row in rows:
        assert float(row["Inferences/Second"]) > 0
        assert {"Server Queue", "Server Compute Input", "Server Compute Infer", "Server Compute Output"} <= set(row)
        assert int(row["p50 latency"]) <= int(row["p99 latency"])
