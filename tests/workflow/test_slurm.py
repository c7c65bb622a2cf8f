"""The workflow on a real Slurm of two nodes, tests/cases/loopback_slurm.py; all of it slow.

One run meets both accidents: one training is at its time limit, the node of the other one vanishes.
"""

import json
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from checkout import ENVIRONMENT, REPOSITORY, copy_of_repository
from filelock import FileLock
from loopback_slurm import CORES, NODES, cluster, wait_for
from micro import tables_alone
from safetensors.numpy import load_file
from typed import without_work

from reports.collect import COLUMNS, read_results
from reports.evidence import COSTS
from semanir import paths
from semanir.plan import needs
from semanir.plan.plan import Plan
from semanir.plan.runs import Run

pytestmark = pytest.mark.slow

RESULTS = paths.RESULTS.format(scale="smoke")
# of the workflow: a training that meets its time limit, one whose node vanishes
LIMITED = Run("smoke", "denoise_gray-sigma50", "semanir-u", 0)
STRANDED = Run("smoke", "sr-x2", "semanir-s", 0)
HELD_AT = 40  # the first iteration after which a state is saved
# until they are killed these go no further than their first state; one that began anew would be
# held again, and forever
HOLD = f"""

_save = save_state


def save_state(training: Training) -> None:
    import time

    _save(training)
    runs = {{"{LIMITED.task}/{LIMITED.model}", "{STRANDED.task}/{STRANDED.model}"}}
    while training.step == {HELD_AT} and "/".join(training.folder.parts[-3:-1]) in runs:
        time.sleep(0.1)
"""
# only the node of the other training vanishes
EXTRA = "slurm_extra=machine.WARNED"
ELSEWHERE = f"""slurm_extra=lambda wildcards: machine.WARNED
            + " --exclude={NODES[0]}" * (wildcards.task == "{LIMITED.task}")"""
# the cluster has no accounting, and answers at once
OPTIONS = "--slurm-status-command squeue --slurm-init-seconds-before-status-checks 1"
OPTIONS += " --latency-wait 5"
# short jobs of a kind are one job of the cluster; four at a time, the nodes claim more cores than
# there are
TOGETHER = "--jobs 4 --groups degrade_set=sets evaluate=scores count=counts visual=pictures"
TOGETHER = f"{TOGETHER} --group-components sets=6 scores=6 counts=8 pictures=6".split()
# of the smoke scale: with the ablations they ask for every kind of job but `runtime`
TABLES = ("table10", "table12")
RELEASED = "denoise_gray-blind"  # the network that comes with the project and is evaluated


@pytest.fixture(scope="module")
def slurm(tmp_path_factory, of_all_workers):
    """One at a time, whatever worker of pytest has its tests."""
    with FileLock(of_all_workers / "slurm.lock"), cluster(tmp_path_factory.mktemp("slurm")) as one:
        yield one


def started(slurm, folder, *words):
    """Snakemake by the profile, in the background; what it says goes to a file."""
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm"]
    command += [*OPTIONS.split(), *words]
    environment = ENVIRONMENT | slurm.environment
    with (folder / "said").open("w") as file:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=file)


def finish(process, folder):
    """Wait for the end of a run, which has to be a good one."""
    try:
        code = process.wait(2400)
    finally:
        process.kill()
    assert code == 0, said(folder)[-6000:]


def said(folder):
    return (folder / "said").read_text()


def tensors(folder, run):
    return load_file(folder / run.weights)


@pytest.fixture(scope="module")
def disturbed(slurm, of_all_workers):
    """A copy in which two networks met an accident each, then the rest of TABLES was run.

    And of LIMITED and STRANDED each the first Slurm job as it ran, and all jobs in the end. The
    first worker that has a cluster makes it.
    """
    folder, jobs = of_all_workers / "disturbed", of_all_workers / "disturbed.json"
    if not jobs.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        tables_alone(copy_of_repository(folder), TABLES)
        for weights in (folder / "semanir/weights").glob("*.safetensors"):
            if weights.stem != RELEASED:
                weights.unlink()
        jobs.write_text(json.dumps(disturb(slurm, folder)))
    return folder, *json.loads(jobs.read_text())


def disturb(slurm, folder):
    """Run it with both accidents; (first job, all jobs) of each training."""
    state = folder / "semanir/train/state.py"
    state.write_text(state.read_text() + HOLD)
    rules = folder / "semanir/rules.smk"
    text = rules.read_text()
    assert text.count(EXTRA) == 1
    rules.write_text(text.replace(EXTRA, ELSEWHERE))
    process = started(slurm, folder, *(run.record for run in (LIMITED, STRANDED)))
    try:
        wait_until_held(process, folder)
        limited, stranded = (jobs_of(slurm, run)[0] for run in (LIMITED, STRANDED))
        assert [stranded["NodeList"], limited["NodeList"]] == [*NODES]
        slurm.end_soon(limited["JobId"])
        slurm.vanish(stranded["NodeList"])
        wait_for(lambda: jobs_of(slurm, STRANDED)[0]["JobState"] == "PENDING", slurm.log)
        slurm.begin_now()
        finish(process, folder)
        ended = [jobs_of(slurm, run) for run in (LIMITED, STRANDED)]
        slurm.start_node(stranded["NodeList"])
        process = started(slurm, folder, RESULTS, *TOGETHER)
        finish(process, folder)
    finally:
        process.kill()
    return [*zip((limited, stranded), ended, strict=True)]


