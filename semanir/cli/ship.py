"""Ship trained weights with the project: `python -m semanir.cli.ship RECORD ...`.

  snakemake results/release/eval/denoise_gray-blind/semanir-u/seed0.json --config scale=release
  python -m semanir.cli.ship results/release/eval/denoise_gray-blind/semanir-u/seed0.json

RECORD: scores of an evaluation at the release scale, of a network trained there or of one that is
shipped already (semanir-released), whose scores are renewed. Its weights go to semanir/weights/,
with these scores, those of the degraded input, and the minutes of the training. Minutes of the
trainings that it started from are those of the shipped network that they ended in: that one is
shipped first. The model cards are written anew by
`python -m semanir.cli.cards_page semanir/weights/README.md`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from semanir import paths
from semanir.errors import InputError, one_line_errors
from semanir.plan.models import RELEASED
from semanir.plan.record import read_record
from semanir.plan.runs import Run

Place = tuple[str, str]  # set and level


def mean_scores(record: dict[str, Any], metric: str = "psnr") -> dict[Place, tuple[float, int]]:
    """{place: (mean in dB, images)} of an evaluation, where it has the metric."""
    psnr: dict[Place, list[float]] = {}
    for row in record["scores"]:
        if metric in row:
            psnr.setdefault((row["dataset"], row["level"]), []).append(row[metric])
    return {place: (sum(all_) / len(all_), len(all_)) for place, all_ in psnr.items()}


def _scores(record: dict[str, Any], inputs: dict[str, Any]) -> list[dict[str, Any]]:
    of_input, averaged = mean_scores(inputs), mean_scores(record, "psnr_self_ensemble")
    scores = list[dict[str, Any]]()
    for place, (psnr, images) in mean_scores(record).items():
        one = {"psnr": psnr, "input": of_input[place][0]}
        if place in averaged:
            one["self_ensemble"] = averaged[place][0]
        rounded = {name: round(value, 6) for name, value in one.items()}
        scores.append({"dataset": place[0], "level": place[1], "images": images, **rounded})
    return scores


def ship(path: Path) -> Path:
    """Write the weights of an evaluation with its scores; returns where they lie now."""
    from semanir.inference import checkpoint
    from semanir.inference.shipped import facts, shipped

    record = read_record(path)
    run = Run(**record["identity"])
    if not (run.trained or run.model == RELEASED):
        raise InputError(f"{path} is of {run.model}, which is not trained here")
    scores = _scores(record, read_record(Path(run.of_input.record)))
    trainings = facts(Path(run.weights))["trainings"]
    minutes = {
        one["fingerprint"]: one["minutes"]
        for weights in shipped().values()
        for one in facts(weights)["trainings"]
        if "minutes" in one
    }
    if run.trained:
        seconds = read_record(Path(run.train_record))["seconds_this_time"]
        minutes[trainings[-1]["fingerprint"]] = round(seconds / 60)
    for one in trainings:
        if "minutes" not in one and one["fingerprint"] not in minutes:
            raise InputError(
                f"{run.weights} started from weights of {one['task']} that were not shipped "
                f"(training {one['fingerprint']}), whose minutes are not known; ship those first"
            )
    out = Path(paths.SHIPPED.format(task=run.task))
    checkpoint.save(
        out,
        checkpoint.load(run.weights),
        task=run.task,
        trainings=[{"minutes": minutes.get(one["fingerprint"])} | one for one in trainings],
        scores=scores,
    )
    return out


@one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Ship the weights of each record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD")
    for path in parser.parse_args(arguments).records:
        print(ship(path))


if __name__ == "__main__":
    main()
