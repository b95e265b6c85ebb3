"""As a service of systemd: the readiness that it is told, and a unit that it reads and finds confined."""
import json
import os
import pathlib
import shutil
import socket
import subprocess

import pytest

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
