"""External workers: a second `corolla up` with null models is the server of somebody else's on each slice. It is killed, refuses, and never becomes ready."""
import json
import os
import pathlib
import signal
import subprocess
import time

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
import tritonclient.utils

from closed_loop import ROW, Load

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("COROLLA_BIN", ROOT / "build" / "bin"))


def external(tmp_path, models, server_models=None, protocol="http", **options):
    """corolla.yaml of a fleet whose workers each start a fleet of one null worker."""
    inner = f"inner-{os.getpid()}-{tmp_path.name}-{{slice}}"
    options = {"command": f"{BIN}/corolla up --name {inner} --models {server_models or models} --engine null --slices 1 --http {{http_port}} --grpc {{grpc_port}} --metrics off",
               "protocol": protocol, "ready": "30s", **options}
    file = tmp_path / "corolla.yaml"
    file.write_text(json.dumps({"models": {"tiny": {}, "flower": {}}, "engine": {"name": "external", "options": options}}))
    return file


def servers(fleet):
    """Keeper pids of the inner fleets, by the worker's pid."""
    found = {}
    for line in fleet.logs().splitlines():
        if "server_started" in line:
            found[line.split(" pid=")[1].split()[0]] = line
    return [int(pid) for pid in found if pathlib.Path(f"/proc/{pid}").exists()]


def gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_gone(pids, limit=10):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if all(map(gone, pids)):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_server_killed_under_load_costs_nobody_an_answer(own_fleet, tmp_path, null_models, protocol):
    fleet = own_fleet("-f", external(tmp_path, null_models, protocol=protocol), engine="external")
    load = Load(fleet.http, threads=8)
    for kill in range(4):
        victims = servers(fleet)
        assert len(victims) == 2, fleet.logs()[-3000:]
        victim, before = victims[kill % 2], load.good
        os.kill(victim, signal.SIGKILL)
        assert wait_gone([victim])
        fleet.wait(lambda s: len(s["workers"]) == 2 and all(w["state"] == "serving" and "tiny" in w["models"] for w in s["workers"]) and len(servers(fleet)) == 2, "both servers")
        fleet.wait(lambda s: load.good > before + 50, "requests are answered")
    load.finish()
    assert not load.bad, load.bad[:3]
    assert load.good > 200
    last = servers(fleet)
    fleet.stop()
    assert wait_gone(last, limit=0.2), "the servers outlived the fleet"


def test_answers_are_the_servers_own(own_fleet, tmp_path, null_models):
    """Joined into batches on the way there and dealt out again: rows and bits as through a worker of our own."""
    fleet = own_fleet("-f", external(tmp_path, null_models), engine="external")
    for module, address in ((tritonclient.http, fleet.http), (tritonclient.grpc, fleet.grpc)):
        client = module.InferenceServerClient(address)
        outstanding = []
        for rows in (1, 3, 2, 8):
            tensor = module.InferInput("input", [rows, 4], "FP32")
            tensor.set_data_from_numpy(np.zeros([rows, 4], np.float32))
            outstanding.append((rows, client.infer("tiny", [tensor])))
        for rows, answer in outstanding:
            assert answer.as_numpy("output").tobytes() == ROW * rows
        statistics = client.get_inference_statistics("tiny", **({"as_json": True} if module is tritonclient.grpc else {}))
        assert int(statistics["model_stats"][0]["inference_count"]) >= 14


def test_shared_memory_that_is_cut_short_costs_no_worker(own_fleet, tmp_path, null_models):
    fleet = own_fleet("-f", external(tmp_path, null_models), engine="external")
    client = tritonclient.http.InferenceServerClient(fleet.http)
    size, key = 3 * 224 * 224 * 4, f"corolla-external-{os.getpid()}"
    path = pathlib.Path("/dev/shm") / key
    path.write_bytes(bytes(size))
    try:
        client.register_system_shared_memory("cut", key, size)
        tensor = tritonclient.http.InferInput("input", [1, 3, 224, 224], "FP32")
        tensor.set_shared_memory("cut", size)
        assert client.infer("flower", [tensor]).as_numpy("output").tobytes() == ROW
        os.truncate(path, 4096)
        with pytest.raises(tritonclient.utils.InferenceServerException, match="shared memory"):
            client.infer("flower", [tensor])
    finally:
        path.unlink()
    assert all(w["restarts"] == 0 and w["state"] == "serving" for w in fleet.status()["workers"])


