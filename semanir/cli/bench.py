"""Time the attention back ends on this machine, beside dense window attention.

semanir bench
semanir bench --device cuda --json
"""

# torch is imported where it is used: help answers at once
import argparse
import json
from pathlib import Path
from typing import Any

from semanir import paths
from semanir.arguments import positive
from semanir.cli import options
from semanir.cli.measure import quiet_profiler
from semanir.errors import InputError
from semanir.files import check_writable
from semanir.plan.models import get_scale
from semanir.plan.record import write_record


def add(commands: Any) -> None:
    """The arguments of `semanir bench`."""
    command = options.verb(
        commands,
        "bench",
        run_bench,
        "time the attention back ends here",
        __doc__,
        options.cpu_threads(2),
    )
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default cpu")
    command.add_argument(
        "--seconds", type=positive, default=4, help="a comparison (default 4, 1.5 min in all)"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument("--scale", help="write results/SCALE/cost/attention/bench.json as well")


def run_bench(args: argparse.Namespace) -> None:
    """Print how fast each back end is beside dense window attention, as a table or JSON."""
    path = Path(paths.ATTENTION.format(scale=args.scale, evidence="bench"))
    if args.scale:
        get_scale(args.scale)
        check_writable(path)
    import torch

    from semanir.measure.bench import bench

    if args.device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch finds no GPU here; leave it out")
    quiet_profiler()
    torch.set_num_threads(args.threads)
    measured = bench(args.seconds, args.device)
    if args.scale:
        identity = {"scale": args.scale, "model": "attention"}
        write_record(path, "bench", identity, "attention", **measured)
    print(json.dumps(measured, indent=1) if args.json else text(measured))


def text(measured: dict[str, Any]) -> str:
    """The measurements as people read them; ratios above 1 mean faster than dense."""
    names = measured["backends"]
    where = measured["device"]
    where = (
        where if where != "cpu" else f"{measured['threads']} threads, {measured['instructions']}"
    )
    lines = [
        f"{measured['tokens']} tokens, float32, {where}; median ms (times faster than dense window "
        f"attention; share of the machine's peak)",
    ]
    for title, key in (("random tokens", "layers"), ("tokens of a stage", "stage_layers")):
        lines += ["", *_rows(title, measured[key])]
    dictionary, stage, memory = measured["dictionary"], measured["stage"], measured["memory"]
    made, peer = dictionary["build_dictionary"], dictionary["product_and_topk"]
    lines += [
        "",
        f"dictionary, N=1024 k=256: {made:.1f} ms, product and topk {peer:.1f} "
        f"({peer / made:.2f}x)",
        f"stage of 6 layers, N=1024 k=256: {stage['sparse']:.1f} ms, "
        f"6 dense layers {stage['dense']:.1f} "
        f"({stage['dense'] / stage['sparse']:.2f}x)",
        *(
            f"{name} against mask, N=1024, forward: "
            + ", ".join(
                f"k={row['K']} {row['mask'] / row[name]:.2f}x" for row in measured["switch"]
            )
            for name in names
            if name in measured["switch"][0] and name != "mask"
        ),
        "peak memory, one window of N=4096, k=128, forward: "
        + ", ".join(f"{name} {size / 2**20:.1f} MiB" for name, size in memory["peak"].items()),
        "error against float64, relative: "
        + ", ".join(f"{name} {value:.1e}" for name, value in measured["errors"].items()),
    ]
    return "\n".join(lines)


def _rows(title: str, layers: list[dict[str, Any]]) -> list[str]:
    names = list(layers[0]["forward"])
    first = f"{title}, {layers[0]['heads']} heads of {layers[0]['width']}"
    lines = [f"{first:36}" + "".join(f"{name:>22}" for name in names)]
    for what, called in (("forward", "forward"), ("forward_backward", "with backward")):
        for row in layers:
            times, shares = row[what], row["share"][what]
            cells = (
                f"{times[name]:.1f} ({times['dense'] / times[name]:.2f}x; {shares[name]:.0%})"
                for name in names
            )
            label = f"N={row['N']:<5} k={row['K']:<5} {called}"
            lines.append(f"{label:36}" + "".join(f"{cell:>22}" for cell in cells))
    return lines
