"""`corolla slices` against the fake driver: real processes, real dlopen, no GPU."""
import json
import os
import pathlib
import signal
import subprocess

import pytest

from closed_loop import Load
from conftest import BIN, ROOT

FAKES = BIN.parent / "fakes"
LABELS = ROOT / "src/slice/testdata/mig_parted/labels.yaml"


class Machine:
    """Fake GPUs with a state of their own; `slices` runs the command on them."""

    def __init__(self, folder, devices):
        self.folder = folder
        self.env = dict(os.environ, LD_LIBRARY_PATH=str(FAKES / "nvml"), FAKE_NVML_STATE=str(folder / "state"),
                        FAKE_NVML_LOG=str(folder / "log"), FAKE_NVML_DEVICES=devices, RUNTIME_DIRECTORY=str(folder / "run"))

    def slices(self, *args, expect=0, text=None, **env):
        run = subprocess.run([BIN / "corolla", "slices", *map(str, args)], capture_output=True, text=True, input=text, env=dict(self.env, **env))
        assert run.returncode == expect, (run.returncode, run.stdout, run.stderr)
        return run

    def list(self):
        return json.loads(self.slices("list", "--json").stdout)

    def uuids(self, gpu=0):
        return [s["id"] for s in self.list()["gpus"][gpu]["slices"]]

    def profiles(self, gpu=0):
        return sorted(s["profile"] for s in self.list()["gpus"][gpu]["slices"])

    def calls(self):
        log = self.folder / "log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def machine(tmp_path):
    return lambda devices="a100-40gb": Machine(tmp_path, devices)


def test_seven_slices_by_one_command_and_the_second_changes_nothing(machine):
    m = machine()
    m.slices("apply", "-f", LABELS, "-c", "all-1g.5gb")
    assert m.profiles() == ["1g.5gb"] * 7
    calls, uuids = m.calls(), m.uuids()
    assert len(calls) == 15
    again = m.slices("apply", "-f", LABELS, "-c", "all-1g.5gb")
    assert "nothing to change" in again.stdout
    assert m.calls() == calls and m.uuids() == uuids
    one = m.list()["gpus"][0]["slices"][0]
    assert (one["sm_count"], one["memory_bytes"], one["walls"]) == (14, 4864 << 20, "hardware")


def test_plan_and_assert_look_and_export_comes_back(machine):
    m = machine()
    m.slices("assert", "-f", LABELS, "-c", "all-balanced", expect=1)
    plan = json.loads(m.slices("plan", "-f", LABELS, "-c", "all-balanced", "--json").stdout)
    assert plan["changes"] and sorted(d["profile"] for d in plan["gpus"][0]["created"]) == ["1g.5gb", "1g.5gb", "2g.10gb", "3g.20gb"]
    assert m.calls() == []
    m.slices("apply", "-f", LABELS, "-c", "all-balanced")
    m.slices("assert", "-f", LABELS, "-c", "all-balanced")
    saved = m.slices("export", "-c", "saved").stdout
    assert json.loads(m.slices("export", "--json").stdout)["mig-configs"]["current"][0]["mig-devices"] == {"1g.5gb": 2, "2g.10gb": 1, "3g.20gb": 1}
    m.slices("destroy")
    assert m.profiles() == [] and m.list()["gpus"][0]["mig_on"]
    m.slices("apply", "-f", "-", text=saved)
    m.slices("assert", "-f", LABELS, "-c", "all-balanced")
    m.slices("destroy", "--gpu", "0", "--mig-off")
    assert not m.list()["gpus"][0]["mig_on"]


def test_a_fleets_file_is_understood(machine, tmp_path):
    m = machine("h100-80gb")
    file = tmp_path / "corolla.yaml"
    file.write_text("slices:\n  - {profile: 1g.10gb, count: 4}\n  - {profile: 3g.40gb, count: 1}\n")
    m.slices("apply", "-f", file)
    assert m.profiles() == ["1g.10gb"] * 4 + ["3g.40gb"]
    m.slices("assert", "-f", file)


