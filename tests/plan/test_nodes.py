"""ONNX's own node tests for every operator that is claimed: the reader and the interpreter pass them all, and plans, run in host memory step by step, all that they do not refuse.

One process runs them all (build/bin/plan_node_tests); on a GPU bench/gpu/nodes.py does. Out of the question are only models of types and modes that Corolla does not offer; those must be refused with a sentence that
says so.
"""
import re
import subprocess

import onnx
import onnx.backend.test.loader
import pytest

from conftest import BIN
from onnx_cases import claimed_operators, onnx_cases

# Not refused for what they compute but for what they compute it with.
REFUSED = re.compile(r"of type (FLOAT8\w+|FLOAT4\w+|U?INT4|STRING|UNDEFINED|type number \d+), which is not supported|makes (FLOAT8\w+|FLOAT4\w+|U?INT4|STRING|type number \d+), which is"
                     r" not supported|training mode|its mask is not offered")
RUNNER = BIN / "plan_node_tests"


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return onnx_cases(claimed_operators(BIN), tmp_path_factory.mktemp("cases"))


def said_of(cases, *arguments):
    """{case name: what the runner said}."""
    run = subprocess.run([RUNNER, *arguments], input="".join(cases.values()), capture_output=True, text=True, check=True)
    said = run.stdout.splitlines()
    assert len(said) == len(cases), run.stderr
    return dict(zip(cases, said))


@pytest.fixture(scope="module")
def answers(cases):
    return said_of(cases)


def test_every_claimed_operator_passes(answers):
    failed = [said for said in answers.values() if not said.startswith("pass ") and not REFUSED.search(said)]
    assert not failed, "\n".join(failed)
    assert sum(said.startswith("pass ") for said in answers.values()) > 970


def test_every_claimed_operator_is_tested(answers):
    """A case passed for each, but for the few of which ONNX has none alone."""
    tested = {n.op_type for case in onnx.backend.test.loader.load_model_tests(kind="node") if answers.get(case.name, "").startswith("pass ")
              for n in onnx.load(f"{case.model_dir}/model.onnx").graph.node}
    untested = {op for op in claimed_operators(BIN) if not op.startswith("corolla.")} - tested
    assert untested <= {"GlobalMaxPool", "Upsample"}, untested


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_plans_compute_what_they_do_not_refuse(cases, precision):
    said = said_of(cases, "--plan", precision).values()
    assert not [s for s in said if s.startswith("fail ")]
    assert sum(s.startswith("pass ") for s in said) >= 540
    refused = [s for s in said if s.startswith("refused ")]
    assert all(len(s.split(": ", 1)[1]) > 20 for s in refused)  # each with a reason
