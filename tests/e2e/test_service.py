"""As a service of systemd: the readiness that it is told, and a unit that it reads and finds confined."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import urllib.request

import pytest
import tritonclient.http

from closed_loop import ROW

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("COROLLA_BIN", ROOT / "build" / "bin"))


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_hears_when_the_fleet_is_ready(null_models, tmp_path, abstract):
    name = f"notify-{os.getpid()}-{int(abstract)}"
    where = f"\0corolla-test-{name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(where)
        manager.settimeout(60)
        up = subprocess.Popen([BIN / "corolla", "up", "--name", name, "--models", null_models, "--engine", "null", "--slices", "1", "--http", "0", "--grpc", "off",
                               "--metrics", "off", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              env={**os.environ, "NOTIFY_SOCKET": where.replace("\0", "@")})
        try:
            said = manager.recv(4096).decode()
            status = json.loads(up.stdout.readline())
            assert said.splitlines()[0] == "READY=1"
            assert status["listeners"]["http"] in said
        finally:
            up.terminate()
            assert up.wait(30) == 0


def test_the_unit_is_read_and_confined(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd here")
    # With the programs that are there before the package is installed.
    unit = tmp_path / "corolla.service"
    unit.write_text((ROOT / "deploy" / "systemd" / "corolla.service").read_text().replace("/usr/bin/corolla", str(BIN / "corolla")).replace("man:corolla-up(1) ", ""))
    verify = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert "corolla.service" not in verify.stdout + verify.stderr, verify.stderr
    security = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=40", unit], capture_output=True, text=True)
    assert security.returncode == 0, security.stdout[-400:] + security.stderr


def capabilities():
    unit = (ROOT / "deploy" / "systemd" / "corolla.service").read_text()
    return next(line.split("=")[1].split() for line in unit.splitlines() if line.startswith("CapabilityBoundingSet="))


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="only root can give capabilities away")
def test_the_units_capabilities_suffice(own_fleet):
    """The front becomes nobody, a client's shared memory is opened whoever owns it, and dead processes are replaced."""
    names = ",".join(["-all", *("+" + c.removeprefix("CAP_").lower() for c in capabilities())])
    fleet = own_fleet(prefix=["setpriv", "--bounding-set", names, "--inh-caps", "-all", "--no-new-privs"])
    def field(pid, key):
        return next(line.split()[1] for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(key + ":"))
    assert bin(int(field(fleet.process.pid, "CapEff"), 16)).count("1") == len(capabilities())
    status = fleet.status()
    assert field(status["front"]["pid"], "Uid") == "65534" and int(field(status["front"]["pid"], "CapEff"), 16) == 0
    assert status["front"]["memory_bytes"] > 0, "the keeper can look at another user's process"

    key = f"corolla-service-{os.getpid()}"
    path = pathlib.Path("/dev/shm") / key
    path.write_bytes(bytes(16))
    os.chmod(path, 0o600)
    os.chown(path, 12345, 12345)
    try:
        client = tritonclient.http.InferenceServerClient(fleet.http)
        client.register_system_shared_memory("mine", key, 16)
        tensor = tritonclient.http.InferInput("input", [1, 4], "FP32")
        tensor.set_shared_memory("mine", 16)
        for dead in (status["front"]["pid"], fleet.workers()[0]["pid"]):
            assert client.infer("tiny", [tensor]).as_numpy("output").tobytes() == ROW
            os.kill(dead, signal.SIGKILL)
            fleet.wait(lambda s: s["state"] == "ready" and s["front"]["ready"] and len([w for w in s["workers"] if w["state"] == "serving"]) == 2
                       and dead not in [s["front"]["pid"], *(w["pid"] for w in s["workers"])], "a successor")
            client = tritonclient.http.InferenceServerClient(fleet.http)
    finally:
        path.unlink()
    fleet.stop()


def test_dashboard_and_alerts_name_what_a_fleet_tells(fleet):
    """Every metric that they ask for is one that a fleet has."""
    text = urllib.request.urlopen(f"http://{fleet.metrics}/metrics").read().decode()
    told = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    told |= {name + end for name in told for end in ("_bucket", "_sum", "_count")}
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "corolla.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += re.findall(r"expr: (.*)", (ROOT / "deploy" / "prometheus" / "corolla.rules.yml").read_text())
    names = {name for expression in asked for name in re.findall(r"\b(?:corolla|nv)_\w+", expression)}
    assert len(names) > 10 and names <= told, names - told
    if shutil.which("promtool"):
        check = subprocess.run(["promtool", "check", "config", ROOT / "deploy" / "prometheus" / "prometheus.yml"], capture_output=True, text=True)
        assert check.returncode == 0, check.stdout + check.stderr