def test_four_uuids_stay_when_three_become_one(machine):
    m = machine()
    m.slices("apply", "-f", LABELS, "-c", "all-1g.5gb")
    before = m.uuids()
    layout = 'version: v1\nmig-configs: {x: [{devices: all, mig-enabled: true, mig-devices: {"1g.5gb": 4, "3g.20gb": 1}}]}\n'
    done = json.loads(m.slices("apply", "-f", "-", "--json", text=layout).stdout)["gpus"][0]
    assert [d["uuid"] for d in done["kept"]] == before[:4]
    assert [d["uuid"] for d in done["created"]] == [u for u in m.uuids() if u not in before]


def test_busy_slices_are_named(machine):
    m = machine()
    m.slices("apply", "-f", LABELS, "-c", "all-1g.5gb")
    uuids, calls = m.uuids(), m.calls()
    sleeper = subprocess.Popen(["sleep", "60"], env=dict(os.environ, CUDA_VISIBLE_DEVICES=uuids[0]))
    try:
        refused = m.slices("destroy", expect=4, FAKE_NVML_SCAN="1")
        assert f"1g.5gb ({uuids[0]}) would go, and is in use by sleep (PID {sleeper.pid}); nothing was changed" in refused.stderr
        plan = m.slices("plan", "-f", LABELS, "-c", "all-disabled", FAKE_NVML_SCAN="1").stdout
        assert f"in use by sleep (PID {sleeper.pid})" in plan
        listed = m.slices("list", FAKE_NVML_SCAN="1").stdout
        assert f"hardware  sleep (PID {sleeper.pid})" in listed
    finally:
        sleeper.kill()
        sleeper.wait()
    assert (m.calls(), m.uuids()) == (calls, uuids)


def test_killed_after_any_call_the_next_run_mends_it(machine, tmp_path):
    m = machine()
    m.slices("apply", "-f", LABELS, "-c", "all-balanced")
    start = (tmp_path / "state").read_bytes()
    before = len(m.calls())
    m.slices("apply", "-f", LABELS, "-c", "all-1g.5gb")
    steps = len(m.calls()) - before
    assert steps > 10
    for n in range(1, steps + 1):
        (tmp_path / "state").write_bytes(start)
        m.slices("apply", "-f", LABELS, "-c", "all-1g.5gb", expect=-signal.SIGKILL, FAKE_NVML_KILL=str(n))
        assert (tmp_path / "run/mig.journal").exists()
        assert n % 4 or "an apply was ended half-way" in m.slices("plan", "-f", LABELS, "-c", "all-1g.5gb").stderr
        m.slices("apply", "-f", LABELS, "-c", "all-1g.5gb")
        assert m.profiles() == ["1g.5gb"] * 7 and not (tmp_path / "run/mig.journal").exists()


def test_two_applies_do_not_meet(machine):
    m = machine("a100-40gb,a100-40gb,a100-40gb,a100-40gb,a100-40gb,a100-40gb,a100-40gb,a100-40gb")
    runs = [subprocess.Popen([BIN / "corolla", "slices", "apply", "-f", LABELS, "-c", label], env=m.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True) for label in ("all-1g.5gb", "all-3g.20gb") * 4]
    outcomes = [(run.communicate()[1], run.returncode) for run in runs]
    assert any(code == 0 for _, code in outcomes)
    for sentence, code in outcomes:
        assert code == 0 or (code == 4 and "another change of MIG slices is at work" in sentence), (code, sentence)
    layouts = {tuple(m.profiles(gpu)) for gpu in range(8)}
    assert layouts in ({("1g.5gb",) * 7}, {("3g.20gb",) * 2})


