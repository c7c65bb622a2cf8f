"""Parameters, multiply-adds, time and memory of any network at any input.

python -m semanir.measure.networks count hat:x4 --input 3x128x128
python -m semanir.measure.networks time swinir:x4 hat:x4 semanir-s:x4:k=64 --input 3x64x64
python -m semanir.measure.networks memory semanir-u:rgb:k=128,window=16 --input 3x256x256

A network is NAME, NAME:VARIANT (of semanir/plan/models.yaml or baselines/models.yaml) or, for our own,
NAME:VARIANT:OPTION=VALUE,... with the options of semanir.build.
"""

import argparse
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from copy import deepcopy
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from semanir.arguments import positive, threads
from semanir.errors import InputError, one_line_errors
from semanir.files import check_writable
from semanir.measure import timing
from semanir.names import known_name
from semanir.network import Columnar, UShape, build
from semanir.plan import models
from semanir.plan.record import write_record

CONVENTION = "fvcore's convention, counted on meta tensors"


def network_of(name: str) -> nn.Module:
    """The network that NAME[:VARIANT[:OPTION=VALUE,...]] describes, with random weights.

    Raises InputError that names what is wrong, and what is valid.
    """
    model, _, rest = name.partition(":")
    variant, _, given = rest.partition(":")
    entry = models.get_model(model)
    if model not in models.trained_models():
        if given:
            raise InputError(f"{name}: only our own networks take options, {model} takes none")
        network = import_module("baselines.adapt").adapted(model, variant)
        return network.eval()
    if "=" in variant:
        variants = "|".join(entry["variants"])
        raise InputError(f"{name}: options follow a variant, as {model}:{variants}:{variant}")
    variant = known_name(variant or next(iter(entry["variants"])), entry["variants"], "variant")
    options = dict(option.partition("=")[::2] for option in filter(None, given.split(",")))
    values = {key: _value(text) for key, text in options.items()}
    return build(model, **{**entry["variants"][variant], **values}).eval()


def _value(text: str) -> int | bool | str:
    if re.fullmatch("-?[0-9]+", text):
        return int(text)
    return {"true": True, "false": False}.get(text.lower(), text)


def parse_input(text: str) -> tuple[int, int, int]:
    """ "3x128x128" -> (3, 128, 128); InputError otherwise."""
    sizes = re.fullmatch("([1-9][0-9]{0,8})x([1-9][0-9]{0,8})x([1-9][0-9]{0,8})", text)
    if not sizes:
        raise InputError(f"--input must be channels x height x width, as 3x128x128, got {text!r}")
    channels, height, width = map(int, sizes.groups())
    return channels, height, width


@contextmanager
def taking(name: str, network: nn.Module, shape: tuple[int, ...]) -> Iterator[None]:
    """Raise InputError for passes of a block whose input [C,H,W] is none that the network takes.

    Some fail, others spread a channel over three: what comes out has other channels than went in.
    """

    def look(module: nn.Module, inputs: Any, out: Tensor) -> None:
        if out.shape[1] != shape[0]:
            raise _ChannelsError(f"{out.shape[1]} channels come out")

    handle = network.register_forward_hook(look)
    try:
        yield
    except (RuntimeError, InputError) as error:
        handle.remove()
        valid = [c for c in (1, 3) if _passes(network, (c, *shape[1:]))]
        told = "x".join(map(str, shape))
        if shape[0] not in valid and valid:
            wanted = " or ".join(f"{c}xHxW" for c in valid)
            raise InputError(f"{name} takes --input {wanted}, not {told}") from None
        if not valid or "memory" in str(error):
            reason = str(error).partition("\n")[0]
            raise InputError(f"{name} does not take --input {told}: {reason}") from None
        raise
    finally:
        handle.remove()


class _ChannelsError(RuntimeError):
    pass


@torch.no_grad()
def _passes(network: nn.Module, shape: tuple[int, ...]) -> bool:
    try:
        out = deepcopy(network).to("meta")(torch.empty(1, *shape, device="meta"))
    except (RuntimeError, InputError):
        return False
    return bool(out.shape[1] == shape[0])


# --- what is measured --------------------------------------------------------------------------


def count(name: str, shape: tuple[int, ...], fvcore: bool = False) -> dict[str, Any]:
    """Parameters and multiply-adds of one image, under both conventions that Table 3 mixes."""
    from semanir.measure import flops

    with nullcontext() if fvcore else flops.weightless():
        network = network_of(name)
    found: dict[str, Any] = {"parameters": sum(p.numel() for p in network.parameters())}
    with taking(name, network, shape):
        if fvcore:
            found["multiply_adds_fvcore"] = flops.by_fvcore(network, (1, *shape))
        operators, found["multiply_adds_by_modules"] = flops.by_both(network, (1, *shape))
    return found | {"multiply_adds": sum(operators.values())}


