"""Evaluate one model on all sets and levels of one task.

Writes results/<scale>/eval/<task>/<model>/seed<k>.json with the scores of every single image.
"""

import argparse
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_prep.datasets import datasets
from data_prep.degrade import read_degraded
from data_prep.images import match_channels, read_image
from data_prep.prepare import load_index
from data_prep.tasks import Task, get_task
from semanir.arguments import seed, threads, whole
from semanir.errors import InputError, one_line_errors
from semanir.evaluate.metrics import PROTOCOLS, on_full_range, score
from semanir.files import check_writable
from semanir.inference.restorer import Restorer
from semanir.names import known_name
from semanir.plan import models
from semanir.plan import runs as plan
from semanir.plan.record import write_record


def evaluate(
    restorer: Restorer, task: Task, places: Sequence[tuple[str, str]], tile: int | None = None
) -> list[dict[str, Any]]:
    """Scores of every image: dataset, level, image and the metrics of the task's protocol.

    places: (prepared set, level) pairs. Reads data/sets/<dataset>/ and
    data/degraded/<task>/<dataset>/<level>/, files in sorted order.
    tile: scored in tiles of this side as well, as psnr_tiled. An image that had to be tiled to fit
    into memory carries the side as `tile`.
    """
    grey: dict[str, set[str]] = {}  # files of grey photographs, of sets in colour
    for dataset in dict.fromkeys(dataset for dataset, _ in places):
        verified = load_index(Path("data/sets") / dataset)
        grey[dataset] = {entry["file"] for entry in verified if entry.get("grey")}
    work = []
    for dataset, level in places:
        folder = Path(plan.degraded_folder(task.family, dataset, level))
        work += [(dataset, level, folder, entry) for entry in load_index(folder, clean=str)]

    scores = []
    for dataset, level, folder, entry in tqdm(work, unit="image", delay=60):
        degraded = read_degraded(folder / entry["file"])
        path = Path("data/sets") / dataset / entry["clean"]
        target = match_channels(read_image(path), task.channels, path, task.gray)
        scale = task.upscale or 1
        target = target[: degraded.shape[0] * scale, : degraded.shape[1] * scale]
        restored, used = restorer(degraded, level)
        quality: dict[str, float] = score(restored, target, task.protocol(level))
        if used:
            quality["tile"] = used
        if tile and tile != used:
            tiled = score(restorer(degraded, level, tile)[0], target, task.protocol(level))
            quality["psnr_tiled"] = tiled["psnr"]
        if task.upscale and grey[dataset]:  # see semanir.evaluate.metrics
            is_grey = entry["clean"] in grey[dataset]
            psnr = quality["psnr"]
            quality["psnr_grey_full_range"] = on_full_range(psnr) if is_grey else psnr
        image = Path(entry["file"]).stem
        scores.append({"dataset": dataset, "level": level, "image": image, **quality})
    return scores


def make_restorer(run: plan.Run, threads: int) -> Restorer:
    """What restores the images of a run; InputError for a system that cannot run."""
    entry = models.get_model(run.model)
    if "quoted" in entry:
        raise InputError(f"{run.model} cannot run: {entry['quoted']}")
    if run.trained:
        return TrainedRestorer(run, threads)
    if "network" in entry:
        from baselines.adapt import restorer

        return restorer(run.model, get_task(run.task), threads)
    from baselines.classical import BUILDERS

    return BUILDERS[entry["builder"]](get_task(run.task))


class TrainedRestorer:
    """A network trained here; only this needs torch."""

    def __init__(self, run: plan.Run, threads: int) -> None:
        import torch

        from semanir.inference.checkpoint import load
        from semanir.measure.flops import multiply_adds
        from semanir.network.config import to_dict

        torch.set_num_threads(threads)
        preset, switches = models.network(run.scale, run.model)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network = network = load(run.weights, device=device, **switches)
        side = 64 if get_task(run.task).upscale else 256
        shape = (1, network.config.channels, side, side)
        self.facts = {
            "network": preset,
            "config": to_dict(network.config),
            "parameters": sum(p.numel() for p in network.parameters()),
            "counted": {
                "input": "x".join(map(str, shape[1:])),
                "multiply_adds": multiply_adds(deepcopy(network), shape),
            },
        }

    def __call__(
        self, image: NDArray[np.float32], level: str, tile: int | None = None
    ) -> tuple[NDArray[np.float32], int | None]:
        """As `Restorer`."""
        from semanir.inference.restore import restore
        from semanir.inference.tiling import fitting_tile

        used = tile or fitting_tile(self.network, image)
        return restore(self.network, image, tile=used), used


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m semanir.evaluate.evaluation", description=__doc__
    )
    parser.add_argument("--scale", default="smoke", help="networks and sets (scales.yaml)")
    parser.add_argument("--task", required=True, help="for example denoise_gray-sigma50 or sr-x2")
    parser.add_argument("--model", required=True, help="a model of one of the models.yaml files")
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument("--threads", type=threads, default=1, help="torch threads")
    parser.add_argument("--tile", type=whole(1), help="score in tiles of this side as well")
    parser.add_argument(
        "--without", nargs="*", default=[], help="entries of datasets.yaml that are left out"
    )
    args = parser.parse_args(argv)

    task = get_task(args.task)
    models.get_scale(args.scale)
    for name in args.without:
        known_name(name, datasets(), "dataset in --without")
    run = plan.Run(args.scale, task.name, args.model, args.seed)
    check_writable(Path(run.record))
    restorer = make_restorer(run, args.threads)
    places = plan.test_places(args.scale, task.name, tuple(args.without), args.model)
    if not places:
        raise InputError(f"no set is left to evaluate {args.task} on at the {args.scale} scale")
    scores = evaluate(restorer, task, places, args.tile)
    levels = tuple(dict.fromkeys(level for _, level in places))
    protocols = {
        level: {"name": task.protocol(level), "version": PROTOCOLS[task.protocol(level)].version}
        for level in levels
    }
    write_record(
        Path(run.record),
        "eval",
        {"scale": args.scale, "task": task.name, "model": args.model, "seed": args.seed},
        "evaluate",
        protocols=protocols,
        batch=1,
        tile=args.tile,
        scores=scores,
        **restorer.facts,
    )
    for dataset, level in places:
        found = [
            entry["psnr"]
            for entry in scores
            if (entry["dataset"], entry["level"]) == (dataset, level)
        ]
        print(f"{args.model} on {args.task}, {dataset} {level}: mean PSNR {np.mean(found):.2f} dB")


if __name__ == "__main__":
    main()
