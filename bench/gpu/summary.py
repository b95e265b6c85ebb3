"""summary: the rows of bench/gpu/run.sh as one table, and as OUT/gpu.json."""
import json
import pathlib
import re
import sys

out = pathlib.Path(sys.argv[1])
TIME = re.compile(r"batch\s+(\d+):\s+([\d.]+) us alone \(p10 ([\d.]+), p90 ([\d.]+)\),\s+([\d.]+) us in a row:\s+(\d+) img/s,\s+(\d+) TFLOP/s")
TORCH = re.compile(r"(slice: )?torch (\S+) batch (\d+): p50 ([\d.]+) us, (\d+) img/s")
SLICES = re.compile(r"slices: (\d+) of \d+ multiprocessors, (one copy of the|their own) weights, batch (\d+): (\d+) img/s in all, p50 ([\d.]+) us .*p99 ([\d.]+) us")
GREEN = re.compile(r"green: (\d+) of (\d+) multiprocessors, batch (\d+): (\d+) img/s in all, p50 ([\d.]+) us, p99 ([\d.]+) us")
GFLOP, WEIGHTS_MB, TFLOPS, GBS, SMS = 8.17, 47.0, 989.4, 3350.0, 132


def text(name):
    path = out / name
    return path.read_text() if path.exists() else ""


def roofline_us(batch, sms):
    """Whichever takes longer: the products at the data sheet's rate, or the weights from memory once."""
    return max(batch * GFLOP * 1e3 / (TFLOPS * sms / SMS), WEIGHTS_MB * 1e3 / GBS)


result = {"found": text("found.txt").splitlines(), "rows": []}
peers = {(bool(m[1]), int(m[3])): float(m[4]) for m in TORCH.finditer(text("torch.txt"))}
print(f"\n{'row':<34}{'p50 us':>9}{'p10..p90':>16}{'img/s':>9}{'PyTorch us':>12}{'roofline us':>13}")
for file, label, sms in (("whole.txt", "whole GPU", 132), ("slice.txt", "18 multiprocessors", 18)):
    for m in TIME.finditer(text(file)):
        batch = int(m[1])
        peer = peers.get((sms != 132, batch))
        row = {"slice": label, "batch": batch, "p50_us": float(m[2]), "p10_us": float(m[3]), "p90_us": float(m[4]),
               "img_s": int(m[6]), "tflops": int(m[7]), "torch_us": peer, "roofline_us": round(roofline_us(batch, sms), 1)}
        result["rows"].append(row)
        print(f"{label + ', batch ' + str(batch):<34}{row['p50_us']:>9.1f}{m[3] + '..' + m[4]:>16}{row['img_s']:>9}"
              f"{peer if peer else '-':>12}{row['roofline_us']:>13}")
result["slices"] = [{"slices": int(m[1]), "weights": "one copy" if m[2].startswith("one") else "own", "batch": int(m[3]), "img_s": int(m[4]), "p50_us": float(m[5]),
                     "p99_us": float(m[6])} for m in SLICES.finditer(text("serve.txt"))]
result["green"] = [{"slices": int(m[1]), "sms": int(m[2]), "batch": int(m[3]), "img_s": int(m[4]), "p50_us": float(m[5]), "p99_us": float(m[6])}
                   for m in GREEN.finditer(text("green.txt"))]
for kind, says in (("slices", lambda row: f"slices at once, weights: {row['weights']}"), ("green", lambda row: f"green contexts of {row['sms']} at once")):
    alone = next((row["p50_us"] for row in result[kind] if row["slices"] == 1 and row["batch"] == 1), None)
    for row in result[kind]:
        against = f", {row['p50_us'] / alone:.2f}x one alone" if alone and row["batch"] == 1 else ""
        print(f"{row['slices']} {says(row)}, batch {row['batch']}, copies included: {row['img_s']} img/s; p50 {row['p50_us']:.0f} us{against}")
(out / "gpu.json").write_text(json.dumps(result, indent=1))
