#!/usr/bin/env python3
"""ONNX's own node tests on the GPU: every case of every operator that Corolla claims, compiled for the CUDA engine, run on it, and compared with ONNX's answer.

    bench/gpu/nodes.py [--bin build/bin] [--type fp16 bf16] [--cases FOLDER] [--host] [--show]

Prints what passed, what was refused and why, and what failed; the exit status is 1 if anything failed. How near an answer must be is src/plan/testing/node_case.h's (half_tolerance). --host runs the plans in host
memory by plan_node_tests, without a GPU. --cases takes those of a folder instead (bench/gpu/node_models.py writes some); int8 is a type of theirs, too. A case that breaks the device, or does not end, is named; the rest go to a new process.
"""
import argparse
import collections
import pathlib
import re
import select
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plan"))
from onnx_cases import claimed_operators, onnx_cases

SECONDS_A_CASE = 30
# Why a case is refused, as the table says it; the first that fits.
REASONS = [
    (r"of type FLOAT[48]|of type U?INT4|of type STRING|of type UNDEFINED|of type type number|makes (FLOAT[48]|U?INT4|STRING|type number)|training mode|its mask is not offered", "not read at all: 8-bit floats, 4 bits, strings, training"),
    (r"takes floats|take floats|reads .* of type (U?INT|BOOL)|casts |of type (U?INT\d+|BOOL)", "whole numbers or truth values as data"),
    (r"beyond what fp16 holds", "numbers on the way that fp16 does not hold"),
    (r"FP64", "64-bit floats"),
    (r"makes nothing", "tensors without elements"),
    (r"no step does it", "operators that plans do not have"),
    (r"spatial dimensions", "convolutions and pools of one or three dimensions"),
    (r"", "forms that no step has"),
]


def cases_of_folder(folder):
    """As onnx_cases. Models of several steps, with numbers of the order of one, each rounded: 1e-3 more."""
    return [(p.parent.name, f"1e-3 1e-3 {p.parent}\n") for p in sorted(folder.glob("*/model.onnx"))]


def answers(command, lines):
    """What the runner says to each line; a runner that dies or hangs is begun again behind the line that it had."""
    said = []
    while len(said) < len(lines):
        with tempfile.TemporaryFile("w+") as rest:
            rest.write("".join(lines[len(said):]))
            rest.seek(0)
            runner = subprocess.Popen(command, stdin=rest, stdout=subprocess.PIPE)
        with runner:
            buffer = b""
            while len(said) < len(lines):
                ready, _, _ = select.select([runner.stdout], [], [], SECONDS_A_CASE)
                more = runner.stdout.read1(1 << 16) if ready else b""
                buffer += more
                *whole, buffer = buffer.split(b"\n")
                said += [line.decode(errors="replace") for line in whole]
                if not more:
                    break
            if len(said) == len(lines):
                break
            runner.kill()
            status = runner.wait()
            if status == 1:
                sys.exit(f"{command[0]} does not start")
            if not ready:
                said.append(f"fail {lines[len(said)].split()[2]}: it did not end in {SECONDS_A_CASE} s")
            elif status != 3:  # 3: said what it had to say of the case that broke the device
                said.append(f"fail {lines[len(said)].split()[2]}: the runner ended with {status}")
    return said


def reason(said):
    return next(name for pattern, name in REASONS if re.search(pattern, said))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/bin"))
    parser.add_argument("--type", nargs="+", default=["fp16", "bf16"])
    parser.add_argument("--cases", type=pathlib.Path, help="a folder of folders with model.onnx, as ONNX's tests have them")
    parser.add_argument("--host", action="store_true", help="in host memory, by plan_node_tests")
    parser.add_argument("--show", action="store_true", help="every case that was refused, too")
    wishes = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        todo = cases_of_folder(wishes.cases) if wishes.cases else list(onnx_cases(claimed_operators(wishes.bin), pathlib.Path(scratch)).items())
        for kind in wishes.type:
            command = [wishes.bin / "plan_node_tests", "--plan", kind] if wishes.host else [wishes.bin / "gpu_node_tests", kind]
            said = answers(command, [line for _, line in todo])
            passed = [s for s in said if s.startswith("pass ")]
            refused = [s for s in said if s.startswith("refused ")]
            wrong = [(name, s.split(": ", 1)[-1]) for (name, _), s in zip(todo, said) if s.startswith("fail ")]
            failed += len(wrong)
            constants, rounded = (sum(word in s for s in passed) for word in (" constants", " of rounded inputs"))
            print(f"{kind}: {len(todo)} cases, {len(passed)} passed ({constants} with inputs made constants, {rounded} for rounded inputs), {len(refused)} refused, {len(wrong)} failed")
            errors = [float(m.group(1)) for s in passed if (m := re.search(r" error ([\d.e+-]+)", s))]
            if errors:
                print(f"  largest error of those that passed: {max(errors):.2f} of what is allowed")
            for why, count in collections.Counter(reason(s) for s in refused).most_common():
                print(f"  refused {count:4d}  {why}")
            for name, why in wrong:
                print(f"  FAILED {name}: {why}")
            if wishes.show:
                for s in sorted(refused, key=reason):
                    print(f"  {reason(s)}: {pathlib.Path(s.split(':')[0]).name}: {s.split(': ', 1)[-1]}")
            sys.stdout.flush()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
