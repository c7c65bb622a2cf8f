"""What is missing: every number that is not measured as printed is in one row, with its command."""

import shlex
from collections import Counter

import pytest
from made_records import eval_record

from baselines.registry import released_systems
from reports.collect import read_records
from reports.evidence import Evidence, judge_cells
from reports.legend import AS_PRINTED
from reports.pages.missing import gaps, trainings
from reports.tables.layouts import default_tables
from semanir.plan import configuration
from semanir.plan.cells import QUALITY, cells
from semanir.plan.models import is_ours
from semanir.plan.plan import Plan
from semanir.plan.runs import Run

ALL = [cell for table in default_tables() for cell in cells(table)]
NUMBERS = [cell for cell in ALL if cell.kind == "number"]


def planned(command):
    """(target, plan) of a command of a row."""
    words, _, options = command.partition(" --config ")
    *head, target = words.split()
    assert head == ["snakemake", "--cores", "4"]
    plan, _ = configuration.read(dict(option.split("=", 1) for option in shlex.split(options)))
    return target, plan


@pytest.mark.parametrize("made", ["nothing", "everything"])
def test_every_number_is_resolved_or_in_one_row(made, request):
    """Rows and resolved numbers make all 786, with and without results; the cheapest row first."""
    records = request.getfixturevalue("everything") if made == "everything" else []
    judged = judge_cells(ALL, [Evidence("smoke", read_records(records))])
    missing = gaps(judged)
    resolved = sum(v.verdict in AS_PRINTED for v in judged if v.cell.kind == "number")
    assert sum(gap.count for gap in missing) + resolved == len(NUMBERS) == 786
    assert bool(resolved) == (made == "everything")
    order = [(not gap.command, gap.iterations, gap.bytes) for gap in missing]
    assert order == sorted(order) and order[0][0] is False and order[-1][0] is True
    # SemanIR's own, table by table
    own = Counter(c.table for c in NUMBERS if is_ours(c.method) and c.metric in QUALITY)
    rows = [gap for gap in missing if gap.reason.startswith("SemanIR's own")]
    assert {gap.tables[0]: gap.count for gap in rows} == own
    assert all(len(gap.tables) == 1 and gap.trainings for gap in rows)


def test_commands_plan_what_they_name(noncommercial):
    """With what they name every number that a row counts would be measured as printed."""
    judged = judge_cells(ALL, [Evidence("smoke", read_records([]))])
    named = set()
    for gap in filter(lambda gap: gap.command, gaps(judged)):
        target, plan = planned(gap.command)
        places = {
            "all": plan.evaluations,
            f"results/{plan.scale}/systems.csv": lambda plan=plan: [
                run for run in plan.runs(default_tables()) if not run.trained
            ],
        }.get(target, lambda plan=plan, gap=gap: plan.runs(gap.tables))()
        assert gap.trainings == len(trainings(places)), gap.command
        named |= set(plan.systems)
        if target.startswith("reports/"):
            assert target == f"reports/{gap.tables[0]}.html" and plan.scale == "paper"
        else:
            assert gap.trainings == 0 or target == "all"
    answers = [Plan("paper").answer(cell) for cell in NUMBERS]
    assert {a.model for a in answers if a.task} & set(released_systems()) <= named


def first_number(table, method, dataset):
    """The first printed PSNR of a method on a set."""
    wanted = (method, dataset, "PSNR", "number")
    return next(c for c in cells(table) if (c.method, c.dataset, c.metric, c.kind) == wanted)


BASE = "snakemake --cores 4"
MINI = f"{BASE} results/mini/systems.csv --config scale=mini"
PAPER = f"{BASE} results/paper/systems.csv --config scale=paper"
OWN = f"{BASE} reports/{{}}.html --config scale=paper"
ACCEPTED = "accept_noncommercial=true"


@pytest.mark.parametrize(
    ("cell", "command", "reason"),
    [
        ("table04 JPEG LIVE1", MINI, "inputs, and released weights that the mini scale"),
        ("table02 SemanIR GoPro", OWN.format("table02"), "full-size network trained as printed"),
        ("table10 SemanIR-S Set5", OWN.format("table10"), "full-size network trained as printed"),
        ("table10 SwinIR Set5", f"{MINI} systems={{swinir}}", "when asked for"),
        ("table10 SwinIR Manga109", PAPER, "inputs, and released weights that the paper scale"),
        ("table10 RCAN Set5", f"{MINI} weights_dir=FOLDER systems={{rcan}}", "by hand"),
        ("table07 Restormer CBSD68", f"{MINI} {ACCEPTED} systems={{restormer}}", "non-commercial"),
        ("table10 SAN Set5", "", "its repository carries no licence file"),
        ("table08 SwinIR Test1", "", "no weights for weather-blind were released"),
    ],
)
def test_a_row_by_hand(tmp_path, cell, command, reason):
    """One number alone; systems of the scale are named with the one that is asked for."""
    input_scores, scores = ([("embedded_rgb", name, 25, 0, 0)] for name in ("qf10", "motion"))
    measured = [
        eval_record(tmp_path, "jpeg_color-blind", "input", input_scores),
        eval_record(tmp_path, "deblur-motion", "semanir-u", scores),
    ]
    evidence = [Evidence("smoke", read_records(measured))]
    (gap,) = gaps(judge_cells([first_number(*cell.split())], evidence))
    if "{" in command:
        system = command.partition("{")[2].rstrip("}")
        wanted = {system, *Plan("mini").systems}
        names = ",".join(name for name in released_systems() if name in wanted)
        command = command.replace(f"{{{system}}}", names)
    assert (gap.command, gap.count, gap.tables) == (command, 1, [cell.split()[0]])
    assert reason in gap.reason


def test_a_tiny_network_on_the_printed_set_is_still_missing(tmp_path):
    """Its number is shown, and the row of SemanIR's own counts it."""
    record = eval_record(tmp_path, "sr-x2", "semanir-s", [("set5", "x2", 36.0, 0.9, 0.9)])
    evidence = [Evidence("mini", read_records([record]).assign(scale="mini"))]
    (judged,) = judge_cells([first_number("table10", "SemanIR-S", "Set5")], evidence)
    assert (judged.measured, judged.verdict) == (36.0, "scaled down")
    (gap,) = gaps([judged])
    assert gap.count == 1 and gap.command == OWN.format("table10")
    # SemanIR-S and SemanIR-B, x2 and x4
    assert (gap.trainings, gap.iterations) == (4, 4_000_000)
    assert "GB" in gap.size


def test_what_is_measured_as_printed_is_in_no_row(tmp_path):
    record = eval_record(tmp_path, "jpeg_color-blind", "input", [("live1", "qf10", 25.69, 0, 0)])
    evidence = [Evidence("mini", read_records([record]).assign(scale="mini"))]
    judged = judge_cells([first_number("table04", "JPEG", "LIVE1")], evidence)
    assert judged[0].verdict == "match" and gaps(judged) == []


def test_trainings_are_counted_once():
    runs = [Run("mini", "sr-x2", model, 0) for model in ("semanir-b", "semanir-b-at-k8", "input")]
    assert trainings(runs) == [runs[0]]
