"""A workflow that is killed again and again, and has to end as one that nobody disturbed."""

import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from killing import KINDS, PLANNING, STAGES, Process, Run
from micro import command, micro
from whole import faults, made, missing

# what can be killed in a stage: only a training has processes beside it, `accept` no Snakemake
KILLS = dict.fromkeys(STAGES, ("group", "job", "snakemake")) | {
    PLANNING: ("group", "snakemake"),
    "train": KINDS,
    "accept": ("group", "job"),
}


class FaultError(AssertionError):
    """The workflow did not stand a kill; the message says which, and what is wrong."""


class Campaign:
    """Kills of a small workflow below `place`; the same seed plans the same kills.

    hits counts kills by (stage, kind), rounds the finished workflows that were compared, files
    the files of one of them.
    """

    def __init__(self, place: Path, seed: int) -> None:
        self.place, self.random = place, random.Random(seed)
        self.hits: Counter[tuple[str, str]] = Counter()
        self.missed: Counter[str] = Counter()
        self.rounds, self.number, self.started = 0, 0, 0
        self.reference, self.folder = micro(place / "undisturbed"), place / "killed"
        self.pristine = set(made(self.reference))
        self.seconds = self._measure()
        shutil.copytree(self.reference, self.folder)  # compiled modules and all
        self.files = len(made(self.reference)) - len(self.pristine)
        self.left: list[Run] = []  # whose jobs may outlive their Snakemake

    def _measure(self) -> dict[str, float]:
        """Run undisturbed on one thread; how long a job of each stage takes, the workers too."""
        run = self._start(command(cores=1), self.reference)
        first: dict[tuple[str, int], float] = {}
        last: dict[tuple[str, int], float] = {}
        while not run.ended:
            now = time.monotonic()
            jobs, workers, snakemake = run.running()
            seen: dict[str, list[Process]] = jobs | {"worker": workers}
            seen[PLANNING] = [] if jobs else snakemake
            for stage, processes in seen.items():
                for process in processes:
                    first.setdefault((stage, process.number), now)
                    last[stage, process.number] = now
            if first and jobs:
                last.setdefault((PLANNING, 0), now)  # planning ends with the first job
            time.sleep(0.1)
        if run.leader.returncode:
            raise FaultError(f"the undisturbed run failed: {run.told()}")
        seconds: dict[str, float] = {}
        for (stage, number), end in last.items():
            begin = first.get((stage, number), run.began)
            seconds[stage] = max(seconds.get(stage, 0), end - begin)
        return seconds

    def kill(self, wanted: int, *, report: bool = False) -> None:
        """Spend so many kills, and finish the last workflow. Raises FaultError."""
        while self.number < wanted:
            self._round(wanted, report)
            self.rounds += 1

    def _round(self, wanted: int, report: bool) -> None:
        """From nothing to a finished workflow; the kills of every stage are due once."""
        self._wipe()
        due = {stage: sorted(kinds, key=self._rarest(stage)) for stage, kinds in KILLS.items()}
        while True:
            locked = any((self.folder / ".snakemake/locks").glob("*"))
            unlock = "snakemake --unlock && " if locked else ""
            run = self._start(unlock + command(), self.folder)
            hit = self._hit(run, due) if self.number < wanted else None
            run.wait()
            if hit:
                self.number += 1
                self.hits[hit] += 1
                self.left.append(run)
                if report:
                    print(f"{self.number:5} {' '.join(hit):20} round {self.rounds + 1}", flush=True)
            wrong = list(faults(self.folder, self.reference, self.pristine))
            if run.leader.returncode and not hit:
                wrong.append(f"a command that nobody disturbed failed: {run.told()}")
            self._end_if(wrong, hit)
            if not run.leader.returncode and not (hit and self._unfinished()):
                break
        for each in self.left:
            each.wait_for_all()
        self.left.clear()
        wrong = [*faults(self.folder, self.reference, self.pristine)]
        self._end_if([*wrong, *missing(self.folder, self.reference)], hit)

    def _wipe(self) -> None:
        """Leave nothing of what a workflow has made."""
        for name in set(made(self.folder)) - self.pristine:
            (self.folder / name).unlink()
        for name in ("data", "results", "logs", ".snakemake"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _hits_of(self, stage: str) -> int:
        return sum(self.hits[stage, kind] for kind in KINDS)

    def _rarest(self, stage: str):
        """The order of kinds: what came least; the one that a single stage has comes first."""
        return lambda kind: (self.hits[stage, kind], kind != "worker", self.random.random())

    def _unfinished(self) -> bool:
        return bool(missing(self.folder, self.reference))

    def _hit(self, run: Run, due: dict[str, list[str]]) -> tuple[str, str] | None:
        """Kill at a random moment of the first stage that runs and has a kill due.

        Returns stage and kind, or None where the run came to its end first.
        """
        while not run.ended:
            jobs, workers, snakemake = run.running()
            stages = list(jobs) or ([PLANNING] if snakemake else [])
            for stage in sorted(stages, key=self._hits_of):  # two may run at a time
                kind = next(iter(due[stage]), "")
                if not kind or (kind == "worker" and not workers):
                    continue
                span = self.seconds.get("worker" if kind == "worker" else stage, 1.0)
                latest = 0.9 * span / (1 + self.missed[stage])
                moment = time.monotonic() + self.random.uniform(0, latest)
                run.wait(lambda moment=moment: time.monotonic() >= moment)
                if run.kill(kind, stage):
                    due[stage].remove(kind)
                    self.missed[stage] = 0
                    return stage, kind
                self.missed[stage] += 1  # it was over before: sooner the next time
                break
            time.sleep(0.1)
        return None

    def _start(self, line: str, folder: Path) -> Run:
        self.started += 1
        return Run(line, folder, self.place / f"told-{self.started}.log")

    def _end_if(self, wrong: list[str], hit: tuple[str, str] | None) -> None:
        if wrong:
            after = " ".join(hit) if hit else "the end"
            raise FaultError(f"kill {self.number} ({after}): " + "\n".join(wrong[:5]))

    def table(self) -> Iterator[str]:
        """The kills by stage and kind, a line each."""
        yield f"{'stage':10}" + "".join(f"{kind:>11}" for kind in KINDS)
        for stage in STAGES:
            counts = (self.hits[stage, kind] if kind in KILLS[stage] else "-" for kind in KINDS)
            yield f"{stage:10}" + "".join(f"{count:>11}" for count in counts)
        yield (
            f"{self.number} kills, {self.rounds} workflows finished, each with {self.files} files"
            " equal to those of the undisturbed run on one thread"
        )
