"""An accepted file over its commits: how many rows each has, and how far the scores moved."""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reports.compare.pairs import match, name_of
from reports.compare.sides import Side, read_side
from reports.figures.plots import COLORS, inline, panels
from semanir.errors import InputError
from semanir.plan.models import RELEASED, trained_models

LINES = 4  # trained networks that the figure follows
MARKERS = "osD^"


@dataclass(frozen=True, eq=False)
class Version:
    """The file as a commit left it. side: None where it had another form, which `problem` says."""

    commit: str
    date: str
    subject: str
    side: Side | None
    problem: str = ""


@dataclass(frozen=True)
class Step:
    """What a commit changed against the version before it.

    moved: rows of PSNR that changed; largest: the change farthest from zero in dB, at which row.
    """

    version: Version
    rows: int
    new: int
    gone: int
    moved: int
    largest: float
    at: str


def versions(path: Path) -> list[Version]:
    """Every version of a file that git has, the oldest first, renames followed.

    InputError where there is no git, no repository, or nothing was committed.
    """
    form = "--format=%x1e%h%x09%cs%x09%s"
    told = _git(path.parent, "log", "--follow", "--name-only", form, "--", path.name)
    found = []
    for entry in told.decode("utf-8", errors="replace").split("\x1e")[1:]:
        head, *names = entry.strip().splitlines()
        commit, date, subject = head.split("\t", 2)
        found.append((commit, date, subject, names[-1]))
    if not found:
        raise InputError(f"git has no version of {path}; commit it first")
    return [_version(path, *one) for one in reversed(found)]


def curves(found: Sequence[Version]) -> pd.DataFrame:
    """What the figure shows: a column a network ("model, task"), a row a version, dB of change.

    Means of PSNR over the sets and levels that all versions with the network have, less that of its
    first version; of trained networks, the LINES that moved most, those in two versions or more.
    """
    trained = [*(name for name, entry in trained_models().items() if "of" not in entry), RELEASED]
    means = {}
    for number, version in enumerate(one for one in found if one.side is not None):
        scores = version.side.scores if version.side else pd.DataFrame()
        own = scores[(scores["metric"] == "psnr") & scores["model"].isin(trained)]
        means[number] = own.groupby(["model", "task", "dataset", "level"])["value"].mean()
    table = pd.DataFrame(means)
    lines = {}
    for (model, task), rows in table.groupby(["model", "task"]):
        having = rows.loc[:, rows.notna().any()].dropna()
        if having.shape[1] > 1 and len(having):
            line = having.mean()
            lines[f"{model}, {task}"] = line - line.iloc[0]
    moved = sorted(lines, key=lambda name: -float(lines[name].abs().max()))
    return pd.DataFrame({name: lines[name] for name in moved[:LINES]})


def figure(found: Sequence[Version]) -> str:
    """`curves` as an <svg>; "" where there is none."""
    lines = curves(found)
    if lines.empty:
        return ""
    names = [one.commit for one in found if one.side is not None]
    drawing = panels(1, 9, 3.4)
    (axes,) = drawing.axes
    for number, name in enumerate(lines):
        values = lines[name].dropna()
        axes.plot(values.index, values, color=COLORS[number], marker=MARKERS[number], label=name)
    axes.axhline(0, color="#808080", linewidth=0.8)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_ylabel("change of mean PSNR [dB]")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return inline(drawing, "Mean PSNR of trained networks over commits")


def _version(path: Path, commit: str, date: str, subject: str, name: str) -> Version:
    content = _git(path.parent, "show", f"{commit}:{name}")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / Path(name).name
        copy.write_bytes(content)
        try:
            return Version(commit, date, subject, read_side(copy, commit))
        except InputError as error:
            problem = str(error).replace(f"{copy} ", "").partition(";")[0]
            return Version(commit, date, subject, None, problem)


def _git(folder: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=True)
    except FileNotFoundError:
        raise InputError("no git; the history of a file is read from it") from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().splitlines()
        raise InputError(f"git {arguments[0]}: {reason[0] if reason else 'failed'}") from None
    return done.stdout


def steps(found: Sequence[Version]) -> list[Step]:
    """A step for every version that can be read; the first is compared with nothing."""
    known = [(one, one.side.scores) for one in found if one.side is not None]
    made = []
    for number, (version, scores) in enumerate(known):
        before = known[number - 1][1] if number else scores[:0]
        lines = match(before, scores)
        changed = lines[(lines["metric"] == "psnr") & (lines["difference"].abs() > 0)]
        far = changed["difference"].abs()
        largest = changed.loc[far.idxmax()] if len(changed) else None
        made.append(
            Step(
                version,
                rows=int((lines["side"] != "one").sum()),
                new=int((lines["side"] == "other").sum()),
                gone=int((lines["side"] == "one").sum()),
                moved=len(changed),
                largest=0.0 if largest is None else float(largest["difference"]),
                at="" if largest is None else name_of(largest),
            )
        )
    return made
