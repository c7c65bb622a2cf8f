"""The models of both models.yaml files and the scales: names, networks, weights, licences.

Never imports torch or pandas.
"""

from functools import cache
from pathlib import Path
from typing import Any

from baselines.registry import (
    COMMERCIAL,
    Weights,
    check_licence,
    released_systems,
    variant_for,
    weights_for,
)
from baselines.registry import systems as baseline_models
from semanir.files import read_yaml
from semanir.names import known_name
from semanir.paths import ROOT
from semanir.plan.ablations import expand

# those of baselines/registry.py stay importable from here
__all__ = [
    "COMMERCIAL",
    "Weights",
    "base_model",
    "baseline_models",
    "check_licence",
    "get_model",
    "get_scale",
    "model_of_method",
    "network",
    "released_systems",
    "scales",
    "trained_models",
    "variant_for",
    "weights_for",
]


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


def network(scale: str, model: str) -> tuple[str, dict[str, Any]]:
    """(preset, switches of semanir.build) of the network that a model is at a scale.

    Raises InputError for a model that the scale does not train.
    """
    presets = get_scale(scale)["networks"]
    known = [name for name in trained_models() if base_model(name) in presets]
    known_name(model, known, "model")
    return presets[base_model(model)], dict(get_model(model).get("switches", {}))


def get_model(name: str) -> dict[str, Any]:
    models = trained_models() | baseline_models()
    return models[known_name(name, models, "model")]


@cache
def model_of_method() -> dict[str, str]:
    models = trained_models() | baseline_models()
    return {method: name for name, entry in models.items() for method in entry.get("answers", [])}
