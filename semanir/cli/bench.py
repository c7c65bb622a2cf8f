"""Time the attention back ends on this machine, beside dense window attention.

semanir bench
semanir bench --device cuda --json
semanir bench --growth --megapixels 1,4,16

With --growth: how time and memory of restoring grow with the picture, and a layer's time with its
window, k, heads and channels.
"""

# torch is imported where it is used: help answers at once
import argparse
import json
from pathlib import Path
from typing import Any

from semanir import paths
from semanir.arguments import positive, positives
from semanir.cli import options
from semanir.cli.measure import quiet_profiler
from semanir.errors import InputError
from semanir.files import check_writable
from semanir.plan.models import get_scale
from semanir.plan.record import origin, write_record


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
    command.add_argument("--growth", action="store_true", help="how cost grows, instead")
    command.add_argument(
        "--megapixels", type=positives, help="growth: sizes of pictures (1,4,16,64)", metavar="A,B"
    )
    command.add_argument(
        "--network", help="growth: shipped weights, or a network with random ones (semanir-u-tiny)"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument(
        "--scale", help="write results/SCALE/cost/attention/{bench,growth}.json as well"
    )


def run_bench(args: argparse.Namespace) -> None:
    """Print what was measured, as a table or JSON, and write its record where a scale is given."""
    kind = "growth" if args.growth else "bench"
    path = Path(paths.ATTENTION.format(scale=args.scale, evidence=kind))
    of_growth = {"megapixels": args.megapixels, "network": args.network}
    given = {name: value for name, value in of_growth.items() if value is not None}
    if given and not args.growth:
        raise InputError(f"--{next(iter(given))} belongs to --growth; give both or neither")
    if args.scale:
        get_scale(args.scale)
        check_writable(path)
    import torch

    from semanir.measure import bench, growth

    if args.device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch finds no GPU here; leave it out")
    quiet_profiler()
    torch.set_num_threads(args.threads)
    made_of = origin("speed")
    if args.growth:
        measured = growth.growth(seconds=args.seconds, device=args.device, **given)
    else:
        measured = bench.bench(args.seconds, args.device)
    if args.scale:
        identity = {"scale": args.scale, "model": "attention"}
        write_record(path, kind, identity, made_of, **measured)
    as_text = text_of_growth if args.growth else text
    print(json.dumps(measured, indent=1) if args.json else as_text(measured))


def text(measured: dict[str, Any]) -> str:
    """The measurements as people read them; ratios above 1 mean faster than dense."""
    names = measured["backends"]
    lines = [
        f"{measured['tokens']} tokens, float32, {_place(measured)}; "
        f"median ms (times faster than dense window attention; share of the machine's peak)",
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


def _place(measured: dict[str, Any]) -> str:
    on_cpu = f"{measured['threads']} threads, {measured['instructions']}"
    return on_cpu if measured["device"] == "cpu" else str(measured["device"])


def text_of_growth(measured: dict[str, Any]) -> str:
    """The growth as people read it; ratios to the first line of each part."""
    lines = [
        f"restored by {measured['network']} in tiles of {measured['tile']} pixels, "
        f"{_place(measured)}; of 1 megapixel, and memory beside the picture, against the first",
    ]
    for row in measured["pictures"]:
        held = "" if row["bytes"] is None else f"{row['bytes'] / 2**20:9.0f} MiB"
        ratio = "" if row["memory_ratio"] is None else f" ({row['memory_ratio']:.2f})"
        lines.append(
            f"{row['megapixels']:9.2f} MP {row['seconds']:9.2f} s ({row['time_ratio']:.2f})"
            f"{held}{ratio}"
        )
    first: dict[str, dict[str, Any]] = {}
    for row in measured["layers"]:
        if row["sweep"] not in first:
            lines += ["", f"{row['sweep']}: ms (time; multiply-adds, against the first)"]
        start = first.setdefault(row["sweep"], row)
        cells = (
            f"{form} {time:8.2f} ({time / start['milliseconds'][form]:5.2f}; "
            f"{row['multiply_adds'][form] / start['multiply_adds'][form]:5.2f})"
            for form, time in row["milliseconds"].items()
        )
        sizes = " ".join(f"{name}={row[name]}" for name in ("M", "k", "h", "C"))
        lines.append(f"{sizes:24}" + "   ".join(cells))
    return "\n".join(lines)
