import os
import sys
from pathlib import Path

import pytest

TRAIN = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TRAIN))
os.environ.setdefault("OMP_NUM_THREADS", "1")  # busy machines punish threads that wait for each other

FIVE = "sunflower,rose,foxglove,passion flower,grape hyacinth"


@pytest.fixture(scope="session")
def flowers5(tmp_path_factory):
    """A small data set of five classes: train, val and test folders."""
    import flowers
    from trainlib.say import main_guard

    out = tmp_path_factory.mktemp("flowers5")
    assert main_guard(flowers.run, [str(out), "--seed", "5", "--per-class", "28", "--splits", "train,val,test",
                                    "--size", "64", "--classes", FIVE]) == 0
    return out


@pytest.fixture(scope="session")
def trained(flowers5, tmp_path_factory):
    """What a short training of a small net leaves behind."""
    import train
    from trainlib.say import main_guard

    out = tmp_path_factory.mktemp("run")
    assert main_guard(train.run, [str(flowers5), "--out", str(out), *TINY, "--epochs", "9", "--seed", "1",
                                  "--save-every", "9"]) == 0
    return out


TINY = ["--arch", "resnet18", "--size", "48", "--batch", "14", "--lr", "0.8", "--device", "cpu", "--no-amp", "--no-progressive"]


@pytest.fixture
def tool(capfd):
    """Runs a tool as its command line would; returns (exit code, stdout, stderr)."""
    from trainlib.say import main_guard

    def call(module, *argv):
        capfd.readouterr()
        code = main_guard(module.run, [str(a) for a in argv])
        out, err = capfd.readouterr()
        return code, out, err
    return call


@pytest.fixture
def refuses(tool):
    """Asserts that a tool refuses with exactly one sentence, and returns it."""
    def call(module, *argv):
        code, _, err = tool(module, *argv)
        said = [line for line in err.replace("\r", "\n").splitlines() if line.startswith("error: ")]
        assert code != 0 and len(said) == 1, err
        assert "Traceback" not in err
        assert said[0].rstrip().endswith(".")
        return said[0]
    return call
