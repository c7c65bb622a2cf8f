"""Short trainings for one rank or several: torchrun ... ranked_trainings.py SET FOLDER CASE...

Every rank leaves FOLDER/CASE/rankN.pt: weights, iterations and the last held-out PSNR.
"""

import math
import os
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import torch
from trainings import small_training

from semanir.train import budget, loop, ranks
from semanir.train.training import train_network

STEPS = 50
# five photographs are held out, so that ranks have unequal parts of a validation
OPTIONS = {"iterations": STEPS, "batch": 4, "holdout": "pond", "average": 0.9, "clip_norm": 0.1}
OPTIONS |= {"validate_every": STEPS, "save_every": 20}
ONE_SPIKE = {"iterations": 12, "on_spike": "skip"}


def made(data, folder, case, **options):
    """The training of a case, before its first iteration."""
    options |= {"muon": {"optimizer": "muon"}, "spike": ONE_SPIKE}.get(case, {})
    training = small_training(data, folder, **OPTIONS | options)
    if case == "float64":  # rounding is out of the way
        training.network.double()
        training.average.double()
        single = training.pairs.batch
        training.pairs.batch = lambda *which: tuple(part.double() for part in single(*which))
    if case == "spike" and ranks.number() == ranks.count() - 1:  # one rank alone has it
        loss = training.loss
        training.loss = lambda *images: loss(*images) * (math.nan if training.step == 3 else 1)
    return training


def trained(data, folder, case, **options):
    """Train a case to its end and keep what came of it."""
    training = made(data, folder, case, **options)
    train_network(training, folder / "weights.safetensors", task=case)
    keep(training, folder)
    return training


def keep(training, folder):
    found = {name: getattr(training, name).state_dict() for name in ("network", "average")}
    found |= {"step": training.step, "psnr": loop.validate(training)}
    torch.save(found, folder / f"rank{ranks.number()}.pt")


def stuck(data, folder):
    """The last rank stops for good at iteration 23, after the state of 20; processes are named."""
    iterate = loop.iterate

    def wait(training, *batch):
        if training.step == 22 and ranks.number() == ranks.count() - 1:
            time.sleep(600)
        return iterate(training, *batch)

    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{ranks.number()}.pid").write_text(str(os.getpid()))
    loop.iterate = wait
    trained(data, folder, "float32")


def minutes(data, folder):
    """A rank's iteration takes as many seconds as the rank has number, and one more."""
    clock, iterate = [0.0], loop.iterate

    def counted(training, *batch):
        clock[0] += 1 + ranks.number()
        return iterate(training, *batch)

    budget.iterate, budget.time = counted, SimpleNamespace(perf_counter=lambda: clock[0])
    training = made(data, folder, "float32")
    fitted = [
        budget.fit_to_minutes(
            training.recipe, 1, folder, lambda recipe: replace(training, recipe=recipe)
        )
        for _ in range(2)
    ]
    torch.save([one.recipe.iterations for one in fitted], folder / f"rank{ranks.number()}.pt")


CASES = {"stuck": stuck, "minutes": minutes}

if __name__ == "__main__":
    torch.set_num_threads(1)
    with ranks.joined():
        for name in sys.argv[3:]:
            run = CASES.get(name) or partial(trained, case=name)
            run(Path(sys.argv[1]), Path(sys.argv[2]) / name)
