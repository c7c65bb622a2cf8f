"""The models that are trained, those of baselines/models.yaml beside them, and the scales.

Never imports torch or pandas.
"""

from functools import cache
from pathlib import Path
from typing import Any

from baselines.registry import systems
from semanir.files import read_yaml
from semanir.names import known_name
from semanir.paths import ROOT
from semanir.plan.ablations import expand

SCALES, MODELS = (ROOT / "semanir" / "plan" / f"{name}.yaml" for name in ("scales", "models"))
RELEASED = "semanir-released"  # the networks of semanir/weights


@cache
def _read_yaml(path: Path) -> dict[str, Any]:
    return read_yaml(path)


def scales() -> dict[str, Any]:
    return _read_yaml(SCALES)


def get_scale(name: str) -> dict[str, Any]:
    return scales()[known_name(name, scales(), "scale")]


@cache
def own_models() -> dict[str, Any]:
    """Entries of semanir/plan/models.yaml, every ablation among them under a name of its own."""
    return expand(_read_yaml(MODELS))


@cache
def trained_models() -> dict[str, Any]:
    """Our models without those whose weights come with the project."""
    return {name: entry for name, entry in own_models().items() if name != RELEASED}


def base_model(model: str) -> str:
    """The model of the paper that an ablation changes; of others the name itself."""
    return get_model(model).get("of", model)


def get_model(name: str) -> dict[str, Any]:
    models = own_models() | systems()
    return models[known_name(name, models, "model")]


def is_ours(method: str) -> bool:
    """Whether a printed method is a network that this project trains."""
    return model_of_method().get(method) in trained_models()


@cache
def model_of_method() -> dict[str, str]:
    models = own_models() | systems()
    return {method: name for name, entry in models.items() for method in entry.get("answers", [])}
