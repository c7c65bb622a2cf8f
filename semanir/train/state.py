"""A training, its log, and its state on disk, from which the same command goes on.

log.jsonl has a line per event: loss, rate, gradient norm, k, images per second, or the PSNR on
held-out photographs, or a spike. state.pt is there until the training has finished. It knows of no
ranks: another number of them goes on from it. The first rank alone writes and reads both files.
"""

import copy
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel

from semanir.errors import InputError, short_of
from semanir.files import blamed_on, replacing, write_text
from semanir.network import Network
from semanir.paths import LOG_FILE, STATE_FILE
from semanir.train import ranks
from semanir.train.losses import Loss
from semanir.train.optimizers import Together
from semanir.train.patches import TrainingPatches
from semanir.train.recipe import Recipe
from semanir.train.spikes import Spikes


@dataclass
class Training:
    """Everything that a training is made of; `step` counts finished iterations.

    average: the moving average of the network's weights, where the recipe keeps one. earlier: the
    trainings behind the weights that this one started from, see `made_by`. good: the snapshot that
    a spike goes back to, where the recipe says so.
    """

    network: Network
    average: AveragedModel | None
    optimizer: torch.optim.Optimizer | Together
    loss: Loss
    pairs: TrainingPatches
    recipe: Recipe
    seed: int
    folder: Path
    fingerprint: str
    earlier: tuple[dict[str, Any], ...] = ()
    workers: int = 0
    step: int = 0
    spikes: Spikes = field(default_factory=Spikes)
    good: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        mark_good(self)

    @property
    def trained(self) -> Network:
        """The network that is validated and kept: of averaged weights, where there are any."""
        return self.average.module if self.average else self.network  # type: ignore[return-value]

    def made_by(self, task: str) -> list[dict[str, Any]]:
        """Every training behind the weights, this one last: what a weights file says of itself."""
        recipe = self.recipe
        names = ("datasets", "levels", "iterations", "batch", "patch", "lr", "loss")
        own = {name: getattr(recipe, name) for name in names}
        if recipe.reductions != (1.0,):
            own["reductions"] = recipe.reductions
        return [*self.earlier, {"task": task, **own, "fingerprint": self.fingerprint}]

    @property
    def state_path(self) -> Path:
        return self.folder / STATE_FILE

    @property
    def log_path(self) -> Path:
        return self.folder / LOG_FILE


def save_state(training: Training) -> None:
    """Write all that a bitwise equal continuation needs; whole or not at all."""
    if not ranks.is_first():
        return
    state = {"fingerprint": training.fingerprint, **_snapshot(training)}
    if training.good.get("step", training.step) < training.step:
        state["good"] = training.good
    with replacing(training.state_path) as partial:
        torch.save(state, partial)


def resume(training: Training) -> None:
    """Continue from the saved state, if there is one; refuse one of another training.

    All ranks get the state, or the initial weights, of the first.
    """
    state = ranks.of_first(lambda: _read_state(training))
    if state:
        _load(training, state)
    else:
        ranks.copy_of_first(training.network.state_dict().values())
    if state and "good" in state:
        training.good = state["good"]
    else:
        mark_good(training)


def mark_good(training: Training) -> None:
    """Keep a copy of the training as it is now, for `go_back`, where its recipe asks for that."""
    if training.recipe.on_spike == "restore":
        training.good = copy.deepcopy(_snapshot(training))


def go_back(training: Training) -> int:
    """Make network, average and optimizer those of the last `mark_good`; returns its step.

    Iterations and spikes are still counted on: what led to a spike is not done again.
    """
    step, in_a_row = training.step, training.spikes.in_a_row
    _load(training, copy.deepcopy(training.good))
    training.step, training.spikes.in_a_row = step, in_a_row
    return int(training.good["step"])


def _snapshot(training: Training) -> dict[str, Any]:
    """All that changes in a training; the tensors are its own, not copies."""
    return {
        "step": training.step,
        "network": training.network.state_dict(),
        "average": training.average.state_dict() if training.average else None,
        "optimizer": training.optimizer.state_dict(),
        "spikes": asdict(training.spikes),
        "random": torch.get_rng_state(),
    }


def _load(training: Training, snapshot: dict[str, Any]) -> None:
    """The optimizer takes over the tensors of the snapshot, which is of no use afterwards."""
    training.network.load_state_dict(snapshot["network"])
    if training.average:
        training.average.load_state_dict(snapshot["average"])
    training.optimizer.load_state_dict(snapshot["optimizer"])
    training.spikes = Spikes(**snapshot["spikes"])
    torch.set_rng_state(snapshot["random"])
    training.step = snapshot["step"]


def _read_state(training: Training) -> dict[str, Any] | None:
    """The saved state, None without one; cuts the log to what had happened by then."""
    path = training.state_path
    if not path.is_file():
        training.log_path.unlink(missing_ok=True)
        return None
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        fingerprint = state["fingerprint"]
    except Exception as error:  # torch's own text runs over lines and advises to unpickle anything
        if isinstance(error, OSError) or short_of(error):  # the file is not to blame
            raise
        kind = type(error).__name__
        raise InputError(f"cannot read {path} ({kind}); delete it to train anew") from None
    if fingerprint != training.fingerprint:
        raise InputError(
            f"{path} belongs to another training (recipe, network, data or code changed since): "
            f"fingerprint {fingerprint}, now {training.fingerprint}; "
            f"delete the file to train anew"
        )
    # lines after the saved state are written again; a kill may have cut the last of them short
    kept = [entry for entry in read_log(training.log_path) if entry["step"] <= state["step"]]
    write_text(training.log_path, "".join(f"{json.dumps(entry)}\n" for entry in kept))
    return state


def history(training: Training) -> list[dict[str, Any]]:
    """{step, psnr: {level: dB}} of every validation that the log holds."""
    logged = [entry for entry in read_log(training.log_path) if "holdout_psnr" in entry]
    return [{"step": entry["step"], "psnr": entry["holdout_psnr"]} for entry in logged]


def read_log(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log, none where there is no file; InputError names a broken one."""
    log = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    entries = []
    for number, line in enumerate(log[: log.rfind("\n") + 1].splitlines(), 1):
        try:
            entries.append(json.loads(line))
            int(entries[-1]["step"])
        except (ValueError, TypeError, KeyError):
            raise InputError(
                f"broken {path}, line {number}: {line[:40]!r}; move {path.parent} elsewhere to "
                "train anew"
            ) from None
    return entries


def log(training: Training, facts: dict[str, Any]) -> None:
    if not ranks.is_first():
        return
    with blamed_on(training.log_path), training.log_path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(facts) + "\n")
