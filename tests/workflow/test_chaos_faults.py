"""What a machine does to a workflow besides killing it: no space, no memory, no right, no clock.

Each ends with one line that says what to do; the same command then ends as an undisturbed one.
"""

import json
import os
import re
import shutil

import pytest
from killing import Run
from micro import PAGES, RESULTS, TRAINING, command, micro
from mounts import mounted, remounted
from typed import typed, worked
from whole import faults, made

pytestmark = pytest.mark.slow

WEIGHTS = f"{TRAINING}/weights.safetensors"
SCORES = "results/smoke/eval/deblur-motion/semanir-u/seed0.json"
CROPS = "results/smoke/visual/deblur-motion/semanir-u/seed0.json"
ASKED = "snakemake --cores 2 {} --config mirror=mirror"

# sitecustomize.py: in iteration 8 of a training, while the state after 6 is the last that is saved
PLANTED = """import os, resource, signal, sys
from pathlib import Path
if "train" in sys.orig_argv and "smoke" in sys.orig_argv:
    import torch
    from semanir.train import loop
    iterate = loop.iterate
    def disturbed(training, *batch):
        if training.step == 7:
            {what}
        return iterate(training, *batch)
    loop.iterate = disturbed
"""
STARVED = """size = 1024 * int(Path("/proc/self/status").read_text().split("VmSize:")[1].split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (size, size))
            torch.empty(2**28)"""


# until the log of both says that the second waits; Snakemake removes the log before the second, so
# that for a moment there is none
HANGS = """import os, time
            Path("hangs").touch()
            log = "logs/smoke/train/deblur-motion-semanir-u-seed0.log"
            while os.system(f"grep -qs 'another process trains in' {log}"):
                time.sleep(0.1)"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A copy in which the small workflow has ended."""
    folder = micro(tmp_path_factory.mktemp("undisturbed"))
    worked(typed(command(cores=1), folder))
    return folder


@pytest.fixture
def project(undisturbed, tmp_path):
    """A copy of it to disturb."""
    return shutil.copytree(undisturbed, tmp_path / "project")


def without(project, *names):
    """The copy, where some files or folders have not been made yet."""
    for name in names:
        path = project / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def plant(project, what):
    """Let something happen within the training; returns how to take it away."""
    planted = project / "sitecustomize.py"
    planted.write_text(PLANTED.format(what=what), encoding="utf-8")
    return planted.unlink


def ends_as(undisturbed, project, *names):
    """The same command again: all that it makes is whole, and as if nothing had happened."""
    worked(typed(ASKED.format(" ".join(names)), project))
    assert all((project / name).is_file() for name in names)
    assert [*faults(project, undisturbed, set())] == []


def iterations(project):
    return json.loads((project / TRAINING / "train.json").read_text())["iterations_this_time"]


