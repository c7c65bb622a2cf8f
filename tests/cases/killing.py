"""The processes of a workflow that runs, and SIGKILL to some of them. Linux alone: reads /proc."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from typed import BIN

# stage: how its command goes on after `semanir`
COMMANDS = {
    "download": ("data", "download"),
    "prepare": ("data", "prepare"),
    "degrade": ("data", "degrade"),
    "train": ("train",),
    "evaluate": ("evaluate",),
    "count": ("measure",),
    "render": ("report",),
    "accept": ("gate", "accept"),
}
PLANNING = "planning"  # Snakemake alone: it reads the workflow, or stands between two jobs
STAGES = (PLANNING, *COMMANDS)
KINDS = ("group", "job", "worker", "snakemake")
LONGEST = 7200  # seconds that a command may take before it counts as hanging


@dataclass(frozen=True)
class Process:
    """A process, its parent and its command line."""

    number: int
    parent: int
    words: tuple[str, ...]

    @property
    def stage(self) -> str:
        """The stage that a job of the workflow belongs to, "" for all other processes."""
        names = [Path(word).name for word in self.words]
        after = self.words[names.index("semanir") + 1 :] if "semanir" in names else ()
        if not after or "snakemake" in names or Path(names[0]).stem in ("bash", "sh"):
            return ""
        fitting = (name for name, words in COMMANDS.items() if after[: len(words)] == words)
        return next(fitting, "")

    @property
    def is_snakemake(self) -> bool:
        return "snakemake" in [Path(word).name for word in self.words[:3]]


class Run:
    """One command in a session of its own, and the processes that are left of it."""

    def __init__(self, command: str, folder: Path, log: Path) -> None:
        environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
        environment["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        self.log = log
        with log.open("wb") as told:
            self.leader = subprocess.Popen(
                ["bash", "-c", command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.began = time.monotonic()

    @property
    def ended(self) -> bool:
        if time.monotonic() - self.began > LONGEST:
            raise TimeoutError(f"a command takes longer than {LONGEST} s: {self.told()}")
        return self.leader.poll() is not None

    def told(self) -> str:
        """The end of what the command said."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-3000:]

    def processes(self) -> list[Process]:
        """All of the session that live."""
        found = []
        for number in map(int, filter(str.isdigit, os.listdir("/proc"))):
            try:
                if os.getsid(number) != self.leader.pid:
                    continue
                words = Path(f"/proc/{number}/cmdline").read_bytes().decode().split("\0")[:-1]
                stat = Path(f"/proc/{number}/stat").read_text(encoding="utf-8")
                state, parent = stat.rpartition(")")[2].split()[:2]
            except (OSError, UnicodeDecodeError):  # it has ended meanwhile
                continue
            if state not in "ZX" and words:
                found.append(Process(number, int(parent), tuple(words)))
        return found

    def running(self) -> tuple[dict[str, list[Process]], list[Process], list[Process]]:
        """Jobs by stage, processes that prepare patches for one, Snakemake itself."""
        alive = self.processes()
        of_ours = {each.number for each in alive if each.stage}
        jobs: dict[str, list[Process]] = {}
        workers = [each for each in alive if each.stage and each.parent in of_ours]
        for each in alive:
            if each.stage and each not in workers:
                jobs.setdefault(each.stage, []).append(each)
        return jobs, workers, [each for each in alive if each.is_snakemake]

    def kill(self, kind: str, stage: str) -> bool:
        """SIGKILL to processes of a kind while a stage runs; False if there are none any more."""
        jobs, workers, snakemake = self.running()
        if (stage not in jobs) if stage != PLANNING else jobs:
            return False
        if kind == "group":
            if self.leader.poll() is not None:
                return False
            os.killpg(self.leader.pid, signal.SIGKILL)
            return True
        victims = {"job": jobs.get(stage, []), "worker": workers, "snakemake": snakemake}[kind]
        if not victims:
            return False
        try:
            os.kill(victims[0].number, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def wait(self, until: Callable[[], bool] | None = None) -> None:
        """Until the command has ended, or something else."""
        while not self.ended and not (until and until()):
            time.sleep(0.1)

    def wait_for_all(self) -> None:
        """Until no process of the session is left, also no job of a Snakemake that was killed.

        The command first: while it becomes another program /proc tells no words of it.
        """
        self.wait()
        while self.processes() and time.monotonic() - self.began < LONGEST:
            time.sleep(0.1)
