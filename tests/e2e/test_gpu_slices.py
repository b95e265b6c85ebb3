"""MPS shares and green contexts against fakes of the driver and of the control daemon: real processes, no GPU."""
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import pytest

from closed_loop import Load
from conftest import BIN, ROOT

FAKE_DRIVER = BIN.parent / "fakes" / "cuda"
FAKE_MPS = ROOT / "tests" / "fakes" / "mps"


@pytest.fixture
def run_dir():
    """With a short name: sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="corolla-") as folder:
        yield pathlib.Path(folder)


@pytest.fixture
def gpu(run_dir):
    """The environment of a machine with one H100, whose daemons keep their files in a folder of the test's own."""
    return dict(os.environ, PATH=f"{FAKE_MPS}:{os.environ['PATH']}", LD_LIBRARY_PATH=str(FAKE_DRIVER), COROLLA_FAKE_CUDA="H100",
                XDG_RUNTIME_DIR=str(run_dir))


def environment(pid):
    pairs = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(pair.decode().split("=", 1) for pair in pairs if b"=" in pair)


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def daemon_of(fleet, run_dir):
    return int((run_dir / f"corolla-slices-{fleet.name}" / "mps0" / "pipe" / "nvidia-cuda-mps-control.pid").read_text())


def until(condition, what, limit=20):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, f"not within {limit} s: {what}"
        time.sleep(0.01)


def apply(fleet, tmp_path, text):
    file = tmp_path / "new.yaml"
    file.write_text(text)
    fleet.command("apply", "-f", file)


def all_serve(count):
    return lambda s: sum(w["state"] == "serving" for w in s["workers"]) == count == len(s["workers"])


def test_unequal_shares_with_memory_limits(own_fleet, gpu, run_dir, tmp_path):
    file = tmp_path / "fleet.yaml"
    file.write_text("slices:\n- {mps: [50, 25, 25], memory: [20GiB, 10GiB, 10GiB], name: shares}\n")
    fleet = own_fleet("-f", file, slices=None, env=gpu)
    workers = fleet.wait(all_serve(3), "three shares")["workers"]
    told = sorted((environment(w["pid"])["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"], environment(w["pid"])["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"]) for w in workers)
    assert told == [("25", "0=10240M"), ("25", "0=10240M"), ("50", "0=20480M")]
    assert {environment(w["pid"])["CUDA_VISIBLE_DEVICES"] for w in workers} == {"GPU-f0dfcebd-ac9b-8a79-6857-4635241302f1"}
    assert {w["walls"] for w in workers} == {"share"} and {w["kind"] for w in workers} == {"mps"}
    text = fleet.command("status").stdout
    assert "GPU 0, walls: share" in text
    daemon = daemon_of(fleet, run_dir)
    assert alive(daemon)
    fleet.stop()
    assert not alive(daemon), "the daemon outlived its fleet"


