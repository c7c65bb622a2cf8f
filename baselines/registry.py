"""The systems of models.yaml: their entries, released weights, variants, licences.

Never imports torch.
"""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema

from semanir import paths
from semanir.errors import InputError
from semanir.files import read_yaml
from semanir.names import known_name

HERE = Path(__file__).resolve().parent
DATA_FILES: tuple[str, ...] = ("models.yaml",)  # read here; part of the source hash
COMMERCIAL = "SEMANIR_ACCEPT_NONCOMMERCIAL"


@dataclass(frozen=True)
class Weights:
    """One released file: where it lies here, its name at the source, its SHA-256 if published.

    Here it has the name of the authors' test scripts, whatever its source calls it.
    """

    path: str
    file: str
    sha256: str | None = None


@cache
def systems() -> dict[str, Any]:
    """Entries of models.yaml by name; InputError names the entry and the field that is wrong."""
    entries = read_yaml(HERE / "models.yaml")
    problem = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(schema()).iter_errors(entries)
    )
    if problem is not None:
        place = ".".join(map(str, problem.absolute_path))
        raise InputError(f"baselines/models.yaml, {place or 'top level'}: {problem.message}")
    return entries


@cache
def schema() -> dict[str, Any]:
    """What an entry of models.yaml may hold, a JSON schema."""
    return read_yaml(HERE / "models.schema.yaml")


def get_system(name: str) -> dict[str, Any]:
    """The entry of a system; InputError lists the nearest names for an unknown one."""
    return systems()[known_name(name, systems(), "system")]


def released_systems() -> list[str]:
    """The systems that have weights."""
    return [name for name, entry in systems().items() if "weights" in entry]


def weights_for(system: str, task: str) -> Weights | None:
    """The released weights a system uses for a task, those of its family where it has one."""
    files = get_system(system).get("weights", {}).get("files", {})
    entry = next((files[name] for name in _names_of(task) if name in files), None)
    if entry is None:
        return None
    fields: dict[str, str] = {"file": entry} if isinstance(entry, str) else entry
    name = fields.get("name") or unquote(fields["file"]).rpartition("/")[2]
    return Weights(
        paths.RELEASED.format(system=system, file=name), fields["file"], fields.get("sha256")
    )


def variant_for(entry: dict[str, Any], *names: str) -> str:
    """The first variant that has one of the names (of tasks also level and family), else the first.

    entry: of a system or of a network of ours.
    """
    known = [short for name in names for short in _names_of(name) if short in entry["variants"]]
    return known[0] if known else next(iter(entry["variants"]))


def _names_of(task: str) -> list[str]:
    family, _, level = task.partition("-")
    return [task, level, family]


def check_licence(model: str, accepted: bool = False) -> None:
    """InputError where a system is licensed for non-commercial use and nobody accepted that.

    accepted: by whoever calls; SEMANIR_ACCEPT_NONCOMMERCIAL=true accepts too. Networks of our own
    have nothing to accept.
    """
    entry = systems().get(model, {})
    if entry.get("noncommercial") and not accepted and os.environ.get(COMMERCIAL) != "true":
        raise InputError(
            f"{model} is licensed for non-commercial use: {entry['licence']}; "
            f"--config accept_noncommercial=true (or {COMMERCIAL}=true) accepts that"
        )
