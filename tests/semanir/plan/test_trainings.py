"""What trainings answer for and cost, and which a budget pays for; without torch."""

import sys
from dataclasses import replace

import pytest
from checkout import python

from semanir.errors import InputError
from semanir.plan import cells as printed
from semanir.plan import plan as planning
from semanir.plan import trainings
from semanir.plan.cells import QUALITY, cells, paper_tables, tables
from semanir.plan.models import trained_models
from semanir.plan.plan import Plan
from semanir.plan.trainings import parse_budget, trainings_priced
from semanir.plan.work import Work, step_of

PAPER = Plan("paper")


def days_of(one):
    """By hand: two operations a multiply-add, at 20 TFLOP/s."""
    work = trainings.counted()[step_of(PAPER, one.run.task, one.run.model)]
    return len(one.seeds) * 2 * work.multiply_adds * one.batch * one.iterations / 20e12 / 86400


def test_every_training_and_every_cell_that_needs_one_is_there_once():
    priced = trainings_priced(PAPER)
    networks = {(run.training.model, run.task) for run in PAPER.evaluations() if run.trained}
    assert {one.network for one in priced} == networks and len(priced) == len(networks)
    answered = [cell for one in priced for cell in one.cells]
    planned = [
        cell
        for table in tables()
        if not table.startswith("extra_")
        for cell in cells(table)
        if cell.metric in QUALITY and PAPER.answer(cell).model in trained_models()
    ]
    assert sorted(map(str, answered)) == sorted(map(str, planned)) and len(planned) > 100
    by_network = {one.network: one for one in priced}
    blind = by_network["semanir-u", "denoise_color-blind"]
    assert blind.tables == {"table07": 9} and {c.task for c in blind.cells} == {"denoise_color"}
    assert by_network["semanir-u-window8", "denoise_gray-sigma25"].tables == {"table05": 3}
    assert by_network["semanir-u", "denoise_gray-multi"].cells == ()


def test_prices_are_those_of_the_counted_work():
    priced = trainings_priced(PAPER)
    assert all(one.device_days == pytest.approx(days_of(one)) for one in priced)
    assert 60 < sum(one.device_days for one in priced) < 90  # 73 days, as documents say
    one = next(one for one in priced if one.network == ("semanir-s", "sr-x4"))
    work = trainings.counted()[step_of(PAPER, "sr-x4", "semanir-s")]
    assert (one.batch, one.iterations, one.devices) == (16, 1_000_000, 1)
    # 12,017,487 parameters, as of the network: weights and two moments; gradients are of the step
    assert work.parameters == 12_017_487
    assert one.disk == 4 * 4 * work.parameters
    assert one.memory == work.bytes_besides + 16 * work.bytes_item + 3 * 4 * work.parameters


def test_the_order_is_cells_per_day():
    first, *rest = trainings_priced(PAPER)
    assert first.network == ("semanir-u", "denoise_color-blind")  # of Figure 4
    rates = [len(one.cells) / days_of(one) for one in rest]
    assert rates == sorted(rates, reverse=True)
    idle = [days_of(one) for one in rest if not one.cells]
    assert idle == sorted(idle) and len(idle) > 10


@pytest.fixture
def made_up(monkeypatch):
    """Every step costs as much as its network's parameters say: U 1 day, others 5."""
    made = {}
    for one in trainings_priced(PAPER):
        step = step_of(PAPER, one.run.task, one.run.model)
        days = 1 if "semanir-u" in step.preset else 5
        work = days * 86400 * 20e12 / 2 / one.batch / one.iterations
        made[step] = Work(work, 1, 0, 1)
    monkeypatch.setattr(trainings, "counted", lambda: made)


def test_a_budget_pays_in_that_order_for_what_fits(made_up):
    """Of 16, 9, 6, 4, 4, ... cells a day; what is too dear is passed over."""
    whole = trainings_priced(PAPER)
    paid = [one for one in trainings_priced(replace(PAPER, budget=4.5)) if one.paid]
    assert [one.network for one in paid] == [one.network for one in whole[:4]]
    dearest = [one.network[0] for one in whole if one.cells].index("semanir-s")
    paid = [one for one in trainings_priced(replace(PAPER, budget=dearest + 2.0)) if one.paid]
    assert all("semanir-u" in one.network[0] for one in paid) and len(paid) == dearest + 2
    all_days = sum(one.device_days for one in whole)
    assert all(one.paid for one in trainings_priced(replace(PAPER, budget=all_days + 0.01)))


