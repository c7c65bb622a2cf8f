"""Measure the attention back ends on this machine: `python -m semanir.measure.attention bench --help`."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from semanir.arguments import positive, threads
from semanir.errors import InputError, one_line_errors
from semanir.files import check_writable
from semanir.measure import evidence
from semanir.measure.bench import BACKENDS, bench
from semanir.plan.models import get_scale
from semanir.plan.record import write_record


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m semanir.measure.attention", description=__doc__
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "bench", help="time, memory and error of the back ends beside dense window attention"
    )
    command.add_argument("--threads", type=threads, default=2, help="default 2")
    command.add_argument("--device", choices=BACKENDS, default="cpu")
    command.add_argument(
        "--seconds",
        type=positive,
        default=4,
        help="for each comparison; default 4, about 1 min in all",
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument("--scale", help="write results/SCALE/cost/attention/bench.json as well")
    for name, told in (
        ("memory", "peak memory of one layer over N and k, for Table 1"),
        ("complexity", "counted multiply-adds of the three attention forms, for Table 12"),
    ):
        command = commands.add_parser(name, help=told)
        command.add_argument("--scale", default="smoke", help="where the record goes")
        if name == "memory":
            command.add_argument(
                "--device", choices=BACKENDS, help="default: a GPU if there is one"
            )
    args = parser.parse_args(argv)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler announces itself otherwise
    if getattr(args, "device", None) == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch finds no GPU here; leave it out")
    if args.scale:
        get_scale(args.scale)
        check_writable(Path(f"results/{args.scale}/cost/attention/{args.command}.json"))
    if args.command == "bench":
        run_bench(args)
    else:
        record(args)


def run_bench(args: argparse.Namespace) -> None:
    """Print how fast each back end is beside dense window attention, as a table or JSON."""
    torch.set_num_threads(args.threads)
    found = bench(args.seconds, args.device)
    if args.scale:
        identity = {"scale": args.scale, "model": "attention"}
        path = Path(f"results/{args.scale}/cost/attention/bench.json")
        write_record(path, "bench", identity, "attention", **found)
    print(json.dumps(found, indent=1) if args.json else text(found))


def record(args: argparse.Namespace) -> None:
    """Write what Tables 1 and 12 are rendered from."""
    body: dict[str, Any] = {}
    torch.set_num_threads(1)  # every thread of a compiled kernel has scratch memory of its own
    if args.command == "memory":
        device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
        body = {"device": device, "rows": evidence.memory(device)}
    else:
        body = {"rows": evidence.complexity()}
    path = Path(f"results/{args.scale}/cost/attention/{args.command}.json")
    identity = {"scale": args.scale, "model": "attention"}
    write_record(path, args.command, identity, "attention", **body)
    print(f"{len(body['rows'])} rows, {path}")


def text(found: dict[str, Any]) -> str:
    """The measurements as people read them; ratios above 1 mean faster than dense."""
    names = found["backends"]
    where = found["device"]
    where = where if where != "cpu" else f"{found['threads']} threads, {found['instructions']}"
    lines = [
        f"{found['tokens']} tokens, 6 heads of 30, float32, {where}; median ms (times faster than "
        f"dense window attention)",
        "",
        " " * 22 + "".join(f"{name:>18}" for name in names) + f"{'dense':>10}",
    ]
    for what, title in (("forward", "forward"), ("forward_backward", "forward + backward")):
        for row in found["layers"]:
            times = row[what]
            told = {
                name: f"{times[name]:.1f} ({times['dense'] / times[name]:.2f}x)" for name in times
            }
            cells = "".join(f"{told[name]:>18}" for name in names)
            lines.append(
                f"N={row['N']:<5} k={row['K']:<5} {title[:9]:9}{cells}{times['dense']:>10.1f}"
            )
        lines.append("")
    found_dictionary, stage, memory = found["dictionary"], found["stage"], found["memory"]
    made, peer = found_dictionary["build_dictionary"], found_dictionary["product_and_topk"]
    lines += [
        f"dictionary, N=1024 k=256: {made:.1f} ms, product and topk {peer:.1f} "
        f"({peer / made:.2f}x)",
        f"stage of 6 layers, N=1024 k=256: {stage['sparse']:.1f} ms, "
        f"6 dense layers {stage['dense']:.1f} "
        f"({stage['dense'] / stage['sparse']:.2f}x)",
        *(
            f"{name} against mask, N=1024, forward: "
            + ", ".join(f"k={row['K']} {row['mask'] / row[name]:.2f}x" for row in found["switch"])
            for name in names
            if name in found["switch"][0] and name != "mask"
        ),
        "peak memory, one window of N=4096, k=128, forward: "
        + ", ".join(f"{name} {size / 2**20:.1f} MiB" for name, size in memory["peak"].items()),
        "error against float64, relative: "
        + ", ".join(f"{name} {value:.1e}" for name, value in found["errors"].items()),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