def runtime(
    names: Sequence[str], shape: tuple[int, ...], seconds: float = 10, least: int = 5
) -> list[dict[str, Any]]:
    """Milliseconds of one forward pass of each network, all in turns in this process."""
    x = _image(shape)
    networks = {name: network_of(name).to(x.device) for name in names}
    with torch.inference_mode(), ExitStack() as checks:
        for name, network in networks.items():
            checks.enter_context(taking(name, network, shape))
        passes = {name: partial(network, x) for name, network in networks.items()}
        taken = timing.in_turns(passes, seconds, least)
    first = median(taken[names[0]])
    rows = []
    for name, times in taken.items():
        low, middle, high = quantiles(times, n=4, method="inclusive")
        row = {"network": name, "median_ms": middle, "quartiles_ms": [low, high]}
        rows.append(row | {"rounds": len(times), "ratio": middle / first})
    return rows


def memory(name: str, shape: tuple[int, ...]) -> int:
    """Peak bytes of one forward pass beyond weights and input."""
    x = _image(shape)
    network = network_of(name).to(x.device)
    peak = timing.peak_bytes_cuda if x.is_cuda else timing.peak_bytes
    with torch.inference_mode(), taking(name, network, shape):
        return peak(partial(network, x))


def _image(shape: tuple[int, ...]) -> Tensor:
    try:
        return torch.rand(1, *shape, device="cuda" if torch.cuda.is_available() else "cpu")
    except RuntimeError:  # of torch's allocators
        told = "x".join(map(str, shape))
        raise InputError(f"--input {told} does not fit into memory; take a smaller one") from None


# --- records -----------------------------------------------------------------------------------


def count_rows(model: str) -> list[dict[str, Any]]:
    """Rows (variant, metric, value) of every variant of a model of models.yaml, at full size."""
    from semanir.measure.flops import weightless

    entry = models.get_model(model)
    rows: list[dict[str, Any]] = []
    for variant in entry["variants"]:
        with weightless():
            network = network_of(f"{model}:{variant}")
        parameters = sum(parameter.numel() for parameter in network.parameters())
        rows.append({"variant": variant, "metric": "params", "value": parameters})
    if isinstance(network, Columnar | UShape):
        for part, stages in _stages(network).items():
            (layers,) = {len(stage.layers) for stage in stages}  # type: ignore[arg-type]
            rows.append({"variant": part, "metric": "stages", "value": len(stages)})
            rows.append({"variant": part, "metric": "layers_per_stage", "value": layers})
    for cell, given in entry.get("flops", {}).items():
        given = {"input": given} if isinstance(given, str) else given
        variant = given.get("variant") or models.variant_for(entry, cell)
        found = count(f"{model}:{variant}", parse_input(given["input"]))
        row = {"variant": cell, "metric": "FLOPs", "value": found["multiply_adds"]}
        rows.append(row | {"protocol": f"{CONVENTION}, {given['input']}, variant {variant}"})
        modules = {"metric": "FLOPs_by_modules", "value": found["multiply_adds_by_modules"]}
        rows.append({"variant": cell, **modules})
        if model in models.trained_models():
            rows += decomposition(model, variant, cell, parse_input(given["input"]))
    return rows