def test_a_kill_of_the_worker_takes_its_server_along(own_fleet, tmp_path, null_models):
    fleet = own_fleet("-f", external(tmp_path, null_models), engine="external")
    before = servers(fleet)
    for worker in fleet.workers():
        os.kill(worker["pid"], signal.SIGKILL)
    assert wait_gone(before)
    fleet.wait(lambda s: sum(w["state"] == "serving" and "tiny" in w["models"] for w in s["workers"]) == 2, "new workers")
    after = servers(fleet)
    assert len(after) == 2 and not set(before) & set(after)
    os.kill(fleet.process.pid, signal.SIGKILL)
    fleet.process.wait()
    assert wait_gone(after), "a server outlived its keeper"


def test_servers_on_mig_slices_see_theirs_alone_and_leave_before_it_goes(own_fleet, tmp_path, null_models):
    """The fake driver takes every process born with a slice's UUID for running there, and refuses to remove a slice in use."""
    env = dict(os.environ, LD_LIBRARY_PATH=str(BIN.parent / "fakes" / "nvml"), FAKE_NVML_STATE=str(tmp_path / "state"), FAKE_NVML_LOG=str(tmp_path / "log"),
               FAKE_NVML_DEVICES="a100-40gb", FAKE_NVML_SCAN="1", RUNTIME_DIRECTORY=str(tmp_path / "run"))
    file = external(tmp_path, null_models)
    config = json.loads(file.read_text())
    config["engine"]["options"]["command"] = "env SLICE={uuid} " + config["engine"]["options"]["command"]
    config["slices"] = [{"profile": "1g.5gb", "count": 3}]
    file.write_text(json.dumps(config))
    fleet = own_fleet("-f", file, engine="external", slices=None, env=env)
    slices = sorted(w["slice"] for w in fleet.workers())
    assert len(slices) == 3 and all(s.startswith("MIG-") for s in slices)
    before = servers(fleet)
    environments = [dict(e.split("=", 1) for e in pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0") if e) for pid in before]
    assert sorted(e["CUDA_VISIBLE_DEVICES"] for e in environments) == sorted(e["SLICE"] for e in environments) == slices

    load = Load(fleet.http, threads=6)
    config["slices"] = [{"profile": "1g.5gb", "count": 1}, {"profile": "3g.20gb", "count": 1}]
    file.write_text(json.dumps(config))
    fleet.command("apply", "-f", file)
    fleet.wait(lambda s: sorted(w["profile"] for w in s["workers"] if w["state"] == "serving") == ["1g.5gb", "3g.20gb"], "the new layout")
    good = load.good
    fleet.wait(lambda s: load.good > good + 50, "requests are answered")
    load.finish()
    assert load.bad == []
    assert len(set(servers(fleet)) & set(before)) == 1


def test_a_model_that_the_server_has_not_is_told(own_fleet, tmp_path, null_models):
    few = tmp_path / "few"
    few.mkdir()
    os.chmod(tmp_path, 0o755)
    (few / "tiny").symlink_to(pathlib.Path(null_models) / "tiny")
    fleet = own_fleet("-f", external(tmp_path, null_models, server_models=few), engine="external")
    problem = next(w["problem"] for w in fleet.status()["workers"] if w["problem"])
    assert "the external server has no version 1 of model 'flower'" in problem
    client = tritonclient.http.InferenceServerClient(fleet.http)
    assert client.is_model_ready("tiny") and not client.is_model_ready("flower")


@pytest.mark.parametrize("options, sentence", [
    ({"command": "/no/such/server"}, "could not start '/no/such/server'"),
    ({"command": "false"}, "the external server ended: exit code 1"),
    ({"command": "sleep {port}"}, "{port}, which nothing is put in for"),
    ({"command": "sleep 1000", "ready": "300ms"}, "is not ready after"),
    ({"command": "sleep 1000", "readi": "1s"}, "no option 'readi'"),
])
def test_a_server_that_cannot_be_is_told_in_one_sentence(tmp_path, null_models, options, sentence):
    file = external(tmp_path, null_models, **options)
    run = subprocess.Popen([BIN / "corolla", "up", "-f", file, "--name", f"bad-{os.getpid()}-{tmp_path.name}", "--models", null_models, "--slices", "1", "--http", "0",
                            "--grpc", "off", "--metrics", "off"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = ""
    try:
        for line in run.stderr:
            said += line
            if sentence in line:
                break
        assert sentence in said, said
    finally:
        run.terminate()
        run.communicate(timeout=30)
