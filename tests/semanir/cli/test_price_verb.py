"""`semanir price --counted`: what trainings cost, at once."""

import json
import re

import pytest
from checkout import python
from restoring import fails, semanir

from semanir.plan.plan import Plan
from semanir.plan.trainings import trainings_priced


@pytest.fixture(scope="module")
def priced():
    return trainings_priced(Plan("paper", budget=5.0))


def test_the_table_says_what_is_paid_for(priced, capsys):
    semanir("price", "--scale", "paper", "--counted", "--budget", "5d")
    text = capsys.readouterr().out
    lines = text.splitlines()[2 : 2 + len(priced)]
    assert [line.split()[0] for line in lines] == [f"{p.run.task}/{p.run.model}" for p in priced]
    left_out = [not one.paid for one in priced]
    assert ["left out" in line for line in lines] == left_out and 0 < sum(left_out) < len(priced)
    paid = [one for one in priced if one.paid]
    days, cells = sum(one.device_days for one in paid), sum(len(one.cells) for one in paid)
    everything = sum(len(one.cells) for one in priced)
    found = re.search(r"(\d+) of (\d+) networks, (\d+) of (\d+) cells .* ([\d.]+) device", text)
    assert [float(x) for x in found.groups()] == [
        *(len(paid), len(priced), cells, everything),
        pytest.approx(days, abs=0.05),
    ]
    assert days <= 5 and "Budget: 5 device days" in text


def test_json_names_every_cell(priced, capsys):
    semanir("price", "--scale", "paper", "--counted", "--budget", "5d", "--json")
    read = json.loads(capsys.readouterr().out)
    assert [one["paid"] for one in read] == [one.paid for one in priced]
    assert read[0]["run"]["model"] == "semanir-u" and read[0]["tables"] == {"table07": 9}
    assert {cell["dataset"] for cell in read[0]["cells"]} == {"CBSD68", "McMaster", "Urban100"}


def test_a_wrong_budget_ends_with_one_line(capsys):
    said = fails(capsys, "price", "--counted", "--budget", "soon")
    assert "budget 'soon' is no time" in said
    assert "give" in fails(capsys, "price", "--counted", "--budget", "1h")


def test_no_torch_is_needed():
    program = (
        "import sys; from semanir.cli import main; main(['price', '--counted'])\n"
        "assert not {'torch', 'pandas'} & {*sys.modules}"
    )
    done = python(program)
    assert done.returncode == 0, done.stderr
