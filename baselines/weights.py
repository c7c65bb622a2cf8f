"""Released weights on disk: which file a task takes, and whether it is the one. No torch.

A file lies in data/weights/<system>/ and is held against its SHA-256; where none was published,
that of the first download is recorded in data/lock.json and another one refused.
"""

from pathlib import Path

from baselines.registry import Weights, get_system, weights_for
from data_prep.lock import remember
from semanir.errors import InputError
from semanir.files import sha256 as sha256_of


def find(system: str, name: str) -> Weights:
    """Weights of a system by task or by file name; InputError lists what there is."""
    tasks = get_system(system).get("weights", {}).get("files", {})
    known = {task: weights for task in tasks if (weights := weights_for(system, task))}
    by_file = {Path(weights.path).name: weights for weights in known.values()}
    weights = weights_for(system, name) or by_file.get(name)
    if weights is None:
        raise InputError(f"{system} has no weights for {name}; it has {', '.join(tasks) or 'none'}")
    return weights


def verify(system: str, weights: Weights) -> str:
    """The SHA-256 of weights on disk; InputError where they are missing or not what they were."""
    path = Path(weights.path)
    command = f"semanir weights {system} {path.name}"
    if not path.is_file():
        raise InputError(f"no weights at {path}; run {command}")
    digest = sha256_of(path)
    if weights.sha256 is None:
        remember(path.parent.parent, f"weights/{system}/{path.name}", digest)
    elif digest != weights.sha256:
        raise InputError(
            f"{path} has SHA-256 {digest}, expected {weights.sha256}; get it again: {command}"
        )
    return digest
