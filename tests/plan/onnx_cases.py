"""ONNX's own node tests of claimed operators, as plan_node_tests and gpu_node_tests read them."""
import pathlib
import subprocess
import sys

# Operators that only ever had one form are tested in opsets too old to be read otherwise.
UNCHANGED = {"Not": 7}


def claimed_operators(bin):
    return set(subprocess.run([bin / "plan_node_tests", "--operators"], capture_output=True, text=True, check=True).stdout.split()) | {"Upsample", "Dropout"}


def folder_of(case, model, scratch):
    """The case's folder, or a copy in `scratch` whose model is of an opset that can be read and means the same."""
    import onnx

    opset = model.opset_import[0].version
    if opset >= 7 or {n.op_type for n in model.graph.node} - UNCHANGED.keys():
        return case.model_dir
    copy = scratch / case.name
    copy.mkdir()
    model.opset_import[0].version = 7
    onnx.save(model, copy / "model.onnx")
    for data in sorted(p for p in pathlib.Path(case.model_dir).iterdir() if p.is_dir()):
        (copy / data.name).symlink_to(data)
    return copy


def onnx_cases(claimed, scratch):
    """{case name: the runner's line}, for every case that uses claimed operators alone."""
    import onnx
    import onnx.backend.test.loader

    lines = {}
    for case in onnx.backend.test.loader.load_model_tests(kind="node"):
        if case.model_dir is None:
            sys.exit(f"onnx {onnx.__version__} brings its cases without files; install onnx 1.19.1, or name a folder of cases with --cases.")
        model = onnx.load(f"{case.model_dir}/model.onnx")
        if all(not n.domain and n.op_type in claimed for n in model.graph.node):
            lines[case.name] = f"{case.rtol} {case.atol} {folder_of(case, model, scratch)}\n"
    return lines
