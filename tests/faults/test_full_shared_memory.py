"""/dev/shm is full. The fleet's own memory lies in memfds, which it does not limit; what is left are clients' objects whose pages cannot be had any more, when a worker reads
them or the front writes them. Each such request gets an error that says so, nobody dies, and with room again the same objects are served."""
import errno
import os
import pathlib
import subprocess

import numpy as np
import onnx
import pytest
import tritonclient.http as th
from conftest import let_everybody_read
from onnx import TensorProto, helper, numpy_helper
from tritonclient.utils import InferenceServerException

COUNT = 16384  # FP32 elements: 16 pages
# A mount namespace with a /dev/shm of its own, so small that a test can fill it.
SMALL_SHM = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=512k tmpfs /dev/shm && exec "$@"', "sh"]


@pytest.fixture(scope="module")
def plus_one(tmp_path_factory):
    """A repository with a model that reads every element: output = input + 1."""
    folder = tmp_path_factory.mktemp("plus_one")
    let_everybody_read(folder)
    tensor = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", COUNT])
    graph = helper.make_graph([helper.make_node("Add", ["input", "one"], ["output"])], "plus_one", [tensor("input")], [tensor("output")],
                              [numpy_helper.from_array(np.ones(1, np.float32), "one")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    (folder / "plus_one" / "1").mkdir(parents=True)
    onnx.save(model, folder / "plus_one" / "1" / "model.onnx")
    return folder


class Shm:
    """Objects in the fleet's own /dev/shm."""

    def __init__(self, pid):
        self.folder = pathlib.Path(f"/proc/{pid}/root/dev/shm")

    def create(self, name, content=None, size=COUNT * 4):
        with open(self.folder / name, "wb") as file:
            file.write(content) if content is not None else file.truncate(size)

    def fill(self):
        with open(self.folder / "filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError as full:
                assert full.errno == errno.ENOSPC

    def make_room(self):
        (self.folder / "filler").unlink()


def test_a_full_dev_shm_fails_single_requests_and_nothing_else(own_fleet, plus_one, tmp_path):
    if subprocess.run([*SMALL_SHM, "true"], capture_output=True).returncode != 0:
        pytest.skip("no right to make a mount namespace")
    fleet = own_fleet(models=plus_one, engine="openvino", cache=tmp_path / "cache", prefix=SMALL_SHM)
    shm, client = Shm(fleet.process.pid), th.InferenceServerClient(fleet.http)
    data = np.arange(COUNT, dtype=np.float32)[None]
    shm.create("holes")  # has a size, and no page yet
    shm.create("whole", data.tobytes())
    shm.create("answer")
    for name in ("holes", "whole", "answer"):
        client.register_system_shared_memory(name, "/" + name, COUNT * 4)
    shm.fill()
    status = fleet.status()
    pids = status["front"]["pid"], sorted(w["pid"] for w in status["workers"])
    descriptors = len(os.listdir(f"/proc/{pids[0]}/fd"))

    def infer(source, answer=None):
        given, wanted = th.InferInput("input", [1, COUNT], "FP32"), th.InferRequestedOutput("output")
        given.set_data_from_numpy(source) if isinstance(source, np.ndarray) else given.set_shared_memory(source, COUNT * 4)
        if answer:
            wanted.set_shared_memory(answer, COUNT * 4)
        return client.infer("plus_one", [given], outputs=[wanted])

    for _ in range(5):
        with pytest.raises(InferenceServerException, match="/dev/shm is full"):
            infer("holes")
        with pytest.raises(InferenceServerException, match="No space left"):
            infer("whole", "answer")
        # What needs no new page is served as ever.
        assert np.array_equal(infer("whole").as_numpy("output"), data + 1)
        assert np.array_equal(infer(data).as_numpy("output"), data + 1)
    shm.make_room()
    # A region that could not be read is not trusted again.
    client.unregister_system_shared_memory("holes")
    client.register_system_shared_memory("holes", "/holes", COUNT * 4)
    assert np.array_equal(infer("holes").as_numpy("output"), np.ones_like(data))
    infer("whole", "answer")
    assert (shm.folder / "answer").read_bytes() == (data + 1).tobytes()

    status = fleet.wait(lambda s: s["serving"].get("arena_used_bytes", 0) == 0, "every slot is free again")
    assert (status["front"]["pid"], sorted(w["pid"] for w in status["workers"])) == pids, "somebody died of it"
    assert len(os.listdir(f"/proc/{pids[0]}/fd")) <= descriptors
    fleet.stop()
