"""A training that fits into minutes: the machine's speed sets its iterations and its schedule.

With several ranks it is that of the slowest.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from semanir.errors import InputError
from semanir.files import read_json, write_json
from semanir.paths import STATE_FILE
from semanir.train import ranks
from semanir.train.finished import finished
from semanir.train.loop import iterate
from semanir.train.recipe import Recipe
from semanir.train.state import Training

WARM_UP = 2  # iterations that are not timed: they compile and allocate
TRAINED = 0.95  # of the minutes; the rest validates and saves
SECONDS_BETWEEN_SAVES = 60
VALIDATIONS = 10


def path(folder: Path) -> Path:
    """Where the iterations of a training with a budget are kept until it has finished."""
    return folder / "budget.json"


def fit_to_minutes(
    recipe: Recipe, minutes: float, folder: Path, make: Callable[[Recipe], Training]
) -> Training:
    """The training with as many iterations as this machine does in `minutes`.

    make: the training of a recipe, of which some iterations are run and thrown away. The answer is
    kept in budget.json, so that a resumed training has the same end. Without a state it counts for
    the same training alone, as that of a finished one does. Raises InputError where a state is of
    other minutes.
    """
    for iterations, fingerprint in ranks.of_first(lambda: _kept(folder, minutes)):
        training = make(_with_iterations(recipe, iterations, minutes))
        if fingerprint in ("", ranks.of_all(training.fingerprint)[0]):
            return training
    seconds = seconds_per_iteration(make(recipe))
    iterations = max(1, round(60 * minutes * TRAINED / seconds))
    training = make(_with_iterations(recipe, iterations, minutes))
    answer = {"minutes": minutes, **_speed(), "fingerprint": training.fingerprint}
    answer |= {"iterations": iterations, "seconds": round(seconds, 4)}
    ranks.of_first(lambda: write_json(path(folder), answer))
    return training


def _speed() -> dict[str, int]:
    """What sets the time of an iteration besides the training itself."""
    return {"threads": torch.get_num_threads(), "ranks": ranks.count()}


def _kept(folder: Path, minutes: float) -> list[tuple[int, str]]:
    """Iterations of earlier starts, and the fingerprint of the training that they were found for.

    "" where there is a state, which knows its training.
    """
    record, file = finished(folder), path(folder)
    found = [(record["recipe"]["iterations"], record["fingerprint"])] if record else []
    if not file.is_file():
        return found
    remedy = "delete it to train anew"
    kept = read_json(file, dict, remedy)
    iterations, begun = kept.get("iterations"), (folder / STATE_FILE).is_file()
    same = kept.get("minutes") == minutes and isinstance(iterations, int)
    if begun and not same:
        raise InputError(
            f"{file} has the iterations for {kept.get('minutes')} minutes, not {minutes}; "
            f"pass --minutes {kept.get('minutes')} or {remedy}"
        )
    if begun:
        return [(iterations, "")]
    if same and kept == kept | _speed():
        found.append((iterations, str(kept.get("fingerprint"))))
    return found


def seconds_per_iteration(training: Training, seconds: float = 8.0) -> float:
    """Mean time of its first iterations, three at least; the training is of no use afterwards."""
    items = ranks.share(training.recipe.batch, training.recipe.accumulate)
    batches = training.pairs.batches(training.seed, range(2**31), items, training.workers)
    started, passed = time.perf_counter(), 0.0
    for done, batch in enumerate(batches, 1 - WARM_UP):
        iterate(training, *batch)
        if done == 0:
            started = time.perf_counter()
        elif done >= 3:
            passed = ranks.largest(time.perf_counter() - started)
            if passed > seconds:
                break
    return passed / done


def _with_iterations(recipe: Recipe, iterations: int, minutes: float) -> Recipe:
    saves = max(1, round(60 * minutes / SECONDS_BETWEEN_SAVES))
    return replace(
        recipe,
        iterations=iterations,
        validate_every=max(1, iterations // VALIDATIONS),
        save_every=max(1, iterations // saves),
    )
