"""Workers and the front are killed and stopped; every answer's bits are checked, and nothing may be left behind."""
import http.client
import os
import pathlib
import random
import signal
import socket
import time

import tritonclient.http as th
import tritonclient.utils.shared_memory as shm
from closed_loop import Load


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_workers_killed_at_random_cost_nobody_an_answer(own_fleet):
    fleet = own_fleet()
    load = Load(fleet.http)
    dice, kills, end = random.Random(7), 0, time.monotonic() + 12
    while time.monotonic() < end:
        time.sleep(0.3)
        alive = [w for w in fleet.workers() if w["state"] == "serving"]
        if alive:
            os.kill(dice.choice(alive)["pid"], signal.SIGKILL)
            kills += 1
    load.finish()
    assert kills >= 10 and load.good > 1000
    assert load.bad == [], f"{len(load.bad)} of {load.good} after {kills} kills"
    fleet.stop()


def test_a_stopped_worker_counts_as_dead(own_fleet, tmp_path, null_models):
    config = tmp_path / "corolla.yaml"
    config.write_text("limits: { hang_timeout: 500ms }\n")
    fleet = own_fleet("-f", config)
    load = Load(fleet.http, threads=8)
    time.sleep(0.5)
    os.kill(fleet.workers()[0]["pid"], signal.SIGSTOP)
    fleet.wait(lambda s: sum(w["restarts"] for w in s["workers"]) == 1, "the stopped worker is replaced")
    time.sleep(0.5)
    load.finish()
    assert load.bad == [] and load.good > 100


def test_a_dead_front_is_back_at_once_and_no_worker_restarts(own_fleet):
    fleet = own_fleet()
    workers = sorted(w["pid"] for w in fleet.workers())
    for _ in range(3):
        front = fleet.status()["front"]["pid"]
        os.kill(front, signal.SIGKILL)
        begin = time.monotonic()
        while True:
            try:
                connection = http.client.HTTPConnection(fleet.http, timeout=5)
                connection.request("GET", "/v2/health/ready")
                if connection.getresponse().status == 200:
                    break
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.005)
            assert time.monotonic() - begin < 10
        # The design asks for 200 ms; a shared test machine is given more, and the benchmark prints the figure.
        assert time.monotonic() - begin < 2
    assert sorted(w["pid"] for w in fleet.workers()) == workers
    load = Load(fleet.http, threads=4)
    time.sleep(0.5)
    assert load.finish().bad == [] and load.good > 50


def test_statistics_and_shared_memory_outlive_a_front(own_fleet):
    fleet = own_fleet()
    client = th.InferenceServerClient(fleet.http, connection_timeout=20, network_timeout=20)
    key = f"/corolla_test_outlive_{os.getpid()}"
    handle = shm.create_shared_memory_region("input", key, 64)
    given = th.InferInput("input", [1, 4], "FP32")
    seen = 0

    def count():
        return client.get_inference_statistics("tiny")["model_stats"][0]["inference_stats"]["success"]["count"]

    try:
        client.register_system_shared_memory("input", key, 16, 48)
        client.register_system_shared_memory("gone", key, 16)
        client.unregister_system_shared_memory("gone")
        given.set_shared_memory("input", 16)
        for _ in range(3):
            for _ in range(20):
                client.infer("tiny", [given])
            now = count()
            assert now >= seen + 20
            seen = now
            os.kill(fleet.status()["front"]["pid"], signal.SIGKILL)
            client.close()
            fleet.wait(lambda s: s["front"]["state"] == "ready", "the front is back")
            client = th.InferenceServerClient(fleet.http, connection_timeout=20, network_timeout=20)
            assert count() >= seen, "what a client has seen never falls"
            regions = client.get_system_shared_memory_status()
            assert [(r["name"], r["key"], r["offset"], r["byte_size"]) for r in regions] == [("input", key, 48, 16)]
    finally:
        shm.destroy_shared_memory_region(handle)
    fleet.stop()


def test_a_dead_keeper_leaves_no_orphan(own_fleet):
    fleet = own_fleet()
    status = fleet.status()
    pids = [status["front"]["pid"], *(w["pid"] for w in status["workers"])]
    fleet.process.kill()
    end = time.monotonic() + 5
    while any(pathlib.Path(f"/proc/{pid}").exists() and "Z" not in pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] for pid in pids):
        assert time.monotonic() < end, "somebody outlived the keeper"
        time.sleep(0.01)


def test_drain_finishes_what_is_in_flight(own_fleet):
    fleet = own_fleet()
    load = Load(fleet.http, threads=8, retry_connection=True)
    time.sleep(0.5)
    fleet.stop()
    # After the end connections are refused; an answer that came must be whole and right.
    load.stop.set()
    load.finish()
    assert load.bad == [] and load.good > 50


def test_connections_cut_in_the_body_leave_no_slot_behind(fleet):
    host, port = fleet.http.rsplit(":", 1)
    for cut in (10, 200, 5000, 300000):
        for _ in range(10):
            with socket.create_connection((host, int(port))) as raw:
                body = b"x" * 602294
                raw.sendall(b"POST /v2/models/flower/infer HTTP/1.1\r\nHost: x\r\nInference-Header-Content-Length: 182\r\nContent-Length: 602294\r\n\r\n" + body[:cut])
    fleet.wait(lambda s: s["serving"].get("arena_used_bytes", 0) == 0, "every slot is free again")


def test_scale_down_and_up_under_load(own_fleet):
    fleet = own_fleet()
    load = Load(fleet.http, threads=8)
    for count in (1, 2, 1, 2):
        fleet.command("scale", f"tiny={count}")
        time.sleep(0.2)
    load.finish()
    assert load.bad == [] and load.good > 200


def test_descriptors_do_not_leak_over_deaths(own_fleet):
    fleet = own_fleet()
    status = fleet.status()
    before = descriptors(status["keeper_pid"]), descriptors(status["front"]["pid"])
    for _ in range(6):
        victim = fleet.workers()[0]
        os.kill(victim["pid"], signal.SIGKILL)
        fleet.wait(lambda s: all(w["state"] == "serving" and w["pid"] != victim["pid"] for w in s["workers"]), "both serve again")
    status = fleet.status()
    after = descriptors(status["keeper_pid"]), descriptors(status["front"]["pid"])
    assert after[0] <= before[0] + 2 and after[1] <= before[1] + 2, (before, after)
