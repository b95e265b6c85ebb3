"""Fixtures: real fleets of the built binaries, on free ports, with null models or the flower model."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("COROLLA_BIN", ROOT / "build" / "bin"))
PERF_CLIENT = ROOT / ".cache" / "perf_client" / "perf_client"


class Fleet:
    """A running `corolla up`. Ports are the system's choice; `name` is its own, so that fleets do not meet. `prefix`: a command that runs it."""

    count = 0

    def __init__(self, models, *args, engine="null", slices="2", cache=None, wait=60, env=None, prefix=()):
        Fleet.count += 1
        self.name = f"test-{os.getpid()}-{Fleet.count}"
        command = [*prefix, BIN / "corolla", "up", "--name", self.name, "--models", models, "--engine", engine, *(["--slices", slices] if slices else []), "--http", "0", "--grpc", "0",
                   "--metrics", "0", "--any", "0", "--json", *(["--cache", cache] if cache else []), *args]
        self.process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        os.set_blocking(self.process.stderr.fileno(), False)
        self.log = ""
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise AssertionError("the fleet did not start: " + self.logs())
        status = json.loads(line)
        self.http, self.grpc, self.metrics, self.any = (status["listeners"][k] for k in ("http", "grpc", "metrics", "any"))

    def logs(self):
        try:
            self.log += self.process.stderr.read() or ""
        except (TypeError, BlockingIOError):
            pass
        return self.log

    def command(self, *args, check=True):
        run = subprocess.run([BIN / "corolla", *map(str, args), "--name", self.name], capture_output=True, text=True)
        assert not check or run.returncode == 0, run.stdout + run.stderr
        return run

    def status(self):
        return json.loads(self.command("status", "--json").stdout)

    def workers(self):
        return [w for w in self.status()["workers"] if w.get("pid")]

    def wait(self, condition, what, limit=20):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            status = self.status()
            if condition(status):
                return status
            time.sleep(0.02)
        raise AssertionError(f"not within {limit} s: {what}; {json.dumps(status)}\n{self.logs()[-3000:]}")

    def stop(self, expect=0):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        assert code == expect, self.logs()[-3000:]

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def let_everybody_read(folder):
    """The front gives up its privileges, and pytest's folders are its user's alone."""
    for part in (folder, *folder.parents):
        if os.stat(part).st_uid == os.getuid() and part != pathlib.Path("/"):
            os.chmod(part, os.stat(part).st_mode | 0o055)


@pytest.fixture(scope="session")
def null_models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    let_everybody_read(folder)
    subprocess.run([sys.executable, ROOT / "bench" / "models" / "make_null_models.py", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def fleet(null_models):
    running = Fleet(null_models)
    yield running
    running.stop()


@pytest.fixture
def own_fleet(null_models):
    """For tests that break it: Fleet's arguments in, a fleet out, gone afterwards."""
    made = []

    def make(*args, **kwargs):
        made.append(Fleet(kwargs.pop("models", null_models), *args, **kwargs))
        return made[-1]

    yield make
    for running in made:
        running.kill()
