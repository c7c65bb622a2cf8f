"""The verdict box: every number recomputed from results and print by a few lines of pandas."""

import re

import pandas as pd
import pytest
from checkout import REPOSITORY
from made_records import eval_record
from pages import Page
from printed import find

from reports.claims import claims
from reports.claims.claims import read_claims
from reports.collect import read_records
from reports.evidence import Evidence, judge_cells
from reports.legend import AS_PRINTED
from reports.pages import index
from reports.pages.verdict_box import HEADLINES, box, headlines, read_ledger
from reports.tables.layouts import default_tables
from reports.tables.verdicts import JudgedCell
from semanir.errors import InputError
from semanir.plan.cells import cells

OURS = ["SemanIR", "SemanIR-S", "SemanIR-B"]


def printed():
    """All printed numbers, straight from the CSVs."""
    files = [REPOSITORY / "reports/paper" / f"{name}.csv" for name in default_tables()]
    frames = [pd.read_csv(file, dtype=str, keep_default_na=False) for file in files]
    numbers = pd.concat(frames, ignore_index=True)
    return numbers[numbers["kind"] == "number"].assign(value=lambda n: n["value"].astype(float))


@pytest.fixture(scope="module")
def evidence(everything, tmp_path_factory):
    """Made-up records of the smoke scale, and measured on printed sets in another file.

    DnCNN on McMaster at sigma 15 as printed, 1 dB above and 1 dB below; SwinIR on Set5 as printed.
    """
    folder, records = tmp_path_factory.mktemp("mini"), []
    levels = {"sigma15": 33.45, "sigma25": 31.52 + 1, "sigma50": 28.62 - 1}
    for task, model, scores in (
        ("denoise_color-blind", "dncnn", [("mcmaster", at, p, 0, 0) for at, p in levels.items()]),
        ("sr-x2", "swinir", [("set5", "x2", 38.42, 0.1, 0.1)]),
        ("sr-x2", "semanir-s", [("set5", "x2", 36.0, 0.9, 0.9)]),
    ):
        records.append(eval_record(folder, task, model, scores))
    mini = read_records(records).assign(scale="mini")
    return [Evidence("smoke", read_records(everything)), Evidence("mini", mini, "box", "there")]


@pytest.fixture(scope="module")
def boxed(evidence):
    return box([c for name in default_tables() for c in judge_cells(cells(name), evidence)])


def test_what_is_printed_is_counted(boxed):
    numbers = printed()
    scores = numbers[numbers["metric"].isin(["PSNR", "SSIM"])]
    counts = numbers["metric"].isin(["params", "FLOPs", "stages", "layers_per_stage"])
    assert boxed.numbers == len(numbers) == 786
    assert boxed.own == scores["method"].isin(OURS).sum() == 142
    assert boxed.other == (~scores["method"].isin(OURS)).sum() == 551
    assert boxed.counts == counts.sum() == 58


def test_scores_of_others_are_held_against_print(boxed, evidence):
    """Three cells of DnCNN and both of SwinIR, whose SSIM is too low, joined by hand."""
    measured = evidence[1].by_image
    numbers = printed()
    differences = []
    for model, method, dataset, single in (
        ("dncnn", "DnCNN", "McMaster", "yes"),
        ("swinir", "SwinIR", "Set5", "no"),
    ):
        rows = numbers[(numbers["method"] == method) & (numbers["dataset"] == dataset)]
        rows = rows[(rows["single_model"] == single) & (rows["task"] != "denoise_gray")]
        own = measured[measured["model"] == model]
        own = own.replace({"metric": {"psnr": "PSNR", "ssim_matlab": "SSIM"}})
        joined = rows.merge(own, left_on=["setting", "metric"], right_on=["level", "metric"])
        limit = joined["metric"].map({"PSNR": 0.02, "SSIM": 0.0006})
        differences.append((joined["value_y"] - joined["value_x"]) / limit)
    units = pd.concat(differences)
    found = (boxed.match, boxed.higher, boxed.lower)
    assert found == ((units.abs() <= 1.0001).sum(), (units > 1.0001).sum(), (units < -1.0001).sum())
    assert found == (2, 1, 2)


def test_counts_are_held_against_print(boxed, evidence):
    """Parameters in millions and multiply-adds in 10^9, equal to every printed digit."""
    results = evidence[0].by_image
    matches = {"own": 0, "other": 0}
    differ, in_favour = 0, 0
    for table in default_tables():
        for cell in judge_cells(cells(table), evidence):
            if cell.cell.kind != "number" or cell.cell.metric not in (
                *("params", "FLOPs"),
                *("stages", "layers_per_stage"),
            ):
                continue
            rows = results[(results["metric"] == cell.cell.metric) & (results["task"].isna())]
            rows = rows[rows["model"] == cell.facts.get("model")]
            rows = rows[rows["level"] == cell.facts.get("level")]
            if rows.empty:
                continue
            unit = {"params": 1e6, "FLOPs": 1e9}.get(cell.cell.metric, 1)
            places = len(cell.cell.value.partition(".")[2])
            same = round(rows["value"].iloc[0] / unit, places) == float(cell.cell.value)
            matches["own" if cell.cell.method in OURS else "other"] += same
            differ += not same
            if not same and cell.cell.metric in ("params", "FLOPs"):
                fewer = rows["value"].iloc[0] / unit < float(cell.cell.value)
                in_favour += fewer == (cell.cell.method in OURS)
    assert boxed.fitted == matches["own"] > 0
    assert boxed.counts_match == sum(matches.values())
    assert boxed.counts_differ == differ > 0
    assert boxed.in_favour == in_favour == 6