def one_error(told):
    """The line with which a job ended; no traceback."""
    assert "Traceback" not in told
    lines = [line for line in told.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, told[-3000:]
    return lines[0]


def failed(project, *names):
    done = typed(ASKED.format(" ".join(names)), project)
    assert done.returncode
    return done.stdout + done.stderr


def test_a_training_on_a_full_disk_goes_on_from_its_last_state(undisturbed, project):
    """There is room for a state of 0.8 MB, not for the next beside it."""
    without(project, TRAINING)
    with mounted(project / TRAINING, "size=1200k") as folder:
        told = one_error(failed(project, WEIGHTS))
        assert f"no space left to write {TRAINING}/state.pt" in told
        assert (folder / "state.pt").is_file() and not list(folder.glob(".*partial"))
        remounted(folder, "size=8m")
        ends_as(undisturbed, project, WEIGHTS)
        assert iterations(project) == 9


@pytest.mark.parametrize(
    ("record", "others"), [(SCORES, 8192), (CROPS, 0)], ids=["before the work", "after it"]
)
def test_an_evaluation_on_a_full_disk(undisturbed, project, record, others):
    """Of 8 KB, which others have filled or which the record does not fit into."""
    without(project, record)
    with mounted((project / record).parent, "size=8k") as folder:
        (folder / "others").write_bytes(bytes(others))
        told = one_error(failed(project, record))
        assert "no space left to write" in told and record.rpartition("/")[0] in told
        assert [path.name for path in folder.iterdir()] == ["others"]
        remounted(folder, "size=1m")
        ends_as(undisturbed, project, record)


def test_pages_on_a_full_disk(undisturbed, project):
    """The verb that Snakemake runs: its own folder holds templates as well."""
    records = " ".join(str(path) for path in made(project) if path.match("eval/*/*/seed0.json"))
    line = f"semanir report table table02 {records} --scale smoke --out pages"
    with mounted(project / "pages", "size=8k") as folder:
        done = typed(line, project)
        assert done.returncode == 2 and "no space left" in one_error(done.stderr)
        assert not (folder / "table02.html").exists()
        remounted(folder, "size=1m")
        worked(typed(line, project))
        page = (folder / "table02.html").read_bytes()
    assert page == (undisturbed / "reports/table02.html").read_bytes()


def test_read_only_results_are_named_and_kept(undisturbed, project):
    """Nothing is computed for them; what is there is still read."""
    shutil.rmtree(project / "results/smoke/cost")
    with mounted(project / "results/smoke/cost", "ro"):
        told = failed(project, "results/smoke/cost/semanir-s/count.json")
        assert "Read-only file system: 'results/smoke/cost/semanir-s'" in told
        assert "Finished jobid" not in told
        without(project, PAGES[-1])
        worked(typed(f"semanir report claims --results {RESULTS} --out pages", project))


def dated(project, days, *names):
    """Set the time of files, and of all files below folders."""
    for name in names:
        paths = [project / name, *(project / name).rglob("*")]
        for path in paths:
            time = path.stat().st_mtime + 86400 * days
            os.utime(path, (time, time))


def jobs(project, *names):
    """The rules that a command would run."""
    told = worked(typed(ASKED.format(" ".join(names)) + " -n", project))
    return set(re.findall(r"^(?:local)?rule (\w+):", told, re.MULTILINE))


def test_a_clock_that_went_back_makes_nothing_again(undisturbed, project):
    """What is made today of files of tomorrow is kept, and up to date."""
    dated(project, 1, "data", "results", "reports")
    without(project, "reports/claims.html")
    assert jobs(project, *PAGES) == {"claims"}
    ends_as(undisturbed, project, *PAGES)
    assert jobs(project, *PAGES) == set()


def test_a_clock_that_went_back_hides_no_change(project):
    """What depends on a changed training is planned, though its files are of tomorrow."""
    dated(project, 1, "data", "results", "reports")
    scales = project / "semanir/plan/scales.yaml"
    text = scales.read_text(encoding="utf-8")
    scales.write_text(text.replace("iterations: 12\n", "iterations: 14\n", 1), encoding="utf-8")
    assert {"train", "evaluate", "visual", "collect", "table", "claims"} <= jobs(project, *PAGES)


def test_a_job_without_memory_ends_with_one_line(undisturbed, project):
    """The allocator's own error; the training goes on from its state."""
    without(project, TRAINING)
    mend = plant(project, STARVED)
    told = one_error(failed(project, WEIGHTS))
    assert "not enough memory" in told and "--cores 1" in told
    mend()
    ends_as(undisturbed, project, WEIGHTS)
    assert iterations(project) == 6


def test_a_signal_to_all_saves_the_state(undisturbed, project):
    """As a cluster sends it before it kills: Snakemake, shells, the training and its helper."""
    without(project, TRAINING)
    mend = plant(project, "os.killpg(0, signal.SIGTERM)")
    run = Run(ASKED.format(WEIGHTS), project, project / "told.log")
    run.wait_for_all()
    log = (project / "logs/smoke/train/deblur-motion-semanir-u-seed0.log").read_text()
    assert "SIGTERM: state saved after iteration 8" in log
    mend()
    ends_as(undisturbed, project, WEIGHTS)
    assert iterations(project) == 4


def test_a_second_snakemake_waits_for_jobs_that_outlive_the_first(undisturbed, project):
    """SIGKILL to Snakemake alone, within the training: both trainings write one folder in turn."""
    without(project, TRAINING)
    mend = plant(project, HANGS)
    run = Run(ASKED.format(WEIGHTS), project, project / "told.log")
    run.wait(until=(project / "hangs").exists)
    assert run.kill("snakemake", "train")
    mend()
    told = worked(typed(f"snakemake --unlock && {ASKED.format(WEIGHTS)}", project))
    run.wait_for_all()
    assert "another process trains in" in told
    assert [*faults(project, undisturbed, set())] == []
    lines = (project / TRAINING / "log.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(steps)
