"""Short trainings of tiny networks on a made set."""

import json

from data_prep.tasks import get_task
from semanir.train.loop import train
from semanir.train.recipe import Recipe
from semanir.train.training import make_training

OPTIONS = {"datasets": ("ponds",), "holdout": "wine", "iterations": 12, "batch": 1, "patch": 16}
OPTIONS |= {"lr": 2e-3, "topk": (4, 8, 16), "milestones": (0.5, 0.75), "warmup": 0.2}
OPTIONS |= {"validate_every": 6, "save_every": 4, "log_every": 1}
# as YAML has it
LISTS = {key: list(v) if isinstance(v, tuple) else v for key, v in OPTIONS.items()}


def small_training(
    data, folder, *, task="denoise_gray-sigma50", seed=0, init=None, backend="auto", **options
):
    task = get_task(task)
    network = "semanir-s-tiny" if task.upscale else "semanir-u-tiny"
    recipe = Recipe(**OPTIONS | options)
    sets = [(data, None)]
    return make_training(
        network, task, recipe, sets, folder, seed, code="c0de", init=init, backend=backend
    )


def train_until(training, step):
    """The iterations up to one, as far as `train` does them."""
    batches = training.pairs.batches
    training.pairs.batches = lambda seed, steps, *more: batches(
        seed, range(steps.start, step), *more
    )
    train(training)
    training.pairs.batches = batches


def log_lines(folder):
    """The log without the one value that depends on the clock."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: v for key, v in line.items() if key != "images_per_s"} for line in lines]
