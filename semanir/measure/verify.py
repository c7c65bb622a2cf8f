"""Whether records say what they should, when those of several machines were copied together.

Each is held against its place, this version's code and protocols, the plan of its scale, and the
weights and sets beside it as far as they are there. What cannot be looked at is said by name.
"""

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from baselines.registry import released_systems
from data_prep.datasets import get_set
from data_prep.tasks import get_task
from semanir import paths
from semanir.errors import InputError
from semanir.evaluate.metrics import PROTOCOLS, score
from semanir.evaluate.visual import read_pair
from semanir.files import sha256, visible
from semanir.inference.restorer import Restorer
from semanir.plan.plan import Plan
from semanir.plan.progress import SESSION
from semanir.plan.record import read_record
from semanir.plan.runs import Run
from semanir.plan.source_hash import source_hash
from semanir.train.recipe import make_recipe

TOLERANCE = 0.01  # dB, between machines; the same machine repeats a score to the last bit
# kind of a record: its place, and the stage whose code makes it
KINDS = {
    "eval": (paths.SCORES, "evaluate"),
    "train": (paths.TRAINING, "train"),
    "visual": (paths.VISUAL, "visual"),
    "activation": (paths.ACTIVATION, "activation"),
    "count": (paths.COUNT, "count"),
    "runtime": (paths.RUNTIME, "runtime"),
    "memory": (paths.ATTENTION.replace("{evidence}", "memory"), "attention"),
    "complexity": (paths.ATTENTION.replace("{evidence}", "complexity"), "attention"),
}
NO_RECORDS = (SESSION, "budget.json")


@dataclass
class Findings:
    """What was looked at: faults and what was skipped, each (record, what is to say)."""

    records: int = 0
    scored: int = 0
    faults: list[tuple[Path, str]] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)


def verify(
    root: Path, sample: int = 0, restorer: Callable[[Run], Restorer] | None = None
) -> Findings:
    """Look at every record at or below a folder.

    sample: so many images of so many evaluations are restored and scored again, drawn alike every
    time. restorer: what restores for a run, from its weights below the working folder.
    """
    found = Findings()
    scores: list[tuple[Path, dict[str, Any]]] = []
    for path in visible(path for path in root.rglob("*.json") if path.is_file()):
        if path.name in NO_RECORDS:
            continue
        found.records += 1
        with _noted(path, found):
            record = read_record(path)
            found.faults += [(path, fault) for fault in _faults(path, record, found)]
            if record["kind"] == "eval":
                scores.append((path, record))
    if not found.records:
        raise InputError(f"no records below {root}; name a folder such as results/")
    if sample and restorer:
        _score_again(scores, sample, restorer, found)
    return found


@contextmanager
def _noted(path: Path, found: Findings, told: str = "") -> Iterator[None]:
    """Make what is wrong with a record one of its faults, which keeps no other from a look."""
    try:
        yield
    except InputError as error:
        found.faults.append((path, f"{told}{error}"))
    except OSError as error:
        found.faults.append((path, f"{told}cannot read {error.filename}: {error.strerror}"))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        found.faults.append((path, f"broken record: {type(error).__name__} {error}"))


def _faults(path: Path, record: dict[str, Any], found: Findings) -> Iterator[str]:
    kind, identity = record["kind"], record["identity"]
    if kind not in KINDS:
        found.skipped.append((path, f"records of the kind {kind} are of no plan"))
        return
    place, stage = KINDS[kind]
    expected = Path(place.format(**identity)).parts[1:]  # below results/
    if path.resolve().parts[-len(expected) :] != expected:
        yield f"lies elsewhere than {place.format(**identity)}, the place of what it says it is"
    source, now = record["provenance"]["source"], source_hash(stage)
    if source != now:
        commit = record["provenance"]["commit"]
        yield f"made by other code: source {source} of commit {commit}, here {now}"
    if kind in ("eval", "train", "visual", "activation"):
        base = path.resolve().parents[len(expected)]  # the folder that holds results/
        yield from _faults_of_run(path, record, Run(**identity), base, found)


def _faults_of_run(
    path: Path, record: dict[str, Any], run: Run, base: Path, found: Findings
) -> Iterator[str]:
    evaluated, trained = _planned(run.scale)
    if run not in (trained if record["kind"] == "train" else evaluated):
        yield f"is no run of the {run.scale} scale"
        return
    for name, digest in record["provenance"].get("data", {}).items():
        if not (base / name).is_file():
            found.skipped.append((path, f"{name} is not here"))
        elif sha256(base / name) != digest:
            yield f"made of other photographs: {name} has changed"
    protocols = record.get("protocols", {})
    if record["kind"] == "visual":
        protocols = {record["level"]: record["protocol"]}
    yield from _wrong_protocols(protocols, run)
    if record["kind"] == "eval":
        yield from _wrong_sets(path, record["scores"], run, found)
        yield from _wrong_values(record["scores"])
    if record["kind"] == "train":
        recipe = asdict(make_recipe(Plan(run.scale).recipe(run.task, run.model)))
        other = [
            name for name, value in record["recipe"].items() if _plain(recipe.get(name)) != value
        ]
        if other:
            yield f"trained by another recipe than the scale's: {', '.join(other)}"
    if record["kind"] in ("train", "eval") and run.weights:
        yield from _wrong_weights(path, record, run, base, found)


