"""Count, time and weigh networks, ours and others'.

  semanir measure count hat:x4 semanir-s:x4:k=256 --input 3x128x128
  semanir measure time swinir:x4 semanir-s:x4:k=64 --input 3x64x64
  semanir measure memory semanir-u:rgb:k=128,window=16 --input 3x256x256

A network is NAME, NAME:VARIANT (of semanir/plan/models.yaml or baselines/models.yaml) or, for our
own, NAME:VARIANT:OPTION=VALUE,... with the options of semanir.build. Weights are random.
"""

# torch is imported where it is used: help answers at once
import argparse
import json
import os
from pathlib import Path, PurePath
from typing import Any

from semanir import paths
from semanir.arguments import positive
from semanir.cli import options
from semanir.errors import InputError
from semanir.files import check_writable
from semanir.plan.models import get_model, get_scale
from semanir.plan.record import origin, write_record


def add(commands: Any) -> None:
    """The arguments of `semanir measure`."""
    command = commands.add_parser(
        "measure",
        help="parameters, multiply-adds, time and memory of networks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = command.add_subparsers(dest="kind", metavar="WHAT", required=True)
    threads, noncommercial, scale = options.cpu_threads(2), options.noncommercial(), options.scale()

    networks = argparse.ArgumentParser(add_help=False)
    networks.add_argument("network", nargs="+", metavar="NAME[:VARIANT[:OPTION=VALUE,...]]")
    networks.add_argument("--input", required=True, help="channels x height x width: 3x128x128")
    networks.add_argument("--json", action="store_true", help="print one JSON object a network")

    summary = "parameters and multiply-adds, on meta tensors in seconds"
    count = options.verb(kinds, "count", run_count, summary, summary, networks, noncommercial)
    count.add_argument(
        "--fvcore",
        action="store_true",
        help="by fvcore as well, which computes the pass, by the back end of this machine",
    )
    summary = "milliseconds of a forward pass, networks in turns"
    time = options.verb(kinds, "time", run_time, summary, summary, networks, threads, noncommercial)
    time.add_argument("--seconds", type=positive, default=10, help="in all (default 10)")
    summary = "peak bytes of a forward pass"
    options.verb(kinds, "memory", run_memory, summary, summary, networks, threads, noncommercial)

    summary = "counts of models, for the tables"
    record = options.verb(kinds, "record", run_record, summary, summary, noncommercial)
    record.add_argument(
        "record",
        nargs="+",
        type=Path,
        metavar=paths.COUNT.format(scale="SCALE", model="MODEL"),
        help="files to write; a MODEL is an entry of a models.yaml",
    )
    summary = "Table 3: times of a scale's networks, in turns; writes a record below results/"
    options.verb(kinds, "runtime", run_runtime, summary, summary, scale, threads, noncommercial)
    summary = "Tables 1 and 12: memory and multiply-adds of attention; writes a record"
    attention = options.verb(kinds, "attention", run_attention, summary, summary, scale)
    attention.add_argument(
        "evidence",
        choices=("memory", "complexity"),
        help="memory of one layer over N and k (Table 1), multiply-adds of three forms (Table 12)",
    )
    attention.add_argument(
        "--device", choices=("cpu", "cuda"), help="of memory (default: a GPU if there is one)"
    )


def run_count(args: argparse.Namespace) -> None:
    """Print parameters and multiply-adds of networks."""
    from semanir.measure.counts import count
    from semanir.measure.inputs import parse_input

    shape = parse_input(args.input)
    quiet_profiler()
    for name in args.network:
        counted = count(name, shape, args.fvcore, args.accept_noncommercial)
        show(args, name, counted, _count_text(counted))


def run_time(args: argparse.Namespace) -> None:
    """Print the times of networks, measured in turns."""
    import torch

    from semanir.measure.inputs import parse_input
    from semanir.measure.runtime import runtime

    torch.set_num_threads(args.threads)
    shape = parse_input(args.input)
    rows = runtime(args.network, shape, args.seconds, noncommercial=args.accept_noncommercial)
    for row in rows:
        low, high = row["quartiles_ms"]
        text = (
            f"{row['median_ms']:9.1f} ms ({low:.1f} to {high:.1f}, {row['rounds']} rounds), "
            f"{row['ratio']:.2f} of the first"
        )
        show(args, row["network"], row, text)


def run_memory(args: argparse.Namespace) -> None:
    """Print the peak memory of networks."""
    import torch

    from semanir.measure.inputs import parse_input
    from semanir.measure.runtime import memory

    torch.set_num_threads(args.threads)
    quiet_profiler()
    shape = parse_input(args.input)
    for name in args.network:
        peak = memory(name, shape, args.accept_noncommercial)
        show(args, name, {"peak_bytes": peak}, f"{peak / 2**20:9.1f} MiB at the peak")


def show(args: argparse.Namespace, name: str, row: dict[str, Any], text: str) -> None:
    """Print what was measured of one network, for people or as JSON."""
    print(json.dumps({"network": name, **row}) if args.json else f"{name:40} {text}")


def _count_text(row: dict[str, Any]) -> str:
    from semanir.measure.counts import CONVENTION

    kinds = {
        "multiply_adds": f"G multiply-adds ({CONVENTION})",
        "multiply_adds_fvcore": "G multiply-adds (fvcore itself)",
        "multiply_adds_by_modules": "G multiply-adds (by modules, as ptflops)",
    }
    lines = [f"{row['parameters'] / 1e6:9.3f} M parameters"]
    lines += [f"{'':40} {row[key] / 1e9:9.3f} {kind}" for key, kind in kinds.items() if key in row]
    return "\n".join(lines)


def quiet_profiler() -> None:
    """torch's profiler announces itself otherwise."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")


# --- records -----------------------------------------------------------------------------------


def run_record(args: argparse.Namespace) -> None:
    """Count the model that each path names, and write the record."""
    wanted = [(path, *scale_and_model(path)) for path in args.record]
    check_writable(*args.record)

    from tqdm import tqdm

    from semanir.measure.counts import count_rows

    quiet_profiler()
    made_of = origin("count")
    for path, scale, model in tqdm(wanted, unit="model", delay=10):
        rows = count_rows(model, args.accept_noncommercial)
        write_record(path, "count", {"scale": scale, "model": model}, made_of, rows=rows)


def scale_and_model(path: Path) -> tuple[str, str]:
    """What a path like results/SCALE/cost/MODEL/count.json says; InputError for any other."""
    template = PurePath(paths.COUNT).parts
    parts = path.parts[-len(template) :]
    fields = dict(zip(template, parts, strict=False))
    scale, model = fields.get("{scale}", ""), fields.get("{model}", "")
    if paths.COUNT.format(scale=scale, model=model) != "/".join(parts):
        raise InputError(f"{path} is no {paths.COUNT.format(scale='SCALE', model='MODEL')}")
    get_scale(scale)
    get_model(model)
    return scale, model


def run_runtime(args: argparse.Namespace) -> None:
    """Time the networks of Table 3 in turns and write the record."""
    groups = get_scale(args.scale)["runtime"]
    path = Path(paths.RUNTIME.format(scale=args.scale))
    check_writable(path)

    import torch

    from semanir.measure.runtime import compare

    torch.set_num_threads(args.threads)
    made_of = origin("runtime")
    rows = compare(groups, args.accept_noncommercial)
    identity = {"scale": args.scale, "model": "runtime"}
    write_record(path, "runtime", identity, made_of, rows=rows)
    print(f"measured, {path}")


def run_attention(args: argparse.Namespace) -> None:
    """Write what Tables 1 and 12 are rendered from."""
    get_scale(args.scale)
    path = Path(paths.ATTENTION.format(scale=args.scale, evidence=args.evidence))
    check_writable(path)

    import torch

    from semanir.measure import evidence

    quiet_profiler()
    gpu = torch.cuda.is_available()
    if args.device == "cuda" and not gpu:
        raise InputError("--device cuda: torch finds no GPU here; leave it out")
    torch.set_num_threads(1)  # every thread of a compiled kernel has scratch memory of its own
    made_of = origin("attention")
    body: dict[str, Any]
    if args.evidence == "memory":
        device = args.device or ("cuda" if gpu else "cpu")
        body = {"device": device, "rows": evidence.memory(device)}
    else:
        body = {"rows": evidence.complexity()}
    identity = {"scale": args.scale, "model": "attention"}
    write_record(path, args.evidence, identity, made_of, **body)
    print(f"{len(body['rows'])} rows, {path}")
