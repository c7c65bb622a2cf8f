"""The models of both models.yaml files and the scales: names, networks, weights, licences.

Never imports torch or pandas.
"""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema

from semanir.errors import InputError
from semanir.files import read_yaml
from semanir.names import known_name
from semanir.paths import ROOT
from semanir.plan.ablations import expand

COMMERCIAL = "SEMANIR_ACCEPT_NONCOMMERCIAL"


@dataclass(frozen=True)
class Weights:
    """One released file: where it lies here, its name at the source, its SHA-256 if published.

    Here it is called as in the authors' test scripts, whatever its source calls it.
    """

    path: str
    file: str
    sha256: str | None = None


@cache
def _read_yaml(path: Path) -> dict[str, Any]:
    return read_yaml(path)


def scales() -> dict[str, Any]:
    return _read_yaml(ROOT / "semanir" / "plan" / "scales.yaml")


def get_scale(name: str) -> dict[str, Any]:
    return scales()[known_name(name, scales(), "scale")]


@cache
def trained_models() -> dict[str, Any]:
    """Entries of semanir/plan/models.yaml, every ablation among them under a name of its own."""
    return expand(_read_yaml(ROOT / "semanir" / "plan" / "models.yaml"))


def base_model(model: str) -> str:
    """The model of the paper that an ablation changes; of others the name itself."""
    return get_model(model).get("of", model)


@cache
def baseline_models() -> dict[str, Any]:
    """Entries of baselines/models.yaml; InputError names the entry and the field that is wrong."""
    entries = _read_yaml(ROOT / "baselines" / "models.yaml")
    schema = _read_yaml(ROOT / "baselines" / "models.schema.yaml")
    problem = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(schema).iter_errors(entries)
    )
    if problem is not None:
        place = ".".join(map(str, problem.absolute_path))
        raise InputError(f"baselines/models.yaml, {place or 'top level'}: {problem.message}")
    return entries


def released_systems() -> list[str]:
    """The baselines that have weights."""
    return [name for name, entry in baseline_models().items() if "weights" in entry]


def weights_for(model: str, task: str) -> Weights | None:
    """The released weights a baseline uses for a task, those of its family where it has one."""
    entry = get_model(model)
    files = entry.get("weights", {}).get("files", {})
    found = next((files[name] for name in _names_of(task) if name in files), None)
    if found is None:
        return None
    given: dict[str, str] = {"file": found} if isinstance(found, str) else found
    name = given.get("name") or unquote(given["file"]).rpartition("/")[2]
    return Weights(f"data/weights/{model}/{name}", given["file"], given.get("sha256"))


def variant_for(entry: dict[str, Any], *names: str) -> str:
    """The first variant that is called like one of the names (of tasks also level and family)."""
    known = [short for name in names for short in _names_of(name) if short in entry["variants"]]
    return known[0] if known else next(iter(entry["variants"]))


def _names_of(task: str) -> list[str]:
    family, _, level = task.partition("-")
    return [task, level, family]


def check_licence(model: str, accepted: bool = False) -> None:
    """InputError where a system is licensed for non-commercial use and nobody accepted that.

    accepted: by an option; the environment variable says the same.
    """
    accepted = accepted or os.environ.get(COMMERCIAL) == "true"
    if get_model(model).get("noncommercial") and not accepted:
        raise InputError(
            f"{model} is licensed for non-commercial use: {get_model(model)['licence']}; "
            f"--config accept_noncommercial=true (or {COMMERCIAL}=true) accepts that"
        )


def get_model(name: str) -> dict[str, Any]:
    models = trained_models() | baseline_models()
    return models[known_name(name, models, "model")]


@cache
def model_of_method() -> dict[str, str]:
    models = trained_models() | baseline_models()
    return {method: name for name, entry in models.items() for method in entry.get("answers", [])}
