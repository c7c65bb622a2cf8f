"""The weights that come with the package, and which of them a task and its level mean."""

import json
from pathlib import Path
from typing import Any

from data_prep.errors import InputError
from data_prep.names import pick
from data_prep.tasks import BLIND, families, task_names

WEIGHTS = Path(__file__).parent / "weights"  # shipped: <task>.safetensors

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


def tasks_of(task: str, levels: dict[str, int | None], *, any_level: bool = False) -> list[str]:
    """Names of tasks.yaml that --task and its level mean, grey and colour; the blind ones last.

    task: of TASKS, or as tasks.yaml has it, with or without its level. levels: value of each of
    LEVEL_OPTIONS, None where it was not given; then blind networks are meant, or with `any_level`
    all. InputError names what is missing, unknown or does not belong to the task.
    """
    if task in task_names():
        option, names = None, [task]
    else:
        kinds = TASKS | {
            family: ((family,), option, told)
            for groups, option, told in TASKS.values()
            for family in groups
        }
        groups, option, told = kinds[pick(task, kinds, "task")]
        known = [name for name in task_names() if name.rpartition("-")[0] in groups]
        level = levels[option] if option else None
        names = known if any_level and level is None else _at_level(known, option, told, level)
    for other in LEVEL_OPTIONS:
        if levels[other] is not None and other != option:
            owner = next(name for name, entry in TASKS.items() if entry[1] == other)
            raise InputError(f"--{other} belongs to --task {owner}, not to {task}; leave it out")
    return names


def _at_level(known: list[str], option: str | None, told: str, level: int | None) -> list[str]:
    family = known[0].rpartition("-")[0]
    levels = families()[family]["levels"]
    values = ", ".join(map(str, levels.values()))
    if level is None:
        blind = [name for name in known if name.endswith(f"-{BLIND}")]
        if not blind and len(known) > 1:
            raise InputError(f"--task {family} needs --{option}, one of {values}")
        return blind or known
    if told.format(level) not in levels:
        raise InputError(f"--{option} must be one of {values}, got {level}")
    wanted = (told.format(level), BLIND)
    return [name for end in wanted for name in known if name.rpartition("-")[2] == end]


def shipped() -> dict[str, Path]:
    """Name -> weights file of every one that came with the package."""
    return {path.stem: path for path in sorted(WEIGHTS.glob("*.safetensors"))}


def choose_weights(names: list[str]) -> list[Path]:
    """The shipped files for tasks that `tasks_of` found: at the level, or else blind ones.

    Two files where there is one for grey and one for colour. InputError lists what there is.
    """
    found = [(name, path) for name, path in shipped().items() if name in names]
    exact = [path for name, path in found if not name.endswith(f"-{BLIND}")]
    if found:
        return exact or [path for _, path in found]
    have = ", ".join(shipped()) or "none"
    model = "semanir-s" if names[0].startswith("sr-") else "semanir-u"
    raise InputError(
        f"no shipped weights fit {names[0]} (there are: {have}); pass --weights FILE, trained by "
        f"python -m semanir.train --task {names[0]} --model {model}"
    )


def facts(path: Path) -> dict[str, Any]:
    """What a weights file says of itself: config, task, fingerprint; {} where it says nothing."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            told = json.loads((file.metadata() or {}).get("semanir", "{}"))
    except FileNotFoundError:
        raise InputError(f"no such weights: {path}; see semanir list") from None
    except (SafetensorError, ValueError, AttributeError) as error:
        raise InputError(f"broken weights {path}: {error}") from None
    return told if isinstance(told, dict) else {}
