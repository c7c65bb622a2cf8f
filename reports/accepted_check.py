"""What can be checked of accepted results without the machine that they were measured on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from data_prep.datasets import get_set
from data_prep.tasks import get_task
from reports.collect import METRICS, check_scale, read_results
from reports.gate.accepted import read_accepted
from reports.gate.compare import KEY
from semanir.errors import InputError
from semanir.files import read_json
from semanir.plan.models import get_model, get_scale

SOURCE = ("commit", "source", "created", "machine")
MACHINE = ".csv.gz"  # ends the results of a named machine


def faults(path: Path, versions: Mapping[str, int]) -> list[str]:
    """What is wrong with an accepted file, a line each; none where all is well.

    path: <scale>-<machine>.csv.gz, <scale>.csv, or a file of evidence/. versions: of this
    version's protocols by their names.
    """
    try:
        if path.suffix == ".json":
            read_json(path, dict, "measure it again")
            return []
        if path.name.endswith(MACHINE) or path.parent.name == "evidence":
            return list(_of_results(path, versions))
        return list(_of_gate(path))
    except InputError as error:
        return [str(error)]


def _of_results(path: Path, versions: Mapping[str, int]) -> Iterator[str]:
    results = read_results(path)
    if path.name.endswith(MACHINE):
        scale = path.name.partition("-")[0]
        get_scale(scale)
        check_scale(results, scale, path)
        changed = sorted({c for c in results["commit"].dropna() if c.endswith("+")})
        if changed:
            yield f"measured by changed files, commit {changed[0]}; commit, then measure again"
        if (results["commit"] == "unknown").any():
            yield "measured outside of git, commit unknown; measure again in a clone"
    for name in SOURCE:
        if (missing := results[name].isna().sum()) or (results[name] == "").any():
            yield f"{missing or 'some'} lines without {name}"
    twice = results[results.duplicated(KEY)]
    if len(twice):
        yield f"{len(twice)} lines twice, such as {_place(twice.iloc[0])}"
    scores = results[results["metric"].isin(METRICS)]
    yield from _of_scores(scores, "value")
    yield from _of_protocols(scores, versions)
    key = [name for name in KEY if name != "image"]
    for _, lines in scores.groupby(key, dropna=False):
        wanted = get_set(lines["dataset"].iloc[0]).images
        if len(lines) != wanted:
            yield f"{_place(lines.iloc[0])}: {len(lines)} of {wanted} images"


def _of_gate(path: Path) -> Iterator[str]:
    head, lines = read_accepted(path)
    get_scale(head.get("scale", ""))
    for name in ("machine", "torch", "commit", "date"):
        if not head.get(name):
            yield f"its head says no {name}"
    yield from _of_scores(lines[lines["metric"].isin(METRICS)], "value")


def _of_scores(scores: pd.DataFrame, column: str) -> Iterator[str]:
    """Names that nothing has, and values that no score can have."""
    for names, lines in scores.groupby(["model", "task", "level"]):
        model, task, level = map(str, names)
        get_model(model)
        if level not in get_task(task).levels:
            yield f"{model} on {task}: no level {level}"
        for dataset in lines["dataset"].unique():
            get_set(dataset)
    ssim = scores["metric"].str.startswith("ssim")
    wrong = scores[scores[column].isna() | (ssim & (scores[column].abs() > 1))]
    wrong = pd.concat([wrong, scores[~ssim & (scores[column] <= 0)]])
    for _, line in wrong.iterrows():
        yield f"{_place(line)}: {line[column]} is no {line['metric']}"


def _of_protocols(scores: pd.DataFrame, versions: Mapping[str, int]) -> Iterator[str]:
    for names, _ in scores.groupby(["task", "level", "protocol"], dropna=False):
        task, level, said = map(str, names)
        name = get_task(task).protocol(level)
        now = f"{name} v{versions[name]}"
        if said != now:
            yield f"{task} {level} is scored by {said}, this version scores by {now}"


def _place(line: "pd.Series[Any]") -> str:
    return ", ".join(str(line[name]) for name in KEY if str(line[name]) not in ("", "nan", "<NA>"))
