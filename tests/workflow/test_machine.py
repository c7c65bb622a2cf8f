"""What the workflow takes for granted of its machine: cores, Python, time alone, a kill."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest
from checkout import REPOSITORY, copy_of_repository
from typed import program, typed, without_work, worked

from semanir.errors import InputError
from semanir.plan.machine import WHOLE, use_this_python

GREY, COLOUR = (f"data/sets/embedded_{name}/index.json" for name in ("gray", "rgb"))
CORES = len(os.sched_getaffinity(0))


@pytest.fixture
def project(tmp_path):
    return copy_of_repository(tmp_path / "project")


RULES = """from semanir.plan import machine
machine.use_every_core(workflow)

rule wide:
    output: "{name}.done"
    threads: 5000
    shell: "echo {threads} > {output}"
"""


@pytest.mark.parametrize(("option", "cores"), [("", CORES), ("-j 3", 3)])
def test_every_core_unless_something_is_said(tmp_path, option, cores):
    """--jobs alone means cores, as it does without a profile."""
    (tmp_path / "Snakefile").write_text(RULES)
    said = worked(typed(f"snakemake {option} one.done", tmp_path))
    assert f"Provided cores: {cores}\n" in said
    assert int((tmp_path / "one.done").read_text()) == cores


# `together` ends only once its twin has started; `timed` would see either of them, if it could
ALONE_RULES = """from semanir.plan import machine

rule all:
    input: "a.together", "b.together", "c.timed", "d.timed"

rule together:
    output: "{name}.together"
    params: other=lambda wildcards: {"a": "b", "b": "a"}[wildcards.name]
    shell:
        "echo start {wildcards.name} | tee -a events > {wildcards.name}.started;"
        " for i in $(seq 600); do [ -e {params.other}.started ] && break; sleep 0.1; done;"
        " [ -e {params.other}.started ] && sleep 1 &&"
        " echo end {wildcards.name} | tee -a events > {output}"

rule timed:
    output: "{name}.timed"
    resources: **machine.ALONE
    shell:
        "echo start {wildcards.name} >> events; sleep 1;"
        " echo end {wildcards.name} | tee -a events > {output}"

machine.share(workflow)
"""


def test_what_is_timed_runs_alone_and_all_else_does_not(tmp_path):
    """By the order of events; whatever --resources, --max-threads and --jobs say."""
    (tmp_path / "Snakefile").write_text(ALONE_RULES)
    command = "snakemake --cores 8 --jobs 8 --max-threads 1 --resources gpu=1 machine=9000"
    worked(typed(f"{command} --default-resources mem_mb=10", tmp_path))
    events = (tmp_path / "events").read_text().splitlines()
    assert len(events) == 8
    starts, ends = ({n: events.index(f"{what} {n}") for n in "abcd"} for what in ("start", "end"))
    assert all(ends[name] == starts[name] + 1 for name in "cd")
    assert max(starts["a"], starts["b"]) < min(ends["a"], ends["b"])


# a cluster of one machine: the job runs in the background, what was asked for is noted
SUBMIT = """#!/bin/sh
echo "$1 $2" >> asked
sh "$3" > /dev/null 2>&1 &
echo $!
"""


@pytest.mark.slow  # the executor waits 40 seconds before it looks after its jobs
def test_on_a_cluster_the_machine_that_submits_limits_nothing(tmp_path):
    """Threads are passed on, however small it is; a job that is timed lets others start beside it.

    Here `timed` waits for `together`, which needs both of its jobs: all four must run at once.
    """
    rules = ALONE_RULES.replace("sleep 1;", "while [ ! -e a.together ]; do sleep 0.1; done;")
    rules = rules.replace("machine\n", "machine\n\nmachine.use_every_core(workflow)\n", 1)
    rules = rules.replace("    resources:", "    threads: 5000\n    resources:")
    (tmp_path / "Snakefile").write_text(rules)
    program(tmp_path / "submit", SUBMIT)
    command = "snakemake --executor cluster-generic --jobs 4 --seconds-between-status-checks 1"
    submit = "--cluster-generic-submit-cmd './submit {rule} {threads}'"
    worked(typed(f"timeout 300 {command} {submit}", tmp_path))
    asked = sorted((tmp_path / "asked").read_text().splitlines())
    assert asked == ["timed 5000", "timed 5000", "together 1", "together 1"]


@pytest.mark.slow
def test_the_rules_that_measure_run_alone(project):
    """As a dry run tells: price and runtime take the machine, all others one share."""
    measured = ("price.txt", "cost/runtime.json")
    targets = " ".join(f"results/smoke/{name}" for name in measured)
    said = worked(typed(f"snakemake -n {targets} {GREY} --resources gpu=1", project))
    told = re.findall(r"^rule (\w+):\n(?:    .+\n)*?    resources: (.+)$", said, re.MULTILINE)
    shares = {name: int(re.search(r"\bmachine=(\d+)", resources)[1]) for name, resources in told}
    alone = {"price", "runtime"}
    assert {name for name, share in shares.items() if share != 1} == alone < set(shares)
    for name, resources in told:
        whole = [word in resources for word in ("slurm_extra=--exclusive", f"machine={WHOLE}")]
        assert whole == [name in alone] * 2


@pytest.mark.slow
def test_the_price_comes_first_and_hides_no_change(tmp_path):
    """A new recipe changes both: the training is planned at once, not by the command after."""
    folder = without_work(tmp_path)
    target = "results/mini/price.txt results/mini/train/sr-x2/semanir-s/seed0/train.json"
    command = f"snakemake {target} --config scale=mini"
    order = re.findall(r"rule (\w+):", worked(typed(command, folder)))
    assert (order[0], order[-1]) == ("price", "train")
    scales = folder / "semanir/plan/scales.yaml"
    text = scales.read_text(encoding="utf-8")
    changed = re.sub(r"(?<=iterations: )880\b", "881", text)
    assert changed != text
    scales.write_text(changed, encoding="utf-8")
    planned = re.findall(r"rule (\w+):", worked(typed(f"{command} -n", folder)))
    assert sorted(planned) == ["price", "train"]


@pytest.mark.slow
def test_jobs_use_the_python_that_runs_snakemake(project, tmp_path):
    """Whatever `python` comes first on PATH. Profile and cores are there from any folder, too."""
    program(tmp_path / "bin/python", "#!/bin/sh\necho the wrong python >&2\nexit 9\n")
    command = f"snakemake -s project/Snakefile -d project {GREY}"
    said = worked(typed(command, tmp_path, tmp_path / "bin"))
    assert "the wrong python" not in said and (project / GREY).is_file()
    assert "profiles/default" in said and f"Provided cores: {CORES}\n" in said


@pytest.mark.parametrize("main", ["", "raise SystemExit(1)\n"], ids=["success", "error"])
def test_snakemake_ends_with_its_last_job(project, main):
    """Although it looks for jobs again an hour after each that has ended."""
    path = project / "semanir/__main__.py"
    path.write_text(main + path.read_text())
    command = f"timeout -s KILL 300 snakemake {GREY} --max-jobs-per-timespan 1000/1h"
    assert typed(command, project).returncode == bool(main)


def test_a_folder_without_python_is_refused_by_name(tmp_path, monkeypatch):
    """Else the next `python` of PATH would run the jobs."""
    monkeypatch.setattr(sys, "executable", str(program(tmp_path / "python3", "")))
    monkeypatch.setenv("PATH", "unchanged")
    with pytest.raises(InputError, match=re.escape(str(tmp_path))):
        use_this_python()
    assert os.environ["PATH"] == "unchanged"


# what Snakemake asks of conda, and environments that hold a python and note what is done to them
CONDA = """#!/bin/sh
base=$(dirname "$(dirname "$0")")
case "$1 $2" in
"info --json") printf '{"conda_prefix": "%s", "platform": "linux-64"}' "$base" ;;
"--version ") echo conda 25.1.0 ;;
"config --get") echo '{"get": {"channel_priority": "strict"}}' ;;
"env create")
    for word; do
        [ "$before" = --file ] && cp "$word" "$base/environment.yml"
        [ "$before" = --prefix ] && mkdir -p "$word/bin" && cp "$base/python" "$word/bin/python"
        before=$word
    done ;;