def test_the_plan_leaves_out_what_is_not_paid_for(made_up):
    small = replace(PAPER, budget=4.5)
    paid = {one.network for one in trainings_priced(small) if one.paid}
    left = {run for run in small.evaluations() if run.trained}
    assert {(run.training.model, run.task) for run in left} == paid
    whole, rest = set(PAPER.evaluations()), set(small.evaluations())
    assert rest < whole
    assert {run for run in whole - rest if not run.trained and run.model != "input"} == set()
    records = small.records(paper_tables()) + small.ablation_records()
    trained = [run.record for run in PAPER.evaluations() if run.trained and run not in left]
    assert not set(trained) & set(records)
    assert len(small.train_records(tables())) == len(paid)
    assert small.figure_run in left
    shown = small.visual_runs(paper_tables())
    assert {(run.model, run.task) for run in shown if run.trained} <= paid


def test_too_small_a_budget_names_what_it_takes(made_up):
    with pytest.raises(InputError, match=r"budget 0\.5d .* Figure 4.* give 1d or more"):
        replace(PAPER, budget=0.5).evaluations()


def test_work_that_nobody_counted_has_no_price(monkeypatch):
    monkeypatch.setattr(trainings, "counted", dict)
    priced = trainings_priced(PAPER)
    assert {(one.device_days, one.memory, one.disk) for one in priced} == {(None, None, None)}
    with pytest.raises(InputError, match=r"no price of the network of Figure 4.*measure\.work"):
        trainings_priced(replace(PAPER, budget=1000.0))


@pytest.mark.parametrize(
    ("text", "days"), [("20d", 20), ("12h", 0.5), ("1.5 d", 1.5), ("3", 3), ("", None)]
)
def test_a_budget_is_days_or_hours(text, days):
    assert parse_budget(text) == days


@pytest.mark.parametrize("text", ["20 weeks", "-1d", "0", "d", "1e3"])
def test_what_is_no_budget_is_refused(text):
    with pytest.raises(InputError, match=r"is no time; give device days or hours"):
        parse_budget(text)


def test_pricing_the_paper_scale_needs_no_torch():
    program = (
        "import sys; from semanir.plan.plan import Plan\n"
        "from semanir.plan.trainings import trainings_priced\n"
        "assert trainings_priced(Plan('paper', budget=20.0))\n"
        "assert not {'torch', 'pandas', 'numpy.random'} & {*sys.modules} - {'numpy.random'}"
    )
    done = python(program)
    assert done.returncode == 0, done.stderr


def calls_of_planning(monkeypatch, copies):
    """Function calls that planning and pricing make where every table is there so many times."""
    names = [f"{name}-{copy}" for name in tables() for copy in range(copies)]
    all_cells = {
        name: tuple(
            replace(cell, table=name, row=f"{cell.row} {name}")
            for cell in cells(name.rpartition("-")[0])
        )
        for name in names
    }
    with monkeypatch.context() as patched:
        for module in (planning, trainings):
            patched.setattr(module, "cells", all_cells.__getitem__)
        patched.setattr(planning, "tables", lambda: names)
        patched.setattr(trainings, "paper_tables", lambda: names)
        plan, count = Plan("paper", budget=20.0), 0

        def note(frame, event, argument):
            nonlocal count
            count += event == "call"

        planning._answers.cache_clear()
        planning._evaluation_sets.cache_clear()
        sys.setprofile(note)
        try:
            planned = plan.evaluations()
            files = plan.records(names)
        finally:
            sys.setprofile(None)
            planning._answers.cache_clear()
            planning._evaluation_sets.cache_clear()
        assert planned and files
    return count, sum(map(len, all_cells.values()))


@pytest.mark.parametrize(
    ("few", "many"), [(1, 4), pytest.param(4, 85, marks=pytest.mark.slow)], ids=["5k", "100k"]
)
def test_a_plan_takes_time_in_proportion_to_its_cells(monkeypatch, few, many):
    """Counted in function calls; twice what proportion says would be far from the square."""
    less, cells_of_less = calls_of_planning(monkeypatch, few)
    more, cells_of_more = calls_of_planning(monkeypatch, many)
    assert cells_of_more == many / few * cells_of_less
    assert more / less < 1.3 * many / few
    assert printed.tables() == tables()
