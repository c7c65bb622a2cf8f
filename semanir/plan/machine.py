"""What the workflow takes for granted of the machine that it runs on.

Snakemake documents no attribute that is set here; tests/workflow/test_machine.py pins what they do.
"""

import os
import sys
import threading
from pathlib import Path
from typing import Any

from snakemake.utils import available_cpu_count

from semanir.errors import InputError

WHOLE = 1000  # shares of a machine, more than jobs ever run at a time
# resources of a job that is timed: the whole of this machine, of a Slurm cluster a whole node
ALONE = {"machine": WHOLE, "slurm_extra": "--exclusive"}
# a training is told by SIGTERM two minutes before its time is over, and saves its state
WARNED = "--signal=TERM@120"


def use_this_python() -> None:
    """Jobs say `python` and mean the one that runs Snakemake, whatever comes first on PATH.

    The environment of a conda job is activated later, so that its python still comes before.
    Raises InputError where the interpreter's folder has no `python`.
    """
    folder = Path(sys.executable).parent
    if not (folder / "python").exists():
        raise InputError(
            f"jobs call `python`, and {folder} has none beside {Path(sys.executable).name}; "
            "run Snakemake from a virtual environment"
        )
    os.environ["PATH"] = os.pathsep.join((str(folder), os.environ.get("PATH", os.defpath)))


def use_every_core(workflow: Any) -> None:
    """As `--cores all`, where neither --cores nor --jobs limits anything.

    `cores: all` in a profile would hold for clusters as well: no job could ask for more threads
    than the machine has that submits it.
    """
    settings = workflow.resource_settings
    if settings.cores is None and settings.nodes is None:
        settings.cores = available_cpu_count()
        workflow.global_resources["_cores"] = settings.cores


def files_are_named() -> bool:
    """Whether the command line asks for files below results/ or reports/, not for rules alone.

    Snakemake knows its targets only when the Snakefile has been read.
    """
    return any(word.startswith(("results/", "reports/")) for word in sys.argv[1:])


def share(workflow: Any) -> None:
    """Every rule that does not run ALONE takes one share of the machine; called after all rules.

    Neither the profile nor --default-resources is the place for it, since any --resources of the
    command line would undo it. On a cluster every job has shares of its own.
    """
    workflow.register_resource("machine", WHOLE)
    workflow.resource_scopes["machine"] = "local"
    for rule in workflow.rules:
        if "machine" not in rule.resources:
            rule.resources["machine"] = 1


def end_at_once() -> None:
    """Cancel the timers by which Snakemake looks for jobs again: at its end there are none.

    Each keeps the process for the rest of `max-jobs-per-timespan`, see profiles/default.
    """
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()
