"""The best evidence there is for a printed number.

What counts: the results of a run; results.csv and systems.csv of whatever scale was run here; and
whole results.csv that come with the project, reports/accepted/<scale>-<machine>.csv.gz.
reports/accepted/<scale>.csv is none: it is what the gate holds this machine's results against.
reports/accepted/evidence/ holds measurements of kernels, which answer for no printed number.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path

import pandas as pd

from reports import collect
from reports.collect import COLUMNS, check_scale, means, origin, read_results
from reports.tables.verdicts import JudgedCell, Rows, by_place, measurements
from semanir import paths
from semanir.files import visible
from semanir.plan.cells import COUNTED, Cell

RANKS = ("paper", "gpu", "release", "mini", "smoke")  # best first
ELSEWHERE = "measured on other photographs alone, which stand in for {}"
SAME = ["model", "task", "dataset", "level", "metric"]  # rows that say the same
COSTS = "_ms$|^ratio$|_seconds$|^memory_"  # metrics that depend on the machine


@dataclass(frozen=True, eq=False)
class Evidence:
    """Results of one scale from one machine, a line per image.

    machine: its name; "" for this one. source: what is said about where they were made.
    """

    scale: str
    by_image: pd.DataFrame
    machine: str = ""
    source: str = ""

    @cached_property
    def results(self) -> pd.DataFrame:
        """Their means over images."""
        return means(self.by_image)

    @cached_property
    def rows(self) -> Rows:
        """These means by model and level: every table asks for them."""
        return by_place(self.results)

    @cached_property
    def scores(self) -> dict[tuple[str, ...], pd.Series]:
        """Scores by image, each the mean over its seeds, of every SAME."""
        rows = self.by_image[self.by_image["image"] != ""]
        by_image = rows.groupby([*SAME, "image"], sort=False)["value"].mean()
        return {
            tuple(map(str, key)): values.droplevel(SAME)
            for key, values in by_image.groupby(level=SAME, sort=False)
        }


def gather(scale: str, by_image: pd.DataFrame, folder: Path | None = None) -> list[Evidence]:
    """All evidence: the run that is rendered first, what else was run here, accepted files.

    folder: where results/<scale>/{results,systems}.csv lie, the working directory if left out.
    InputError names a file, or a record of by_image, that is of another scale.
    """
    check_scale(by_image, scale)
    made: dict[str, list[pd.DataFrame]] = {scale: [by_image]}
    for name in RANKS:
        for file in (paths.RESULTS, paths.SYSTEMS):
            path = (folder or Path()) / file.format(scale=name)
            if path.is_file() and (name != scale or file != paths.RESULTS):
                made.setdefault(name, []).append(read_results(path, name))
    return [*(Evidence(name, _joined(parts)) for name, parts in made.items()), *accepted()]


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Lines of several results.csv of one scale, each once; the first has it."""
    if len(parts) == 1:
        return parts[0]
    return pd.concat(parts, ignore_index=True).drop_duplicates(COLUMNS[:8], ignore_index=True)


def accepted() -> list[Evidence]:
    """The accepted files that carry a machine in their name, sorted."""
    found = []
    for path in visible(collect.ACCEPTED.glob("*-*.csv.gz")):
        scale, _, machine = path.name.removesuffix(".csv.gz").partition("-")
        by_image = read_results(path, scale)
        made = origin(by_image)
        source = f"Measured on {made['machine']}, {made['date']}, commit {made['commit']}"
        found.append(Evidence(scale, by_image, machine, source))
    return found


def best(found: Iterable[JudgedCell]) -> JudgedCell:
    """The best of the measurements of one cell; the others stand in its `others`, best first.

    On the printed photographs before others that stand in for them, then by RANKS, then this
    machine before another; counts are the same at every scale. Measured on stand-ins alone a cell
    is "not run", with the measurement `near`. Where nothing was measured the first says why.
    """
    first, *rest = sorted(found, key=_worth)
    others = tuple(one for one in rest if one.measured is not None)
    if first.measured is None or not first.stand_in:
        return replace(first, others=others)
    reason = ELSEWHERE.format(first.cell.dataset)
    return JudgedCell(first.cell, "not run", reason, near=first, others=others)


def _worth(one: JudgedCell) -> tuple[bool, bool, int, bool]:
    if one.measured is None:
        return (True, False, 0, False)
    rank = 0 if one.cell.metric in COUNTED else RANKS.index(one.scale)
    return (False, one.stand_in, rank, bool(one.machine))


def judge_cells(cells: Sequence[Cell], evidence: Iterable[Evidence]) -> list[JudgedCell]:
    """The best there is for every printed cell, in printed order."""
    found = (measurements(cells, one.scale, one.rows, one.machine) for one in evidence)
    return [best(chain.from_iterable(of_cell)) for of_cell in zip(*found, strict=True)]


def judge_here(cells: Sequence[Cell], evidence: Sequence[Evidence]) -> list[JudgedCell]:
    """What the run that is rendered says of every cell by itself."""
    here = evidence[0]
    return [best([own]) for own, *_ in measurements(cells, here.scale, here.rows)]


def of_ablations(evidence: Sequence[Evidence]) -> list[Evidence]:
    """The runs that ablations are compared in, in the order in which they are asked.

    The best scale that compares over several seeds first, the run itself where none does.
    """
    several = [one for one in by_rank(evidence) if _seeds(one.by_image) > 1]
    first, *_ = several or evidence
    return [first, *(one for one in by_rank(evidence) if one is not first)]


def _seeds(by_image: pd.DataFrame) -> int:
    return int(by_image.loc[by_image["metric"] == "psnr", "seed"].nunique())


def pooled(evidence: Sequence[Evidence]) -> pd.DataFrame:
    """Means of all evidence, where several say the same that of the best, as `best` has it.

    Times and memory are compared with each other, so that all of a kind are of one run.
    """
    here_first = sorted(evidence, key=lambda one: bool(one.machine))
    parts = [*_once(here_first, counts=True), *_once(by_rank(evidence), counts=False)]
    return pd.concat(parts, ignore_index=True)


def _once(evidence: Iterable[Evidence], *, counts: bool) -> Iterator[pd.DataFrame]:
    """Of each the counts, or all else, that none before it says."""
    seen: set[tuple[str, ...]] = set()
    for one in evidence:
        rows = one.results[one.results["metric"].str.startswith(COUNTED) == counts]
        same = rows[SAME].astype("object").fillna("")
        same.loc[same["metric"].str.contains(COSTS), SAME[:-1]] = ""
        keys = pd.Series(list(same.itertuples(index=False, name=None)), dtype="object")
        yield rows[~keys.isin(seen).to_numpy()]
        seen |= set(keys)


def by_rank(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Best scale first, this machine before another."""
    return sorted(evidence, key=lambda one: (RANKS.index(one.scale), bool(one.machine)))