def wait_until_held(process, folder):
    """Until both trainings have saved a state, beyond which they do not go."""
    states = [(folder / run.weights).with_name("state.pt") for run in (LIMITED, STRANDED)]

    def held():
        return process.poll() is not None or all(state.is_file() for state in states)

    wait_for(held, lambda: said(folder)[-6000:], 1200)
    assert process.poll() is None, said(folder)[-6000:]


def jobs_of(slurm, run):
    """What Slurm says of the trainings of a run, oldest first."""
    name = f"_{run.scale}_{run.task}_{run.model}_"
    return [job for job in slurm.jobs_of("train") if name in job["Comment"]]


def test_a_training_at_its_time_limit_is_submitted_again_and_goes_on(disturbed, finished):
    folder, (first, (killed, again)), _ = disturbed
    assert (killed["JobId"], killed["JobState"]) == (first["JobId"], "TIMEOUT")
    assert again["JobState"] == "COMPLETED"
    assert_equal_training(folder, finished, LIMITED)


def test_a_training_whose_node_vanishes_goes_on_elsewhere(disturbed, finished):
    folder, _, (first, (job,)) = disturbed
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1")
    assert job["NodeList"] != first["NodeList"]
    assert_equal_training(folder, finished, STRANDED)


def assert_equal_training(folder, finished, run):
    """Bitwise the weights of a run that nothing disturbed, on no cluster; every line of its log."""
    ours, theirs = tensors(folder, run), tensors(finished, run)
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)
    logs = [(where / run.weights).with_name("log.jsonl") for where in (folder, finished)]
    steps = [[json.loads(line)["step"] for line in log.read_text().splitlines()] for log in logs]
    assert steps[0] == steps[1] and steps[0][0] < HELD_AT < steps[0][-1]


def test_a_cluster_measures_what_one_machine_measures(disturbed, finished):
    """Every row of results.csv to the last bit, but times and what memory a machine gives."""
    folder, *_ = disturbed
    ours, theirs = (read_results(one / RESULTS) for one in (folder, finished))
    assert {"psnr", "psnr_tiled", "params", "weights"} < set(ours["metric"])
    key = [*COLUMNS[:8]]
    ours, theirs = (
        rows[~rows["metric"].str.contains(COSTS)].set_index(key)["value"] for rows in (ours, theirs)
    )
    # which network has its pictures shown depends on the tables
    others = ours.index.difference(theirs.index)
    assert all(name.startswith("psnr_crop") for name in others.get_level_values("metric"))
    ours = ours.drop(others)
    assert len(ours) > 300
    pd.testing.assert_series_equal(ours, theirs.loc[ours.index], check_exact=True)


# --- what jobs ask for --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asked(slurm, tmp_path_factory):
    """What Slurm says of a training on two GPUs, and of what is timed; the work is a stub."""
    folder = without_work(tmp_path_factory.mktemp("asked"))
    scales = folder / "semanir/plan/scales.yaml"
    text = scales.read_text()
    assert text.count("gpus: 1\n") == 2
    scales.write_text(text.replace("gpus: 1\n", "gpus: 2\n"))
    rules = folder / "semanir/rules.smk"
    stub = '"touch {output} {log}"'
    told = '"echo {params.launcher} $CUDA_VISIBLE_DEVICES >> told; touch {output} {log}"'
    before, rule, after = rules.read_text().partition("rule train:")
    rules.write_text(before + rule + after.replace(stub, told, 1))
    plan = Plan("gpu")
    for name in plan.training_files("sr-x2"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
    targets = ["results/gpu/train/sr-x2/semanir-s/seed0/train.json"]
    targets += ["results/gpu/cost/runtime.json"]
    extra = 'train:slurm_extra="--nice=100 --signal=TERM@300"'
    words = [*targets, "--config", "scale=gpu", "--set-resources", extra]
    finish(started(slurm, folder, *words), folder)
    return folder, slurm.jobs_of("train")[-1], slurm.jobs_of("runtime")[-1]


def test_several_gpus_are_one_task_on_one_node(asked):
    """--ntasks-per-gpu=1, a default once, ran the command twice with a GPU each."""
    folder, job, _ = asked
    launcher = needs.PROCESSES.format(2)
    assert (folder / "told").read_text() == f"python -m {launcher} 0,1\n"
    assert (job["NumNodes"], job["NumTasks"], job["CPUs/Task"]) == ("1", "1", "16")
    assert job["TresPerJob"].endswith("gpu:2")


def test_a_training_asks_for_the_time_and_memory_of_its_plan(asked):
    """Those that the rule states, tests/semanir/plan/test_needs.py has which they are."""
    folder, job, _ = asked
    shown = r"^rule train:\n(?:    .+\n)*?    resources: (.+)$"
    stated = re.search(shown, said(folder), re.MULTILINE)[1]
    minutes, megabytes = (
        int(re.search(rf"\b{name}=(\d+)", stated)[1]) for name in ("runtime", "mem_mb")
    )
    days, _, clock = job["TimeLimit"].rpartition("-")
    hours, rest, _ = map(int, clock.split(":"))
    assert (24 * int(days or 0) + hours) * 60 + rest == minutes
    assert f"mem={megabytes}M," in job["TRES"]


def test_several_options_of_slurm_extra_are_passed_on(asked):
    """As docs/clusters.md quotes them."""
    _, job, _ = asked
    assert job["Nice"] == "100"
    quoted = "--set-resources 'train:slurm_extra=\"--nice=100 --signal=TERM@300\"'"
    assert quoted in (REPOSITORY / "docs/clusters.md").read_text()


def test_what_is_timed_has_a_node_to_itself(asked):
    *_, job = asked
    assert (job["NumNodes"], job["NumCPUs"], job["OverSubscribe"]) == ("1", str(CORES), "NO")
