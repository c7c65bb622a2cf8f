"""Evaluate one model on all sets and levels of one task: `python -m semanir.evaluate --help`.

Writes results/<scale>/eval/<task>/<model>/seed<k>.json with the scores of every single image.
"""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_prep.datasets import load_index
from data_prep.degraded import read_degraded
from data_prep.errors import InputError, one_line_errors
from data_prep.images import match_channels, read_image
from data_prep.tasks import Task, get_task
from semanir import plan
from semanir.metrics import PROTOCOLS, score
from semanir.record import write_record

Restorer = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def evaluate(restorer: Restorer, task: Task, datasets: Sequence[str]) -> list[dict[str, Any]]:
    """Scores of every image: dataset, level, image and the metrics of the task's protocol.

    Reads data/sets/<dataset>/ and data/degraded/<task>/<dataset>/<level>/, files in sorted order.
    """
    work = []
    for dataset in datasets:
        clean = Path("data/sets") / dataset
        load_index(clean)
        for level in task.levels:
            folder = Path(plan.degraded_folder(task.family, dataset, level))
            work += [(dataset, level, clean, folder, entry) for entry in load_index(folder)]

    scores = []
    for dataset, level, clean, folder, entry in tqdm(work, unit="image", delay=60):
        degraded = read_degraded(folder / entry["file"])
        path = clean / entry["clean"]
        target = match_channels(read_image(path), task.channels, path)
        scale = task.upscale or 1
        target = target[: degraded.shape[0] * scale, : degraded.shape[1] * scale]
        quality = score(restorer(degraded), target, task.protocol(level))
        scores.append({"dataset": dataset, "level": level, "image": path.name, **quality})
    return scores


def make_restorer(run: plan.Run, threads: int, tile: int | None) -> tuple[Restorer, dict[str, Any]]:
    """The function that restores images for a run, and the facts about it that go on record."""
    entry = plan.get_model(run.model)
    if "quoted" in entry:
        raise InputError(f"{run.model} cannot run: {entry['quoted']}")
    if run.trained:
        return trained_restorer(run, threads, tile)
    module, _, name = entry["builder"].rpartition(".")
    return getattr(import_module(module), name)(get_task(run.task)), {}


def trained_restorer(
    run: plan.Run, threads: int, tile: int | None
) -> tuple[Restorer, dict[str, Any]]:
    """As `make_restorer`, for a network trained here; only this needs torch."""
    import torch

    from semanir.checkpoint import load
    from semanir.network.config import to_dict
    from semanir.restore import restore

    torch.set_num_threads(threads)
    network = load(run.weights, device="cuda" if torch.cuda.is_available() else "cpu")
    facts = {
        "network": plan.get_scale(run.scale)["networks"][run.model],
        "config": to_dict(network.config),
        "parameters": sum(p.numel() for p in network.parameters()),
        "tile": tile,
    }
    return lambda image: restore(network, image, tile=tile), facts


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m semanir.evaluate", description=__doc__)
    parser.add_argument("--scale", default="smoke", help="networks and sets (scales.yaml)")
    parser.add_argument("--task", required=True, help="for example denoise_gray-sigma50 or sr-x2")
    parser.add_argument("--model", required=True, help="a model of one of the models.yaml files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--tile", type=int, help="side of tiles for images that do not fit")
    args = parser.parse_args(argv)

    task = get_task(args.task)
    plan.get_scale(args.scale)
    run = plan.Run(args.scale, task.name, args.model, args.seed)
    restorer, facts = make_restorer(run, args.threads, args.tile)
    scores = evaluate(restorer, task, plan.test_sets(args.scale, task.family))
    protocols = {
        level: {"name": task.protocol(level), "version": PROTOCOLS[task.protocol(level)].version}
        for level in task.levels
    }
    write_record(
        Path(run.record),
        "eval",
        {"scale": args.scale, "task": task.name, "model": args.model, "seed": args.seed},
        "evaluate",
        protocols=protocols,
        batch=1,
        scores=scores,
        **facts,
    )
    for level in task.levels:
        mean = np.mean([entry["psnr"] for entry in scores if entry["level"] == level])
        print(f"{args.model} on {args.task}, {level}: mean PSNR {mean:.2f} dB")


if __name__ == "__main__":
    main()