"clean -y") ;;
*) echo "not a conda: $*" >&2; exit 1 ;;
esac
"""
ACTIVATE = 'PATH="$1/bin:$PATH"; export PATH\n'


@pytest.mark.slow
def test_conda_makes_one_environment_and_its_python_runs_the_jobs(project, tmp_path):
    """With a stand-in for conda: the file it gets, what pip is told, whose python runs."""
    base = tmp_path / "conda"
    program(base / "bin/conda", CONDA)
    program(base / "bin/activate", ACTIVATE)
    noted = f'#!/bin/sh\necho "$PWD|$*" >> {shlex.quote(str(base / "noted"))}\n'
    program(base / "python", f'{noted}[ "$2" = pip ] || exec {shlex.quote(sys.executable)} "$@"\n')
    command = f"snakemake {GREY} --sdm conda"
    worked(typed(f"{command} -n", project, base / "bin"))
    assert not (base / "noted").exists()
    worked(typed(command, project, base / "bin"))
    given, own = (folder / "environment.yml" for folder in (base, REPOSITORY))
    assert given.read_bytes() == own.read_bytes()
    pip, job = (base / "noted").read_text().splitlines()
    assert pip == f"{project}|-m pip install --no-deps -e . -r baselines/requirements.txt"
    assert job.startswith(f"{project}|-m semanir data prepare embedded_gray ")
    assert (project / GREY).is_file()


@pytest.mark.slow
def test_after_kill_9_two_commands_resume(project):
    """The same command names the lock; --unlock takes it away; then only what is missing is made.

    The killed job has left a file that looks finished.
    """
    prepare = project / "semanir/__main__.py"
    real = prepare.read_text()
    hang = """import sys, time
from pathlib import Path
if "embedded_rgb" in sys.argv:
    (Path(sys.argv[-1]) / "index.json").write_text("half")
    Path("hangs").touch()
    time.sleep(600)
"""
    prepare.write_text(real.replace("from ", f"{hang}\nfrom ", 1))
    command = f"snakemake {GREY} {COLOUR}"
    options = {"cwd": project, "env": os.environ | {"PYTHONPATH": str(project)}}
    options |= {"start_new_session": True, "stderr": subprocess.DEVNULL}
    running = subprocess.Popen([sys.executable, "-m", *command.split()], **options)
    while not ((project / "hangs").exists() and (project / GREY).exists()):
        assert running.poll() is None
        time.sleep(0.1)
    time.sleep(2)  # for Snakemake to note that the first job has ended
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    made = (project / GREY).stat().st_mtime_ns
    prepare.write_text(real)

    refused = typed(command, project)
    assert refused.returncode and "--unlock" in refused.stderr
    assert (project / COLOUR).read_text() == "half"
    worked(typed(f"snakemake --unlock && {command}", project))
    assert json.loads((project / COLOUR).read_text())
    assert (project / GREY).stat().st_mtime_ns == made
