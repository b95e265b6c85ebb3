"""Model repositories for both sides of a comparison: the same names, shapes, labels and files."""
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
NULL_MODELS = {"cflower": ("FP32", "[ 3, 224, 224 ]"), "cflower_u8": ("UINT8", "[ 224, 224, 3 ]"), "ctiny": ("FP32", "[ 4 ]")}


def folder_in(root, name):
    path = root / name
    path.mkdir()
    return path


def null(folder, backend=None):
    """Models that compute nothing, for tritonserver's null backend or (no backend) for Corolla's null engine."""
    for name, (dtype, dims) in NULL_MODELS.items():
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "1" / (".keep" if backend else "model.onnx")).touch()
        (folder / name / "labels.txt").write_text("".join(f"flower {i:03d}\n" for i in range(102)))
        kind = f'backend: "{backend}"\ninstance_group [ {{ kind: KIND_CPU, count: 1 }} ]\n' if backend else ""
        (folder / name / "config.pbtxt").write_text(
            f'name: "{name}"\n{kind}max_batch_size: 8\ninput [ {{ name: "input", data_type: TYPE_{dtype}, dims: {dims} }} ]\n'
            'output [ { name: "output", data_type: TYPE_FP32, dims: [ 102 ], label_filename: "labels.txt" } ]\ndynamic_batching { }\n')
    readable(folder)
    return folder


def flower(folder, shipped, core=None):
    """The shipped int8 flower model; with `core` for tritonserver's Python backend, pinned to that CPU."""
    target = folder / "flower"
    (target / "1").mkdir(parents=True)
    shutil.copy(shipped / "labels.txt", target)
    kind = ""
    if core is not None:
        shutil.copy(HERE / "flower_backend" / "model.py", target / "1")
        values = {"file": shipped / "1" / "model.onnx", "core": core}
        kind = 'backend: "python"\ninstance_group [ { kind: KIND_CPU, count: 1 } ]\n' + "".join(
            f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}\n' for key, value in values.items())
    else:
        shutil.copy(shipped / "1" / "model.onnx", target / "1")
    (target / "config.pbtxt").write_text(
        f'name: "flower"\n{kind}max_batch_size: 8\ninput [ {{ name: "input", data_type: TYPE_FP32, dims: [ 3, 224, 224 ] }} ]\n'
        'output [ { name: "output", data_type: TYPE_FP32, dims: [ 102 ], label_filename: "labels.txt" } ]\ndynamic_batching { }\n')
    readable(folder)
    return folder


def delayed(folder, delay_us):
    """A null model whose every batch of one takes so long: a worker of known speed that needs no core."""
    (folder / "delayed" / "1").mkdir(parents=True)
    (folder / "delayed" / "1" / "model.onnx").touch()
    parameter = f'parameters {{ key: "delay_us" value {{ string_value: "{delay_us}" }} }}\n' if delay_us else ""
    (folder / "delayed" / "config.pbtxt").write_text(
        'name: "delayed"\nmax_batch_size: 1\ninput [ { name: "input", data_type: TYPE_FP32, dims: [ 4 ] } ]\n'
        f'output [ {{ name: "output", data_type: TYPE_FP32, dims: [ 4 ] }} ]\n{parameter}')
    readable(folder)
    return folder


def readable(folder):
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