def test_shares_change_under_load_and_those_that_stay_never_notice(own_fleet, gpu, run_dir, tmp_path):
    fleet = own_fleet(slices="mps:14x7", env=gpu)
    before = {w["slice"]: w["pid"] for w in fleet.wait(all_serve(7), "seven shares")["workers"]}
    load = Load(fleet.http)
    apply(fleet, tmp_path, "slices: [{mps: [14, 14, 14, 14, 42]}]\n")
    after = fleet.wait(all_serve(5), "five shares")["workers"]
    until(lambda: load.good > 500, "answers")
    load.finish()
    assert load.bad == []
    kept = {w["slice"]: w["pid"] for w in after if w["profile"] == "mps:14"}
    assert len(kept) == 4 and kept.items() <= before.items()
    assert [environment(w["pid"])["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] for w in after if w["profile"] != "mps:14"] == ["42"]


def test_from_cores_to_shares_to_green_contexts_without_a_failed_request(own_fleet, gpu, run_dir, tmp_path):
    fleet = own_fleet(slices="1", env=gpu)
    load = Load(fleet.http)
    for text, count in (("mps:50,50", 2), ("sm:16,16,100", 1), ("mps:30,70", 2), ("1", 1)):
        apply(fleet, tmp_path, f"slices: {text}\n")
        fleet.wait(all_serve(count), text)
        good = load.good
        until(lambda: load.good > good + 50, "answers")
    load.finish()
    assert load.bad == []
    assert not list((run_dir / f"corolla-slices-{fleet.name}").glob("mps0/pipe/*.pid")), "the last share is gone, and its daemon is not"


def test_green_contexts_run_at_once_in_one_process(own_fleet, gpu, run_dir, tmp_path):
    file = tmp_path / "fleet.yaml"
    file.write_text('slices: [{sm: [16, 16, 100], engine: {name: "null", options: {delay_us: 20000}}}]\n')
    fleet = own_fleet("-f", file, slices=None, env=gpu)
    (worker,) = fleet.wait(all_serve(1), "the split")["workers"]
    assert (worker["profile"], worker["walls"], worker["contexts"]) == ("sm:16+16+100", "compute", 3)
    assert "slices of one sm split share a process" in fleet.command("status").stdout
    begin = time.monotonic()
    load = Load(fleet.http, threads=6)
    until(lambda: load.good >= 150, "answers")
    took = time.monotonic() - begin
    load.finish()
    assert load.bad == []
    # One after the other they would take 3 s.
    assert took < 2.2, took


def test_a_server_that_dies_costs_nobody_a_request(own_fleet, gpu, run_dir, tmp_path):
    fleet = own_fleet(slices="mps:50,50", env=gpu)
    before = {w["pid"] for w in fleet.wait(all_serve(2), "two shares")["workers"]}
    mps = run_dir / f"corolla-slices-{fleet.name}" / "mps0"
    for pid in before:  # as the driver's library does
        (mps / "pipe" / "clients" / str(pid)).touch()
    until(lambda: (mps / "pipe" / "server").exists(), "the server")
    load = Load(fleet.http)
    server = int((mps / "pipe" / "server").read_text())
    until(lambda: load.good > 100, "answers")
    time.sleep(0.6)  # the keeper has seen it
    os.kill(server, signal.SIGKILL)
    status = fleet.wait(lambda s: all_serve(2)(s) and not before & {w["pid"] for w in s["workers"]}, "two new workers")
    assert f"killed: the MPS server {server} has died" in status["workers"][0]["last_death"]
    load.finish()
    assert load.bad == []


def test_no_daemon_is_left_when_the_keeper_is_killed(own_fleet, gpu, run_dir, tmp_path):
    fleet = own_fleet(slices="mps:50,50", env=gpu)
    daemon = daemon_of(fleet, run_dir)
    fleet.kill()
    until(lambda: not alive(daemon), "the daemon is gone")


def test_a_worker_that_hangs_is_terminated_at_the_server_before_it_is_killed(own_fleet, gpu, run_dir, tmp_path):
    fleet = own_fleet(slices="mps:50,50", env=gpu)
    worker = fleet.wait(all_serve(2), "two shares")["workers"][0]
    mps = run_dir / f"corolla-slices-{fleet.name}" / "mps0"
    (mps / "pipe" / "clients" / str(worker["pid"])).touch()
    until(lambda: (mps / "pipe" / "server").exists(), "the server")
    os.kill(worker["pid"], signal.SIGSTOP)
    apply(fleet, tmp_path, "slices: mps:40\nquit: 100ms\ndrain: 100ms\n")
    until(lambda: not alive(worker["pid"]), "the worker is gone")
    assert f"terminate_client {(mps / 'pipe' / 'server').read_text()} {worker['pid']}" in (mps / "log" / "commands").read_text()


@pytest.mark.parametrize("slices, env, sentence", [
    ("mps:50,50", {"LD_LIBRARY_PATH": ""}, "there is no CUDA driver"),
    ("mps:50,50", {"PATH": "/usr/bin:/bin"}, "the program nvidia-cuda-mps-control is not on PATH"),
    ("mps:50,50", {"COROLLA_FAKE_CUDA": "none"}, "CUDA_ERROR_NO_DEVICE"),
    ("mps:50,50", {"COROLLA_FAKE_CUDA": "P100"}, "compute capability 6.0"),
    ("mps:50,50", {"FAKE_MPS_FAIL": "start"}, "the driver is in an error state"),
    ("mps:50,0", {}, "slices of 1 to 100 percent"),
    ("mps:101", {}, "slices of 1 to 100 percent"),
    ("sm:100,100", {}, "green contexts of 100, 100 SMs do not fit: GPU 0 has 132"),
    ("sm:16", {"LD_LIBRARY_PATH": ""}, "there is no CUDA driver"),
    ("mig:1g.10gb*7", {}, "there is no NVIDIA driver"),
])
def test_what_cannot_be_is_one_sentence(null_models, gpu, slices, env, sentence):
    run = subprocess.run([BIN / "corolla", "up", "--name", f"refused-{os.getpid()}", "--models", null_models, "--engine", "null", "--slices", slices, "--http",
                          "0", "--grpc", "off", "--metrics", "off"], capture_output=True, text=True, env=dict(gpu, **env), timeout=30)
    assert run.returncode != 0
    said = [line for line in run.stderr.splitlines() if line.startswith("corolla: ")]
    assert len(said) == 1 and sentence in said[0], run.stderr


def test_shares_over_a_hundred_are_allowed_and_warned_of(own_fleet, gpu):
    fleet = own_fleet(slices="mps:60,60", env=gpu)
    fleet.wait(all_serve(2), "two shares")
    assert "mps_oversubscribed" in fleet.logs()


def test_a_change_that_cannot_be_leaves_all_as_it_is(own_fleet, gpu, run_dir, tmp_path):
    fleet = own_fleet(slices="mps:50,50", env=gpu)
    before = {w["slice"]: w["pid"] for w in fleet.wait(all_serve(2), "two shares")["workers"]}
    file = tmp_path / "new.yaml"
    file.write_text("slices:\n- {mps: [25, 25]}\n- {sm: [100, 100]}\n")
    refused = fleet.command("apply", "-f", file, check=False)
    assert refused.returncode != 0 and "do not fit" in refused.stderr
    assert {w["slice"]: w["pid"] for w in fleet.status()["workers"]} == before
