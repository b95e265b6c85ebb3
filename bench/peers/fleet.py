"""fleet.py --peers DIR --bin DIR --perf-client FILE [--suite null|real|slow|all] [--generator perf_client|corolla] [--rounds N]
[--json FILE] [--write FILE.md]: Corolla beside tritonserver and Envoy, in one run.

null  models that compute nothing on both sides: what is measured is everything but the model
real  the shipped int8 flower model on two cores: tritonserver has no ONNX backend in its wheel, so it runs OpenVINO in the
      Python backend, one thread pinned to one core a server, as Corolla's workers are
slow  workers of known speed, which sleep instead of computing, one of them 1.5x slower, Poisson arrivals at load 0.7: Envoy's round
      robin before fleets of one worker each, against one fleet of all (open loop, always `corolla perf`). Two workers, then seven, as a
      GPU has slices; those of our fleet stand on the tests' fake GPU, since this machine may have fewer cores

One generator loads each system in turn, A B A B ..., on the same cores. A row a case: the median of each side, their ratio and its spread over
the rounds, and the CPU time that the server side took for one request. --write puts the table into a Markdown file, between
`<!-- peers SUITE -->` and `<!-- end -->`.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import sys
import tempfile

import repositories
from generators import CorollaPerf, PerfClient, measure
from repositories import folder_in
from systems import Balanced, Corolla, Triton

ROOT = pathlib.Path(__file__).resolve().parents[2]
FAST_US, SLOW_US, LOAD = 10000, 15000, 0.7


class Case:
    def __init__(self, name, against, model, protocol, load, peer, ours):
        self.name, self.against, self.model, self.protocol, self.load = name, against, model, protocol, load
        self.peer, self.ours = peer, ours


def at(outstanding):
    return ["--concurrency-range", str(outstanding)]


def null_cases(options, root):
    theirs, mine = repositories.null(folder_in(root, "null_triton"), "null"), repositories.null(folder_in(root, "null_corolla"))
    fleet = Corolla(options.bin, ["--models", mine, "--engine", "null", "--slices", "2"])
    balanced, alone = Triton(options.peers, [theirs, theirs]), Triton(options.peers, [theirs])
    rows = [("602 KB", "cflower", 8, "Envoy", balanced), ("602 KB", "cflower", 16, "Envoy", balanced), ("150 KB", "cflower_u8", 16, "alone", alone),
            ("16 B", "ctiny", 16, "alone", alone), ("602 KB", "cflower", 1, "alone", alone)]
    return [Case(f"{size}, {label}, {n} outstanding", against, model, protocol, at(n), peer, fleet)
            for size, model, n, against, peer in rows for protocol, label in (("http", "HTTP"), ("grpc", "gRPC"))]


def real_cases(options, root):
    shipped = ROOT / "models" / "flower"
    theirs = [repositories.flower(folder_in(root, f"flower_triton{core}"), shipped, core) for core in (0, 1)]
    mine = repositories.flower(folder_in(root, "flower_corolla"), shipped)
    peer, fleet = Triton(options.peers, theirs), Corolla(options.bin, ["--models", mine, "--slices", "cores:2x1"])
    return [Case(f"flower int8, {label}, {n} outstanding", "Envoy", "flower", protocol, at(n), peer, fleet)
            for n in (2, 8) for protocol, label in (("http", "HTTP"), ("grpc", "gRPC"))]


def slow_cases(options, root):
    os.environ["PATH"] = f"{ROOT / 'tests' / 'fakes' / 'mps'}:{os.environ['PATH']}"
    os.environ["LD_LIBRARY_PATH"] = str(options.bin.resolve().parent / "fakes" / "cuda")
    os.environ["XDG_RUNTIME_DIR"] = str(folder_in(root, "run"))
    os.environ.pop("COROLLA_FAKE_CUDA", None)
    fast, slow = ([["--models", repositories.delayed(folder_in(root, f"delayed{us}"), us), "--engine", "null", "--slices", "1"] for us in (FAST_US, SLOW_US)])
    models, cases = repositories.delayed(folder_in(root, "delayed"), 0), []
    for workers in (2, 7):
        rate = LOAD * ((workers - 1) * 1e6 / FAST_US + 1e6 / SLOW_US)
        config = root / f"slow{workers}.yaml"
        config.write_text(f"models_dir: {models}\nslices:\n" + "".join(
            f"- {{mps: 14x{count}, engine: {{name: 'null', options: {{delay_us: '{us}'}}}}}}\n" for us, count in ((FAST_US, workers - 1), (SLOW_US, 1))))
        load = ["--request-rate-range", f"{rate:.1f}", "--request-distribution", "poisson"]
        cases += [Case(f"one of {workers} workers 1.5x slow, {label}, Poisson {rate:.0f}/s", "Envoy", "delayed", protocol, load,
                       Balanced(options.peers, options.bin, [fast] * (workers - 1) + [slow]), Corolla(options.bin, ["-f", config]))
                  for protocol, label in (("http", "HTTP"), ("grpc", "gRPC"))]
    return cases


SUITES = {"null": null_cases, "real": real_cases, "slow": slow_cases}
HEAD = ("| case | against | peer, req/s | Corolla, req/s | ratio | p50 µs, peer / ours | p99 µs, peer / ours | server CPU a request µs, peer / ours |\n"
        "|---|---|---|---|---|---|---|---|\n")


def run_case(case, generator, options):
    got = {"peer": [], "ours": []}
    for _ in range(options.rounds):
        for side in got:
            row, problem = measure(generator, getattr(case, side), case.model, case.protocol, case.load, options.window_ms)
            if row:
                got[side].append(row)
            else:
                print(f"  {case.name}, {side}: no figure: {problem}", file=sys.stderr)
    if not got["peer"] or not got["ours"]:
        return None
    middle = {side: {key: statistics.median(row[key] for row in rows) for key in rows[0]} for side, rows in got.items()}
    spread = {key: sorted(a[key] / b[key] for a, b in zip(got["ours"], got["peer"])) for key in ("rate", "p99")}
    return {"case": case.name, "against": case.against, **middle, "ratios": spread}


def markdown(row):
    peer, ours, ratios = row["peer"], row["ours"], row["ratios"]["rate"]
    return (f"| {row['case']} | {row['against']} | {peer['rate']:,.0f} | {ours['rate']:,.0f} | {ours['rate'] / peer['rate']:.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f}) | "
            f"{peer['p50']:,.0f} / {ours['p50']:,.0f} | {peer['p99']:,.0f} / {ours['p99']:,.0f} | {peer['cpu']:,.0f} / {ours['cpu']:,.0f} |\n")


def write_table(path, suite, rows):
    text = path.read_text()
    put, count = re.subn(rf"(<!-- peers {suite} -->\n).*?(<!-- end -->)", lambda m: m[1] + HEAD + "".join(map(markdown, rows)) + m[2], text, flags=re.S)
    if count != 1:
        sys.exit(f"{path} has no lines '<!-- peers {suite} -->' and '<!-- end -->' to write the table between")
    path.write_text(put)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=pathlib.Path, required=True)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--perf-client", type=pathlib.Path, required=True)
    parser.add_argument("--suite", choices=[*SUITES, "all"], default="all")
    parser.add_argument("--generator", choices=["perf_client", "corolla"], default="perf_client")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window-ms", type=int, default=1000)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path)
    options = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        for suite, cases in SUITES.items():
            if options.suite not in (suite, "all"):
                continue
            own = CorollaPerf(options.bin)
            generator = own if suite == "slow" or options.generator == "corolla" else PerfClient(options.perf_client)
            print(f"{suite}, loaded by {generator.name}\n{HEAD}", end="", flush=True)
            results[suite] = []
            for case in cases(options, pathlib.Path(folder)):
                if options.only in case.name:
                    row = run_case(case, generator, options)
                    if row:
                        print(markdown(row), end="", flush=True)
                        results[suite].append(row)
            if options.write and results[suite]:
                write_table(options.write, suite, results[suite])
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