@pytest.mark.parametrize("args, env, code, sentence", [
    (["plan", "-f", LABELS, "-c", "all-1g.5gb"], {"LD_LIBRARY_PATH": ""}, 1, "there is no NVIDIA driver on this machine"),
    (["profiles"], {"LD_LIBRARY_PATH": str(FAKES / "nvml-old")}, 1, "the NVIDIA driver is too old: its libnvidia-ml.so.1 lacks nvmlDeviceGetMigMode"),
    (["profiles"], {"FAKE_NVML_INIT": "9"}, 1, "the NVIDIA driver cannot be used: Driver Not Loaded"),
    (["apply", "-f", LABELS, "-c", "all-1g.5gb"], {"FAKE_NVML_NO_PERMISSION": "1"}, 1, "needs root: run 'sudo corolla slices apply -f"),
    (["apply", "-f", LABELS, "-c", "all-1g.6gb"], {}, 2, "has no layout 'all-1g.6gb'; did you mean 'all-1g.5gb'?"),
    (["apply", "-f", LABELS, "-c", "all-1g.5gb"], {"FAKE_NVML_DEVICES": "h100-80gb"}, 2, "'1g.5gb' is no profile of NVIDIA H100 80GB HBM3"),
    (["apply", "-f", LABELS, "-c", "all-1g.5gb"], {"FAKE_NVML_DEVICES": "t4"}, 1, "GPU 0 (Tesla T4) has no MIG"),
    (["apply", "-f", LABELS, "-c", "all-1g.5gb"], {"FAKE_NVML_RESET": "16"}, 1, "pending on and comes with the GPU's next reset"),
    (["apply", "-f", LABELS, "-c", "all-1g.5gb"], {"FAKE_NVML_FAIL": "9"}, 1, "the old layout stands"),
    (["destroy", "--gpu", "5"], {}, 2, "there is no GPU 5; this machine has 1"),
    (["plan", "-f", "/nowhere.yaml"], {}, 2, "cannot read /nowhere.yaml: No such file or directory"),
    (["plan", "-f", "/"], {}, 2, "/ is a folder"),
])
def test_bad_input_is_one_sentence_and_nothing_changes(machine, args, env, code, sentence):
    m = machine()
    run = m.slices(*args, expect=code, **env)
    assert run.stderr.count("\n") == 1 and sentence in run.stderr, run.stderr
    if "FAKE_NVML_DEVICES" not in env:
        assert m.list()["gpus"][0]["mig_on"] is False and m.profiles() == []


def test_a_tab_is_one_clear_sentence(machine):
    run = machine().slices("plan", "-f", "-", expect=2, text="version: v1\nmig-configs:\n\tx: []\n")
    assert run.stderr == "corolla: standard input:3: the line begins with a tab; YAML is indented with spaces\n"


def test_a_machine_without_a_driver_still_lists_its_cpu(machine):
    m = machine()
    m.env["LD_LIBRARY_PATH"] = ""
    listing = m.list()
    assert listing["gpus"] == [] and "no NVIDIA driver" in listing["problem"] and listing["cpu"]["threads"] > 0


def test_cores_of_a_running_fleet_are_listed(machine, own_fleet):
    fleet = own_fleet(slices="1")
    worker = fleet.workers()[0]
    cores = [s for s in machine().list()["cpu"]["slices"] if s["fleet"] == fleet.name]
    assert [(s["walls"], [p["pid"] for p in s["processes"]]) for s in cores] == [("cores", [worker["pid"]])]


def test_a_layout_changes_under_load_and_four_slices_never_notice(machine, own_fleet, tmp_path):
    """7x1g becomes 4x1g + 3g: the four keep UUID and process, and no request fails."""
    m = machine()
    file = tmp_path / "corolla.yaml"
    file.write_text("slices: {profile: 1g.5gb, count: 7}\n")
    # The fake takes whoever was born with a slice's UUID for running on it: it would refuse to remove one in use.
    fleet = own_fleet("-f", file, slices=None, env=dict(m.env, FAKE_NVML_SCAN="1"))
    before = {w["slice"]: w["pid"] for w in fleet.workers()}
    assert len(before) == 7 and set(before) == set(m.uuids())
    for uuid, pid in before.items():
        environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert f"CUDA_VISIBLE_DEVICES={uuid}".encode() in environment
    listed = {s["id"]: s for s in json.loads(m.slices("list", "--json", FAKE_NVML_SCAN="1").stdout)["gpus"][0]["slices"]}
    assert {uuid: [p["pid"] for p in s["processes"]] for uuid, s in listed.items()} == {uuid: [pid] for uuid, pid in before.items()}
    assert {s["fleet"] for s in listed.values()} == {fleet.name}
    refused = m.slices("destroy", expect=4, FAKE_NVML_SCAN="1").stderr
    assert "in use by corolla-worker-null (PID" in refused

    load = Load(fleet.http, threads=14)
    for slices, there in (("[{profile: 1g.5gb, count: 4}, {profile: 3g.20gb, count: 1}]", ["1g.5gb"] * 4 + ["3g.20gb"]),
                          ("[{profile: 1g.5gb, count: 7}]", ["1g.5gb"] * 7)):
        good = load.good
        file.write_text(f"slices: {slices}\n")
        fleet.command("apply", "-f", file)
        fleet.wait(lambda s: len([w for w in s["workers"] if w["state"] == "serving"]) == len(there), "every slice serves")
        fleet.wait(lambda s: load.good > good + 50, "requests are answered")
        assert m.profiles() == there
        after = {w["slice"]: w["pid"] for w in fleet.workers()}
        assert list(after.items() & before.items()) and len(after.items() & before.items()) == 4
    load.finish()
    assert load.bad == [] and load.good > 200
    fleet.stop()
    assert m.profiles() == ["1g.5gb"] * 7  # slices outlive their fleet, for the next to find


