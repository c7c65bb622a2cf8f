"""A workflow that is killed at random moments ends as one that nobody disturbed."""

import sys

import pytest
from campaign import KILLS, Campaign
from killing import COMMANDS, PLANNING, Process


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_thirty_kills_leave_no_trace(tmp_path):
    """Where they fall depends on the machine. `python -m tests.workflow.chaos` spends more."""
    campaign = Campaign(tmp_path, seed=0)
    campaign.kill(30)
    told = "\n".join(campaign.table())
    assert sum(campaign.hits.values()) == 30 and campaign.files >= 40, told
    assert {stage for stage, _ in campaign.hits} <= set(KILLS), told
    assert {kind for _, kind in campaign.hits} >= {"group", "job", "snakemake"}, told


PYTHON = "/venv/bin/python3"


@pytest.mark.parametrize(
    ("words", "stage"),
    [
        ("python -m semanir data degrade deblur motion in out", "degrade"),
        (f"{PYTHON} /venv/bin/semanir gate accept --scale smoke", "accept"),
        ("python -m semanir gate check", ""),
        (f"{PYTHON} /venv/bin/snakemake --cores 2 results/smoke/results.csv", ""),
        ("tee logs/semanir", ""),
    ],
)
def test_stages_are_told_by_their_command(words, stage):
    process = Process(1, 0, tuple(words.split()))
    assert process.stage == stage
    assert process.is_snakemake == ("snakemake" in words)


def test_shells_are_no_jobs():
    """Their command line names what they start."""
    line = "snakemake --cores 2 && semanir gate accept"
    assert Process(1, 0, ("bash", "-c", line)).stage == ""
    assert not Process(1, 0, ("/bin/bash", "-c", "python -m semanir train")).is_snakemake
    assert set(KILLS) == {PLANNING, *COMMANDS}
