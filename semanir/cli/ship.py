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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from semanir import paths
from semanir.errors import InputError, one_line_errors, remake
from semanir.files import sha256
from semanir.plan.models import RELEASED
from semanir.plan.record import broken_record, read_record, training_seconds
from semanir.plan.runs import Run

SCALE = "release"  # whose networks are shipped
Place = tuple[str, str]  # set and level


def mean_scores(record: dict[str, Any], metric: str = "psnr") -> dict[Place, tuple[float, int]]:
    """{place: (mean in dB, images)} of an evaluation, where it has the metric."""
    psnr: dict[Place, list[float]] = {}
    for row in record["scores"]:
        if metric in row:
            psnr.setdefault((row["dataset"], row["level"]), []).append(row[metric])
    return {place: (sum(all_) / len(all_), len(all_)) for place, all_ in psnr.items()}


def ship(path: Path) -> Path:
    """Write the weights of an evaluation with its scores; returns where they lie now."""
    from semanir.inference import checkpoint
    from semanir.inference.shipped import facts

    record = read_record(path)
    with _fields_of(path):
        run = Run(**record["identity"])
    _check(path, record, run)
    trainings = facts(Path(run.weights))["trainings"]
    minutes = _minutes(run, trainings)
    out = Path(paths.SHIPPED.format(task=run.task))
    checkpoint.save(
        out,
        checkpoint.load(run.weights),
        task=run.task,
        trainings=[{"minutes": minutes.get(one["fingerprint"])} | one for one in trainings],
        scores=_scores(path, Path(run.of_input.record)),
    )
    return out


def _check(path: Path, record: dict[str, Any], run: Run) -> None:
    """Raise InputError unless a record scores the weights that are shipped for its run."""
    from semanir.inference import checkpoint

    if not (run.trained or run.model == RELEASED):
        raise InputError(f"{path} is of {run.model}, which is not trained here")
    if run.scale != SCALE:
        raise InputError(f"{path} is of the {run.scale} scale; networks of {SCALE} are shipped")
    if run.trained and run.training != run:
        raise InputError(
            f"{path} is of {run.model}, another way to use the weights of {run.training.model}; "
            f"ship {run.training.record}"
        )
    # shipping changes the file of shipped weights, not the tensors in it
    found = {
        "tensors_sha256": checkpoint.digest(checkpoint.load(run.weights)),
        "weights_sha256": sha256(run.weights),
    }
    if all(record.get(name) != digest for name, digest in found.items()):
        raise InputError(
            f"{path} scores other weights than those of {run.weights} now (SHA-256 differs); "
            f"{remake(path)}"
        )


def _scores(path: Path, of_input: Path) -> list[dict[str, Any]]:
    """The mean scores of a record, by set and level, beside those of the input's record."""
    with _fields_of(path):
        record = read_record(path)
        means, averaged = mean_scores(record), mean_scores(record, "psnr_self_ensemble")
    with _fields_of(of_input):
        before = mean_scores(read_record(of_input))
    scores = list[dict[str, Any]]()
    for place, (psnr, images) in means.items():
        if place not in before:
            raise broken_record(of_input, f"no scores of {' '.join(place)}")
        one = {"psnr": psnr, "input": before[place][0]}
        if place in averaged:
            one["self_ensemble"] = averaged[place][0]
        rounded = {name: round(value, 6) for name, value in one.items()}
        scores.append({"dataset": place[0], "level": place[1], "images": images, **rounded})
    return scores


def _minutes(run: Run, trainings: list[dict[str, Any]]) -> dict[str, int]:
    """{fingerprint: minutes} of trainings: those of shipped networks, and that of the run."""
    from semanir.inference.shipped import facts, shipped

    minutes = {
        one["fingerprint"]: one["minutes"]
        for weights in shipped().values()
        for one in facts(weights)["trainings"]
        if "minutes" in one
    }
    if run.trained:
        of_training = Path(run.train_record)
        with _fields_of(of_training):
            seconds = training_seconds(read_record(of_training))
        if seconds is None:
            raise InputError(f"{of_training} tells no time: its last session took no iteration")
        minutes[trainings[-1]["fingerprint"]] = round(seconds / 60)
    for one in trainings:
        if "minutes" not in one and one["fingerprint"] not in minutes:
            raise InputError(
                f"{run.weights} started from weights of {one['task']} that were not shipped "
                f"(training {one['fingerprint']}), whose minutes are not known; ship those first"
            )
    return minutes


@contextmanager
def _fields_of(path: Path) -> Iterator[None]:
    """A record is read meanwhile; InputError names it where it lacks a field."""
    try:
        yield
    except (KeyError, TypeError) as error:
        raise broken_record(path, error) from None


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