def test_a_fleet_finds_the_slices_that_are_there(machine, own_fleet, tmp_path, null_models):
    m = machine("h100-80gb")
    file = tmp_path / "corolla.yaml"
    file.write_text("slices: {profile: 3g.40gb, count: 2}\n")
    m.slices("apply", "-f", file)
    calls, uuids = m.calls(), m.uuids()
    # Root made them; whoever may change nothing can use them, and no others.
    other = tmp_path / "other.yaml"
    other.write_text("slices: {profile: 3g.40gb, count: 1}\n")
    refused = subprocess.run([BIN / "corolla", "up", "-f", other, "--name", f"no-{os.getpid()}", "--models", null_models, "--engine", "null", "--http", "0",
                              "--grpc", "0", "--metrics", "0"], env=dict(m.env, FAKE_NVML_NO_PERMISSION="1"), capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1 and "only root may change MIG slices: make them with 'sudo corolla slices apply -f FILE'" in refused.stderr
    fleet = own_fleet("-f", file, slices=None, env=dict(m.env, FAKE_NVML_NO_PERMISSION="1"))
    assert sorted(w["slice"] for w in fleet.workers()) == sorted(uuids)
    assert m.calls() == calls
    fleet.stop()


def test_a_keeper_killed_while_it_cuts_is_mended_by_the_next(machine, own_fleet, tmp_path, null_models):
    m = machine()
    file = tmp_path / "corolla.yaml"
    file.write_text("slices: {profile: 1g.5gb, count: 7}\n")
    up = [BIN / "corolla", "up", "-f", file, "--name", f"cut-{os.getpid()}", "--models", null_models, "--engine", "null", "--http", "0", "--grpc", "0",
          "--metrics", "0"]
    for call in (1, 3, 5):  # of fifteen
        run = subprocess.run(up, env=dict(m.env, FAKE_NVML_KILL=str(call)), capture_output=True, timeout=60)
        assert run.returncode == -signal.SIGKILL and (tmp_path / "run/mig.journal").exists()
    fleet = own_fleet("-f", file, slices=None, env=m.env)
    assert len(fleet.workers()) == 7 and m.profiles() == ["1g.5gb"] * 7
    fleet.stop()


def test_a_change_that_fails_half_way_leaves_the_fleet_as_it_was(machine, own_fleet, tmp_path):
    m = machine()
    file = tmp_path / "corolla.yaml"
    file.write_text("slices: {profile: 1g.5gb, count: 7}\n")
    # Fifteen calls make the seven; of the change's eight the sixth fails: three slices are gone by then.
    fleet = own_fleet("-f", file, slices=None, env=dict(m.env, FAKE_NVML_SCAN="1", FAKE_NVML_FAIL="21"))
    before = {w["slice"]: w["pid"] for w in fleet.workers()}
    load = Load(fleet.http, threads=14)
    file.write_text("slices: [{profile: 1g.5gb, count: 4}, {profile: 3g.20gb, count: 1}]\n")
    refused = fleet.command("apply", "-f", file, check=False)
    assert refused.returncode == 1 and "the old layout stands" in refused.stderr, refused
    fleet.wait(lambda s: len([w for w in s["workers"] if w["state"] == "serving"]) == 7, "all seven serve again")
    load.finish()
    assert load.bad == [] and m.profiles() == ["1g.5gb"] * 7
    after = {w["slice"]: w["pid"] for w in fleet.workers()}
    assert len(after.items() & before.items()) == 4 and len(after) == 7
    fleet.stop()
