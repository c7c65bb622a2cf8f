"""The weights that come with the package, and which of them a task and its level mean."""

import json
import os
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from data_prep.tasks import BLIND, families, task_names
from semanir.errors import InputError
from semanir.files import visible
from semanir.names import known_name
from semanir.paths import ROOT, SHIPPED

WEIGHTS = (ROOT / SHIPPED).parent

# --task as people say it: its families in tasks.yaml, the option that tells the level, level name
TASKS = {
    "denoise": (("denoise_gray", "denoise_color"), "sigma", "sigma{}"),
    "sr": (("sr",), "scale", "x{}"),
    "jpeg": (("jpeg_gray", "jpeg_color"), "qf", "qf{}"),
    "demosaick": (("demosaick",), None, ""),
    "deblur": (("deblur",), None, ""),
    "weather": (("weather",), None, ""),
}
LEVEL_OPTIONS = ("sigma", "scale", "qf")


def tasks_of(
    task: str, levels: Mapping[str, str | int | None], *, any_level: bool = False
) -> list[str]:
    """Names of tasks.yaml that --task and its level mean, grey and colour; the blind ones last.

    task: of TASKS, or as tasks.yaml has it, with or without its level. levels: value of each of
    LEVEL_OPTIONS, None where it was not given; then blind networks are meant, or with `any_level`
    all. InputError names what is missing, unknown or does not belong to the task.
    """
    if task in task_names():
        option, names = None, [task]
    else:
        kinds = TASKS | {
            family: ((family,), option, level_name)
            for groups, option, level_name in TASKS.values()
            for family in groups
        }
        groups, option, level_name = kinds[known_name(task, kinds, "task")]
        known = [name for name in task_names() if name.rpartition("-")[0] in groups]
        level = levels[option] if option else None
        names = (
            known if any_level and level is None else _at_level(known, option, level_name, level)
        )
    for other in LEVEL_OPTIONS:
        if levels[other] is not None and other != option:
            owner = next(name for name, entry in TASKS.items() if entry[1] == other)
            raise InputError(f"--{other} belongs to --task {owner}, not to {task}; leave it out")
    return names


def _at_level(
    known: list[str], option: str | None, level_name: str, level: str | int | None
) -> list[str]:
    family = known[0].rpartition("-")[0]
    levels = families()[family]["levels"]
    values = ", ".join(map(str, levels.values()))
    blind = [name for name in known if name.endswith(f"-{BLIND}")]
    if level is None:
        if not blind and len(known) > 1:
            raise InputError(f"--task {family} needs --{option}, one of {values}")
        return blind or known
    if level_name.format(level) not in levels:
        if blind:  # takes those between, too
            return blind
        raise InputError(f"--{option} must be one of {values}, got {level}")
    wanted = (level_name.format(level), BLIND)
    return [name for end in wanted for name in known if name.rpartition("-")[2] == end]


def shipped() -> dict[str, Path]:
    """Name -> weights file of every one that came with the package."""
    return {path.stem: path for path in visible(WEIGHTS.glob("*.safetensors"))}


def choose_weights(names: list[str]) -> list[Path]:
    """The shipped files for tasks that `tasks_of` found: at the level, or else the blind one.

    Two files where there is one for grey and one for colour. InputError lists what there is.
    """
    there = shipped()
    # blind ones come last in `names`: one at the level takes the place of its family's
    fitting = {name.rpartition("-")[0]: there[name] for name in reversed(names) if name in there}
    if fitting:
        return list(fitting.values())
    have = ", ".join(there) or "none"
    model = "semanir-s" if names[0].startswith("sr-") else "semanir-u"
    raise InputError(
        f"no shipped weights fit {names[0]} (there are: {have}); pass --weights FILE, trained by "
        f"semanir train --task {names[0]} --model {model}"
    )


# --- weights files -------------------------------------------------------------------------------

DOWNLOAD_AGAIN = "copy or download it again"
# first bytes of files that are taken for weights: what such a file is, and the next step
FOREIGN = {
    b"version https://git-lfs.github.com": "a pointer of Git LFS; run git lfs pull in its clone",
    b"PK": "a checkpoint of PyTorch, or another zip file",
    b"\x80": "a checkpoint of PyTorch (pickle)",
    b"\x89HDF": "an HDF5 file",
    b"MATLAB": "a file of MATLAB",
    b"<": "a web page; download the file itself",
}
PASS_OWN = "; pass a .safetensors file that semanir train wrote"


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, {} where it has none.

    Raises InputError that says what is at `path`, if that is no whole safetensors file, and what to
    do about it.
    """
    return _read_header(path)[0]


def parameters(path: Path) -> int:
    """How many numbers a weights file holds. Raises InputError as `read_metadata` does."""
    return sum(prod(tensor["shape"]) for tensor in _read_header(path)[1].values())


def _read_header(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """(metadata, what is said of each tensor) of a safetensors file that is whole."""
    if path.is_dir():
        inside = visible(path.glob("*.safetensors"))
        hint = f"name a file in it, for example {inside[0]}" if inside else "name a file"
        raise InputError(f"{path} is a folder; {hint}")
    if not path.exists():
        raise InputError(f"no such weights: {path}; see semanir list, or train them with snakemake")
    if not path.is_file():
        raise InputError(f"{path} is no file but a device or pipe; write the weights to a file")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(64)
        if start[8:9] != b"{":
            raise InputError(f"{path} {_what_else(start)}")
        # eight bytes say how long the header is, the header where each tensor ends
        length = int.from_bytes(start[:8], "little")
        _check_size(path, size, 8 + length, at_least=True)
        file.seek(8)
        try:
            header = json.loads(file.read(length))
            metadata = dict(header.pop("__metadata__", {}))
            end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise InputError(f"broken weights {path}: {error}; {DOWNLOAD_AGAIN}") from None
        _check_size(path, size, 8 + length + end)
    return metadata, header


def _what_else(start: bytes) -> str:
    if not start:
        return f"is empty; {DOWNLOAD_AGAIN}"
    for mark, kind in FOREIGN.items():
        if start.lstrip().startswith(mark):
            return f"is {kind}{'' if ';' in kind else PASS_OWN}"
    return f"is no safetensors file{PASS_OWN}"


def _check_size(path: Path, size: int, wanted: int, at_least: bool = False) -> None:
    if size < wanted or (size > wanted and not at_least):
        raise InputError(
            f"broken weights {path}: {size} bytes where {wanted} belong; {DOWNLOAD_AGAIN}"
        )


def facts(path: Path) -> dict[str, Any]:
    """What a weights file says of itself, {} where it says nothing.

    config: of the network; task: of tasks.yaml; trainings: those behind it, the last one last;
    scores: of shipped weights, {dataset, level, images, psnr, input} for each set, PSNR in dB, and
    self_ensemble where that was scored as well.
    """
    try:
        content = json.loads(read_metadata(path).get("semanir", "{}"))
    except json.JSONDecodeError as error:
        raise InputError(f"broken weights {path}: {error}; {DOWNLOAD_AGAIN}") from None
    return content if isinstance(content, dict) else {}
