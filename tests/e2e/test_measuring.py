"""The measuring commands against a running fleet: what people's scripts read, a sweep that scales, and what is left when it is cut off."""
import csv
import json
import os
import signal
import subprocess
import time

import pytest
from conftest import BIN, PERF_CLIENT, Fleet

WINDOWS = ["-p", "200", "-s", "400"]


@pytest.fixture(scope="module")
def paced(tmp_path_factory):
    """Arguments for a fleet whose batches take 3 ms: before one that answers at once, a generator on the same cores is itself the limit, and says so."""
    file = tmp_path_factory.mktemp("paced") / "corolla.yaml"
    file.write_text('models: {flower: {parameters: {delay_us: "3000"}}}\n')
    return ["-f", file]


@pytest.fixture(scope="module")
def fleet(null_models, paced):
    running = Fleet(null_models, *paced)
    yield running
    running.stop()


def corolla(*args):
    return subprocess.run([BIN / "corolla", *map(str, args)], capture_output=True, text=True, timeout=120)


def levels(rows):
    """As perf_client does, the file has the fastest level last, whatever its number."""
    return sorted(int(row["Concurrency"]) for row in rows)


def demo_chart(path):
    """What a script made for perf_client's CSV does with it: rows by concurrency, throughput, tail, and where the time went."""
    rows = sorted(csv.DictReader(path.open()), key=lambda row: int(row["Concurrency"]))
    server = ("Server Queue", "Server Compute Input", "Server Compute Infer", "Server Compute Output")
    return [(int(r["Concurrency"]), float(r["Inferences/Second"]), int(r["p50 latency"]), int(r["p90 latency"]), int(r["p95 latency"]), int(r["p99 latency"]),
             int(r["Client Send"]), int(r["Network+Server Send/Recv"]), int(r["Client Recv"]), *(int(r[name]) for name in server)) for r in rows]


@pytest.mark.skipif(not PERF_CLIENT.exists(), reason="perf_client is not there: ./dev e2e fetches it")
@pytest.mark.parametrize("extra", [[], ["--verbose-csv"]], ids=["plain", "verbose"])
def test_csv_is_read_by_scripts_made_for_perf_client(fleet, tmp_path, extra):
    common = ["-m", "flower", "-u", fleet.http, "--concurrency-range", "1:3:2", *WINDOWS, *extra]
    theirs, ours = tmp_path / "theirs.csv", tmp_path / "ours.csv"
    subprocess.run([PERF_CLIENT, *common, "-f", theirs], check=True, capture_output=True, timeout=120, env={**os.environ, "LD_LIBRARY_PATH": str(PERF_CLIENT.parent)})
    run = corolla("perf", *common, "-f", ours)
    assert run.returncode == 0, run.stderr
    columns = theirs.read_text().splitlines()[0].split(",")
    assert ours.read_text().splitlines()[0].split(",")[:len(columns)] == columns
    for path in (theirs, ours):
        chart = demo_chart(path)
        assert [row[0] for row in chart] == [1, 3]
        assert all(row[1] > 0 and row[2] <= row[3] <= row[4] <= row[5] for row in chart)


def test_sweep_scales_the_fleet_and_draws(own_fleet, paced, tmp_path):
    fleet = own_fleet(*paced)
    out = tmp_path / "sweep"
    run = corolla("sweep", "-m", "flower", "-u", fleet.http, "--fleet", fleet.name, "--metrics-url", fleet.metrics + "/metrics", "--slices", "1:2", "--concurrency", "1:5:4",
                  "-p", "200", "-s", "400", "--budget", "50", "--out", out)
    assert run.returncode == 0, run.stderr
    assert "front:" not in run.stdout  # of `corolla scale`
    assert json.loads((out / "manifest.json").read_text())
    for slices in (1, 2):
        rows = list(csv.DictReader((out / f"slices_{slices}.csv").open()))
        assert levels(rows) == [1, 5]
    page = (out / "report.html").read_text()
    assert "1 slice" in page and "2 slices" in page and "budget 50 ms" in page and "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org/", "")  # self-contained
    served = {w["slice"]: w["models"] for w in fleet.workers()}
    assert all("flower" in models for models in served.values()), served


def test_interrupt_keeps_the_finished_points(fleet, tmp_path):
    out = tmp_path / "cut.csv"
    process = subprocess.Popen([BIN / "corolla", "perf", "-m", "flower", "-u", fleet.http, "--concurrency-range", "1:200", *WINDOWS, "-f", out, "--report", tmp_path / "cut.html"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 30
    while not out.exists() or len(out.read_text().splitlines()) < 3:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1 and "interrupted" in said
    rows = list(csv.DictReader(out.open()))
    assert levels(rows) == list(range(1, len(rows) + 1)) and len(rows) >= 2
    assert "<svg" in (tmp_path / "cut.html").read_text()


def test_a_server_that_dies_leaves_what_was_measured(own_fleet, paced, tmp_path):
    fleet, out = own_fleet(*paced), tmp_path / "died.csv"
    process = subprocess.Popen([BIN / "corolla", "perf", "-m", "flower", "-u", fleet.http, "--concurrency-range", "1:200", *WINDOWS, "-f", out],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 30
    while not out.exists() or len(out.read_text().splitlines()) < 3:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    fleet.kill()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "kept" in said and len(said.strip().splitlines()) <= 3
    assert len(list(csv.DictReader(out.open()))) >= 2
