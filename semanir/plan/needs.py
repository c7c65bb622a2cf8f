"""What trainings and evaluations ask a cluster for, from counted work. Never imports torch.

Asking for too little costs a restart, of a training from its saved state; asking for too much costs
a place in the queue. Of other jobs profiles/slurm says what they ask for.
"""

from math import ceil
from typing import TYPE_CHECKING

from data_prep.datasets import get_set
from data_prep.tasks import get_task
from semanir.plan.runs import Run
from semanir.plan.trainings import SPEED
from semanir.plan.work import counted, step_of

if TYPE_CHECKING:
    from semanir.plan.plan import Plan

# what starts a process for each of some GPUs of one machine: torchrun
PROCESSES = "torch.distributed.run --standalone --nproc-per-node {}"
CORE = 5e9  # floating-point operations a second that a core sustains on tiny networks, at least
SLACK = 2  # devices may be half as fast as is taken for granted
START = 15  # minutes for decoding photographs, validating, logging
LONGEST = 1440  # minutes; few queues allow more, and a training goes on in its next job
COPIES = 5  # of every parameter, in 4 bytes: itself, gradient, two moments, average
UNKNOWN = 240  # minutes of a job whose work nobody counted, as in profiles/slurm
FORWARD = 3  # a training step is this many times its forward pass
SCORING = 2  # seconds a megapixel: degrading, PSNR and SSIM, whole and in tiles
PROCESS = 2000  # megabytes of Python, torch and decoded photographs (1 GiB at most)


def training_minutes(plan: "Plan", task: str, model: str) -> int:
    """Time limit of a training; LONGEST where its kind of step is not in work.csv."""
    work = counted().get(step_of(plan, task, model))
    if work is None:
        return LONGEST
    recipe, devices = plan.recipe(task, model), plan.entry.get("gpus", 0)
    operations = 2 * work.multiply_adds * recipe["batch"] * recipe["iterations"]
    seconds = operations / (devices * SPEED or CORE)
    return min(LONGEST, START + ceil(SLACK * seconds / 60))


def evaluation_minutes(plan: "Plan", run: Run) -> int:
    """Time limit of restoring and scoring all sets of a run.

    UNKNOWN for released systems, and where work.csv lacks the network's step; LONGEST at most.
    """
    work = counted().get(step_of(plan, run.task, run.training.model)) if run.trained else None
    if work is None:
        return UNKNOWN
    sets = [get_set(name) for name, _ in plan.evaluation_sets(run.task, run.model)]
    megapixels = sum(one.images * one.megapixels for one in sets)
    inputs = 1e6 * megapixels / (get_task(run.task).upscale or 1) ** 2
    operations = 2 * work.multiply_adds / FORWARD * inputs / plan.recipe(run.task)["patch"] ** 2
    operations *= 1 + 8 * bool(plan.entry.get("self_ensemble"))
    seconds = operations / (SPEED if plan.entry.get("gpus") else CORE) + SCORING * megapixels
    return min(LONGEST, START + ceil(SLACK * seconds / 60))


def training_megabytes(plan: "Plan", task: str, model: str) -> int:
    """Memory of a training: of its processes, and of its network where that is not on a GPU."""
    devices = plan.entry.get("gpus", 0)
    processes = max(1, devices) * (1 + plan.entry.get("workers", 0))
    work = counted().get(step_of(plan, task, model))
    held = 0
    if work and not devices:
        recipe = plan.recipe(task, model)
        items = recipe["batch"] // recipe.get("accumulate", 1)
        held = work.bytes_besides + items * work.bytes_item + 4 * COPIES * work.parameters
    return PROCESS * (1 + processes) + ceil(SLACK * held / 1e6)