def decomposition(
    model: str, variant: str, cell: str, shape: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Multiply-adds of our network by window and k: attention, dictionaries, and all the rest."""
    from semanir.measure.flops import by_operator, weightless

    rows = []
    for window, k in ((32, 64), (32, 256), (32, 384), (32, 512), (64, 64)):
        with weightless():
            network = network_of(f"{model}:{variant}:window={window},k={k}")
        counted = by_operator(network, (1, *shape))
        parts = {"attention": counted["attend"], "dictionary": counted["most_similar"]}
        parts["rest"] = sum(counted.values()) - sum(parts.values())
        rows += [
            {"variant": f"{cell} W={window} k={k}", "metric": f"FLOPs_{part}", "value": value}
            for part, value in parts.items()
        ]
    return rows


def _stages(network: nn.Module) -> dict[str, list[nn.Module]]:
    if isinstance(network, Columnar):
        return {"": list(network.stages)}
    assert isinstance(network, UShape)
    return {
        "down": list(network.down.values()),
        "up": list(network.up.values()),
        "final": [network.final],
    }


def compare(scale: str) -> list[dict[str, Any]]:
    """Runtime of the networks of Table 3 beside each other, at the inputs of a scale."""
    rows = []
    for group, given in models.get_scale(scale)["runtime"].items():
        names = [name for name in given["networks"] if _allowed(name)]
        shape = parse_input(given["input"])
        for row in runtime(names, shape, seconds=0, least=given["rounds"]):
            rows.append({"group": group, "input": given["input"], **row})
    return rows


def _allowed(name: str) -> bool:
    try:
        models.check_licence(name.partition(":")[0])
    except InputError as error:
        print(f"left out: {error}")
        return False
    return True


# --- command line ------------------------------------------------------------------------------


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m semanir.measure.networks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (
        ("count", "parameters and multiply-adds, on meta tensors in seconds"),
        ("time", "milliseconds of a forward pass, networks in turns"),
        ("memory", "peak bytes of a forward pass"),
    ):
        command = commands.add_parser(name, help=told)
        command.add_argument("network", nargs="+", metavar="NAME[:VARIANT[:OPTION=VALUE,...]]")
        command.add_argument("--input", required=True, help="channels x height x width: 3x128x128")
        command.add_argument("--json", action="store_true", help="print one JSON object a network")
        if name == "count":
            command.add_argument(
                "--fvcore",
                action="store_true",
                help="by fvcore as well, which computes the pass, by the back end of this machine",
            )
        else:
            command.add_argument("--threads", type=threads, default=2, help="default 2")
        if name == "time":
            command.add_argument("--seconds", type=positive, default=10, help="in all; default 10")
    command = commands.add_parser("record", help="counts of models, for the tables")
    command.add_argument(
        "record",
        nargs="+",
        type=Path,
        metavar="results/SCALE/cost/MODEL/count.json",
        help="files to write; a MODEL is an entry of a models.yaml",
    )
    command.add_argument("--threads", type=threads, default=2, help="default 2")
    command = commands.add_parser("compare", help="Table 3: writes a record below results/")
    command.add_argument("--scale", default="smoke", help="where the record goes")
    command.add_argument("--threads", type=threads, default=2, help="default 2")
    args = parser.parse_args(argv)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler announces itself otherwise
    torch.set_num_threads(getattr(args, "threads", 2))
    if args.command == "record":
        record(args.record)
        return
    if args.command == "compare":
        record_runtime(args.scale)
        return
    shape = parse_input(args.input)
    if args.command == "count":
        found = [{"network": n, **count(n, shape, args.fvcore)} for n in args.network]
    elif args.command == "time":
        found = runtime(args.network, shape, args.seconds)
    else:
        found = [{"network": n, "peak_bytes": memory(n, shape)} for n in args.network]
    for row in found:
        print(json.dumps(row) if args.json else _text(row))


def record(paths: Sequence[Path]) -> None:
    """Count the model that each path names, results/<scale>/cost/<model>/count.json."""
    wanted = []
    for path in paths:
        parts = path.parts[-5:]
        if len(parts) != 5 or (parts[0], parts[2], parts[4]) != ("results", "cost", "count.json"):
            raise InputError(f"{path} is no results/SCALE/cost/MODEL/count.json")
        scale, model = parts[1], parts[3]
        models.get_scale(scale)
        models.get_model(model)
        check_writable(path)
        wanted.append((path, scale, model))
    for path, scale, model in tqdm(wanted, unit="model", delay=10):
        identity = {"scale": scale, "model": model}
        write_record(path, "count", identity, "count", rows=count_rows(model))


def record_runtime(scale: str) -> None:
    """Time the networks of Table 3 in turns and write the record."""
    models.get_scale(scale)
    path = Path(f"results/{scale}/cost/runtime.json")
    check_writable(path)
    identity = {"scale": scale, "model": "runtime"}
    write_record(path, "runtime", identity, "runtime", rows=compare(scale))
    print(f"measured, {path}")


def _text(row: dict[str, Any]) -> str:
    if "median_ms" in row:
        low, high = row["quartiles_ms"]
        return (
            f"{row['network']:40} {row['median_ms']:9.1f} ms ({low:.1f} to {high:.1f}, "
            f"{row['rounds']} rounds), {row['ratio']:.2f} of the first"
        )
    if "peak_bytes" in row:
        return f"{row['network']:40} {row['peak_bytes'] / 2**20:9.1f} MiB at the peak"
    names = {
        "multiply_adds": f"G multiply-adds ({CONVENTION})",
        "multiply_adds_fvcore": "G multiply-adds (fvcore itself)",
        "multiply_adds_by_modules": "G multiply-adds (by modules, as ptflops)",
    }
    lines = [f"{row['network']:40} {row['parameters'] / 1e6:9.3f} M parameters"]
    lines += [f"{'':40} {row[key] / 1e9:9.3f} {told}" for key, told in names.items() if key in row]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