@cache
def _planned(scale: str) -> tuple[set[Run], set[Run]]:
    """The evaluations of a scale, with all systems that have weights, and its trainings."""
    plan = Plan(scale, asked=tuple(released_systems()), noncommercial=True)
    evaluated = {*plan.evaluations(), plan.figure_run}
    return evaluated, {run.training for run in evaluated if run.trained}


def _wrong_protocols(protocols: dict[str, Any], run: Run) -> Iterator[str]:
    task = get_task(run.task)
    for level, said in protocols.items():
        name = task.protocol(level)
        now = {"name": name, "version": PROTOCOLS[name].version}
        if said != now:
            yield (
                f"scored by {said['name']} v{said['version']} at {level}, here "
                f"{name} v{now['version']}"
            )


def _wrong_sets(
    path: Path, scores: list[dict[str, Any]], run: Run, found: Findings
) -> Iterator[str]:
    plan = Plan(run.scale, asked=tuple(released_systems()), noncommercial=True)
    planned = plan.evaluation_sets(run.task, run.model)
    images: dict[tuple[str, str], list[str]] = {}
    for line in scores:
        images.setdefault((line["dataset"], line["level"]), []).append(line["image"])
    for (dataset, level), names in images.items():
        if (dataset, level) not in planned:
            yield f"scored on {dataset} {level}, which the {run.scale} scale does not plan"
        elif len(set(names)) != len(names) or len(names) != get_set(dataset).images:
            yield f"{len(names)} scores of {dataset} {level}, of {get_set(dataset).images} images"
    # `without` may have left them out
    for dataset, level in planned:
        if (dataset, level) not in images:
            found.skipped.append((path, f"has no scores of {dataset} {level}"))


def _wrong_values(scores: list[dict[str, Any]]) -> Iterator[str]:
    for line in scores:
        numbers = {"psnr": line["psnr"]} | {n: v for n, v in line.items() if n.startswith("ssim")}
        for name, value in numbers.items():
            if not (value > 0 if name == "psnr" else abs(value) <= 1):
                place = f"{line['image']} of {line['dataset']} {line['level']}"
                yield f"{place}: {value} is no {name}"


def _wrong_weights(
    path: Path, record: dict[str, Any], run: Run, base: Path, found: Findings
) -> Iterator[str]:
    inside = paths.ROOT if run.weights == paths.SHIPPED.format(task=run.task) else base
    weights = inside / run.weights
    said = record.get("weights_sha256")
    if said is None:
        found.skipped.append((path, "says nothing of its weights"))
    elif not weights.is_file():
        found.skipped.append((path, f"{run.weights} is not here"))
        trained = base / run.train_record
        if trained.is_file() and read_record(trained).get("weights_sha256") != said:
            yield f"scored with other weights than {run.train_record} tells of"
    elif sha256(weights) != said:
        yield f"{run.weights} is another file than it says: SHA-256 {sha256(weights)[:12]}"
    elif "tensors_sha256" in record:
        from semanir.inference import checkpoint

        digest = checkpoint.digest(checkpoint.load(weights))
        if digest != record["tensors_sha256"]:
            yield f"{run.weights} holds other tensors than it says: SHA-256 {digest[:12]}"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


# --- scores, made again --------------------------------------------------------------------------


def _score_again(
    scores: list[tuple[Path, dict[str, Any]]],
    sample: int,
    restorer: Callable[[Run], Restorer],
    found: Findings,
) -> None:
    draw = random.Random(0)
    there = []
    for path, record in scores:
        if path.resolve() != Path(Run(**record["identity"]).record).resolve():
            here = "the results/ of this folder; run this command where that one lies"
            found.skipped.append((path, f"not scored again: it is not in {here}"))
        elif missing := _missing(record):
            found.skipped.append((path, f"not scored again: {missing} is not here"))
        else:
            there.append((path, record))
    for path, record in draw.sample(there, min(sample, len(there))):
        run = Run(**record["identity"])
        with _noted(path, found, "cannot be scored again: "):
            restore = restorer(run)
            lines = draw.sample(record["scores"], min(sample, len(record["scores"])))
            for line in lines:
                psnr = _psnr(run, line, restore)
                found.scored += 1
                if not math.isclose(psnr, line["psnr"], rel_tol=0, abs_tol=TOLERANCE):
                    place = f"{line['image']} of {line['dataset']} {line['level']}"
                    fault = f"{place} scores {psnr:.4f} dB, {line['psnr']:.4f} on record"
                    found.faults.append((path, fault))


def _missing(record: dict[str, Any]) -> str:
    """The first file that scoring a record again needs and that is not below this folder."""
    run = Run(**record["identity"])
    family = get_task(run.task).family
    places = dict.fromkeys((line["dataset"], line["level"]) for line in record["scores"])
    needed = [paths.CLEAN.format(dataset=dataset) for dataset, _ in places]
    needed += [
        paths.DEGRADED.format(family=family, dataset=dataset, level=level)
        for dataset, level in places
    ]
    needed += [run.weights] if run.weights else []
    return next((name for name in needed if not Path(name).is_file()), "")


def _psnr(run: Run, line: dict[str, Any], restore: Restorer) -> float:
    task = get_task(run.task)
    degraded, clean = read_pair(task, line["dataset"], line["level"], line["image"])
    restored, _ = restore(degraded, line["level"], line.get("tile"))
    return score(restored, clean, task.protocol(line["level"]))["psnr"]