def test_our_own_are_reproduced_by_nothing_small(boxed, evidence):
    """Two numbers of a tiny network on Set5 are shown, and reproduce nothing."""
    assert (boxed.reproduced, boxed.small) == (0, 2)
    resolved = boxed.match + boxed.higher + boxed.lower + boxed.counts_match + boxed.counts_differ
    assert boxed.resolved == resolved


def test_stand_ins_are_counted_once(boxed, evidence):
    """Scores on embedded photographs of what printed cells ask for, from the results alone."""
    results = evidence[0].results
    scores = results[results["dataset"].astype(str).str.startswith("embedded_")]
    asked = set()
    for table in default_tables():
        for one in judge_cells(cells(table), evidence):
            if one.near is not None:
                metric = {"PSNR": "psnr", "SSIM": "ssim_matlab"}[one.cell.metric]
                facts = one.near.facts
                asked.add((facts["model"], facts["task"], facts["level"], metric))
    keys = scores[["model", "task", "level", "metric"]].itertuples(index=False, name=None)
    assert boxed.stand_ins == len(asked & set(keys)) == len(asked)
    assert boxed.stand_ins < sum(
        one.near is not None for t in default_tables() for one in judge_cells(cells(t), evidence)
    )


def test_trainings_are_those_of_the_printed_cells(boxed):
    """One for every task and level that a cell of ours needs, counted from print."""
    numbers = printed()
    own = numbers[numbers["method"].isin(OURS) & numbers["metric"].isin(["PSNR", "SSIM"])]
    level = own["setting"].where(
        own["task"].isin(["denoise_gray", "denoise_color", "jpeg_color"]), ""
    )
    level = level.where(own["task"] != "sr", own["setting"].str.extract("(x[0-9])")[0])
    level = level.mask((own["single_model"] == "yes"), "blind")
    needed = own.assign(level=level)[["task", "method", "level"]].drop_duplicates()
    assert boxed.trainings == len(needed)
    per_training = needed["task"].map({"deblur": 750_000, "weather": 750_000}).fillna(1_000_000)
    assert boxed.iterations == per_training.sum()
    # two operations a counted multiply-add, 20 TFLOP/s, batches as printed
    work = pd.read_csv(REPOSITORY / "semanir/plan/work.csv", keep_default_na=False)
    work = work[work["topk"] == "64 128 192 256 384 512"]
    keys = ["preset", "switches", "channels", "upscale", "patch"]
    of_step = work.set_index(keys)["multiply_adds"]
    operations = 0
    for one in needed.assign(iterations=per_training).itertuples():
        preset = {"SemanIR-S": "semanir-s", "SemanIR-B": "semanir-b"}.get(one.method, "semanir-u")
        upscale = int(one.level[1:]) if one.task == "sr" else 1
        patch = {"deblur": 192, "weather": 16}.get(one.task, 64)
        batch = {"deblur": 8, "weather": 32}.get(one.task, 16)
        window = one.level.partition("window")[2]
        switches = f"window={window}" if window else ""
        step = of_step[preset, switches, 1 if "gray" in one.task else 3, upscale, patch]
        operations += 2 * int(step) * batch * one.iterations
    assert boxed.device_days == pytest.approx(operations / 20e12 / 86400)


@pytest.mark.parametrize("verdict", [*AS_PRINTED, "scaled down", "not run"])
def test_what_is_measured_at_full_size_needs_no_training(verdict):
    """Whether it came out as printed or not."""
    names = ("SemanIR-S ×2", "SemanIR-S ×4")
    x2, x4 = (find("table10", row=row, dataset="Set5", metric="PSNR") for row in names)
    found = box([JudgedCell(x2, verdict), JudgedCell(x4, "not run")])
    needed = 1 if verdict in AS_PRINTED else 2
    assert (found.trainings, found.iterations) == (needed, needed * 1_000_000)


def test_headlines_are_claims_with_their_verdicts(evidence, tmp_path):
    assert set(HEADLINES.values()) <= {claim["id"] for claim in read_claims()}
    assert headlines(read_ledger(tmp_path)) == []
    claims.render(evidence, tmp_path)
    ledger = pd.read_csv(tmp_path / "claims.csv", dtype=str).set_index("id")
    shown = headlines(read_ledger(tmp_path))
    assert [one.id for one in shown] == list(HEADLINES.values())
    assert [(one.printed, one.verdict) for one in shown] == [
        tuple(ledger.loc[one.id, ["printed", "verdict"]]) for one in shown
    ]
    (tmp_path / "claims.csv").write_text("kind,verdict\nclaim,holds\n")
    with pytest.raises(InputError, match=r"claims\.csv has no column"):
        read_ledger(tmp_path)


def test_the_page_says_what_was_counted(boxed, evidence, tmp_path):
    index.render(evidence, tmp_path / "index.html")
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    (shown,) = re.findall(r'<section class="box".*?</section>', text, re.DOTALL)
    told = " ".join(" ".join(Page(shown).text).split())
    for words in (
        f"{boxed.reproduced} of {boxed.own} reproduced.",
        f"{boxed.small} are measured by smaller networks",
        f"{boxed.trainings} trainings",
        f"5 of {boxed.other} measured as printed: {boxed.match} match, {boxed.higher} higher",
        f"{boxed.lower} lower",
        f"{boxed.counts_match} of {boxed.counts} match , {boxed.fitted} of them of our networks",
        f"{boxed.counts_differ} differ, {boxed.in_favour} of them in SemanIR's favour",
        f"{boxed.stand_ins} measurements on photographs that stand in",
    ):
        assert words in told, (words, told)
