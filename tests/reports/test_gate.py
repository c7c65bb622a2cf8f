"""The gate that guards PSNR: statistics by hand, verdicts, reports, and regressions planted."""

import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_records import count_record, eval_record

from baselines.registry import released_systems
from data_prep import degradations as degrade
from data_prep.degrade import degrade_set
from data_prep.prepare import prepare
from data_prep.tasks import get_task
from reports.collect import COLUMNS, METRICS, read_records
from reports.collect import main as collect_main
from reports.gate import accepted as reference
from reports.gate import gate, paired
from reports.gate import text as gate_text
from reports.gate.spreads import COLUMNS as SPREAD_COLUMNS
from reports.gate.spreads import Spread, Spreads
from reports.tables.layouts import default_tables
from semanir.errors import InputError
from semanir.evaluate import metrics
from semanir.plan import runs as plan

BLIND = "denoise_gray-blind"
SD = 0.005  # of a network trained anew, in every cell of these tests
CELL = "semanir-u on denoise_gray-blind, set_a sigma50: psnr"


def spreads_of(sd=SD, degrees=6, redrawn=False, seed_sd=0.1):
    """Spreads of the cells that tests have."""
    rows = [
        [task, "semanir-u", dataset, level, metric, sd * unit, degrees, seed_sd * unit, 7]
        for task, dataset, level in (
            *((BLIND, "set_a", level) for level in ("sigma15", "sigma50")),
            ("denoise_gray-sigma50", "embedded_gray", "sigma50"),
        )
        for metric in METRICS
        for unit in [1.0 if metric.startswith("psnr") else 0.02]
    ]
    return Spreads(pd.DataFrame(rows, columns=SPREAD_COLUMNS), redrawn)


@pytest.fixture(autouse=True)
def nothing_accepted(tmp_path, monkeypatch):
    """An empty folder of accepted files, known spreads, and no CI around the test."""
    monkeypatch.setattr("reports.gate.accepted.ACCEPTED", tmp_path / "accepted")
    (tmp_path / "accepted").mkdir()
    monkeypatch.setattr(
        "reports.gate.gate.read_spreads", lambda scale, redrawn: spreads_of(redrawn=redrawn)
    )
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def command(capsys):
    """Run the gate as a command; (exit code, lines of output, error)."""

    def run(*arguments):
        code = 0
        try:
            gate.main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            code = stopped.code
        out, error = capsys.readouterr()
        return code, out.splitlines(), error

    return run


def lines_of(values, *, model="semanir-u", metric="psnr", seed="0", task=BLIND, level="sigma50"):
    """Lines of one cell; values by image, or in order."""
    if not isinstance(values, dict):
        values = {f"image{number}": value for number, value in enumerate(values)}
    place = {"task": task, "model": model, "dataset": "set_a", "level": level}
    return pd.DataFrame(
        [
            place | {"seed": seed, "metric": metric, "image": image, "value": value}
            for image, value in values.items()
        ]
    )


def compared(accepted, candidate, spreads=None, **cell):
    """The line of a cell, given its values or its lines."""
    sides = [
        side if isinstance(side, pd.DataFrame) else lines_of(side, **cell)
        for side in (accepted, candidate)
    ]
    (line,) = paired.compare(*sides, spreads or spreads_of())
    return line


def psnr_records(folder, **rows):
    """Records of a network and its input: keys restored and degraded, dB by image."""
    models = {"restored": "semanir-u", "degraded": "input"}
    return [
        eval_record(
            folder,
            BLIND,
            models[key],
            [("set_a", "sigma50", psnr, 0.7, 0.72) for psnr in values],
        )
        for key, values in rows.items()
    ]


@pytest.fixture
def results(tmp_path):
    """Write a results.csv from values; returns its path."""

    def write(restored=(26.0, 27.5, 31.25, 24.0), degraded=(14.5, 15.0, 14.75, 14.25), counts=True):
        records = psnr_records(tmp_path, restored=restored, degraded=degraded)
        if counts:
            records.append(count_record(tmp_path, "semanir-s"))
        collect_main([str(tmp_path / "results.csv"), *map(str, records)])
        return tmp_path / "results.csv"

    return write


# --- chance of training ------------------------------------------------------------------------


def test_the_interval_with_printed_quantiles():
    """SD 0.005 of six degrees of freedom, one seed; t(0.975; 6) = 2.446912 as tables print it."""
    line = compared([30.0, 31, 32], [29.9, 30.8, 31.7])
    half = 2.446912 * SD * math.sqrt(2)
    assert line.interval == pytest.approx((-0.2 - half, -0.2 + half), abs=1e-6)


@pytest.mark.parametrize(
    ("sd", "seeds", "change", "verdict"),
    [
        (0.005, 1, -0.0501, "worse"),  # the tolerance decides where chance moves it by less
        (0.005, 1, -0.05, "passed"),
        (0.02, 1, -0.14, "uncertain"),  # t(0.999; 6) = 5.207627: 0.1473 dB
        (0.02, 1, -0.15, "worse"),
        (0.02, 4, -0.073, "uncertain"),  # half of it
        (0.02, 4, -0.075, "worse"),
        (0.3, 1, -1.0, "uncertain"),
    ],
)
def test_a_drop_counts_where_chance_does_not_explain_it(sd, seeds, change, verdict):
    before = pd.concat([lines_of([30.0, 31.0, 32.0], seed=str(n)) for n in range(seeds)])
    after = before.assign(value=before["value"] + change)
    line = compared(before, after, spreads_of(sd))
    assert line.verdict == verdict
    assert line.fails is (verdict == "worse")
    if verdict == "uncertain":
        assert "by chance" in line.reason


def test_images_are_no_seeds():
    """All twelve images fall alike, as one training moves them: no more certain than one."""
    before = np.linspace(25, 36, 12)
    assert compared(before, before - 0.14, spreads_of(0.02)).verdict == "uncertain"


def test_images_are_those_that_are_asked_about():
    """A drop of the mean is one, however the images differ: they are the same ones every time."""
    line = compared([30] * 4, [28.8, 30.6, 29.6, 30.2])
    assert line.verdict == "worse" and line.difference == pytest.approx(-0.2)


def test_without_a_measured_spread_the_tolerance_decides():
    other = lines_of([30, 31, 32], task="sr-x2")
    line = compared(other, other.assign(value=other["value"] - 0.4))
    assert (line.verdict, line.interval) == ("worse", None)
    assert "tolerance 0.05" in line.reason
    assert compared(other, other).interval == (0, 0)


def test_an_ablation_has_the_spread_of_what_it_changes():
    before = lines_of([30.0, 31.0], model="semanir-u-fixed")
    assert compared(before, before.assign(value=before["value"] - 0.1)).verdict == "worse"


def test_seeds_that_draw_other_numbers_move_by_the_spread_of_seeds():
    """SD 0.1 of seven degrees: sqrt(2) times t(0.999; 7) = 4.785 is 0.677 dB."""
    before = lines_of([30.0, 31.0])
    for change, verdict in ((-0.67, "uncertain"), (-0.69, "worse")):
        after = before.assign(value=before["value"] + change)
        assert compared(before, after, spreads_of(redrawn=True)).verdict == verdict
        assert compared(before, after).verdict == "worse"


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("sd", [0.0, 0.005, 0.02, 0.1, 0.4])
def test_chance_of_training_fails_one_cell_of_a_thousand(seeds, sd):
    """Spreads measured with six degrees of freedom, as they are; then trainings of true spread.

    The accepted results are a training, too. One in a hundred is what may fail, four standard
    errors of 20,000 cells are added to one in a thousand.
    """
    rng = np.random.default_rng(0)
    cells, degrees = 20_000, 6
    measured = sd * (rng.chisquare(degrees, cells) / degrees) ** 0.5
    moved = rng.normal(0, sd, (2, cells, seeds)).mean(-1)
    chance = measured * Spread(1.0, degrees).half_width(seeds, 1 - 2 * paired.CHANCE)
    fails = moved[0] - moved[1] < -np.maximum(0.05, chance)
    assert np.mean(fails) < paired.CHANCE + 4 * (paired.CHANCE / cells) ** 0.5 < 0.01


@pytest.mark.parametrize(
    ("change", "verdict"),
    [(0, "passed"), (-0.05, "passed"), (-0.0501, "worse"), (0.05, "passed"), (0.0501, "better")],
)
def test_the_tolerance_of_a_trained_network(change, verdict):
    """Inclusive, where chance moves it by less."""
    values = np.array([30.1, 25.7, 33.3])
    assert compared(values, values + change).verdict == verdict


# --- no chance -------------------------------------------------------------------------------


def weights_of(*values, model="semanir-u"):
    """Lines that say what trainings of some seeds gave."""
    lines = [
        lines_of({"": value}, metric="weights", seed=str(seed), model=model)
        for seed, value in enumerate(values)
    ]
    return pd.concat([lines_of({}), *lines]).assign(dataset="", level="")


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ((7,), (7,), "changed"),
        ((7,), (8,), "passed"),  # trained anew, within the tolerance
        ((7,), (), "passed"),  # not known
        ((), (7,), "passed"),
    ],
)
@pytest.mark.parametrize("change", [-0.0011, 0.0011])
def test_with_the_same_weights_no_image_may_move(before, after, change, verdict):
    values = lines_of([30.0, 31.0, 32.0])
    moved = values.assign(value=values["value"] + [0, change, 0])
    lines = paired.compare(
        pd.concat([values, weights_of(*before)]),
        pd.concat([moved, weights_of(*after)]),
        spreads_of(),
    )
    (line,) = [line for line in lines if line.metric == "psnr"]
    assert line.verdict == verdict
    if verdict == "changed":
        assert line.reason == f"image1 by {change:+.4f}"


def test_weights_are_those_of_every_seed_and_of_the_training():
    """One seed trained anew is chance; another k at inference has no training of its own."""
    values = pd.concat([lines_of([30.0], seed=str(n), model="semanir-u-at-k8") for n in range(2)])
    moved = values.assign(value=values["value"] - 0.01)
    for after, verdict in (((7, 8), "changed"), ((7, 9), "passed")):
        lines = paired.compare(
            pd.concat([values, weights_of(7, 8)]), pd.concat([moved, weights_of(*after)])
        )
        assert {line.metric: line.verdict for line in lines}["psnr"] == verdict


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ((0, 0, 0), "passed"),
        ((0.001, -0.001, 0.001), "passed"),
        ((0, 0, -0.0011), "changed"),
        ((0, 0, 0.0011), "changed"),  # an easier test set is a change as well
        ((0.3, -0.3, 0), "changed"),  # whose mean is 0
    ],
)
def test_a_row_without_training_may_not_move_in_any_image(changes, verdict):
    values = np.array([14.1512, 15.5, 16.25])
    line = compared(values, values + np.array(changes), model="input")
    assert line.verdict == verdict
    if verdict == "changed":
        worst = int(np.argmax(np.abs(changes)))
        assert line.reason == f"image{worst} by {changes[worst]:+.4f}"


@pytest.mark.parametrize(
    ("metric", "change", "verdict"),
    [
        ("ssim_matlab", -0.002, "passed"),
        ("ssim_zero_padded", -0.00201, "worse"),
        ("ssim_matlab_3d", 0.00201, "better"),
        ("psnr_rgb", -0.051, "worse"),
        ("median_ms", 900, "reported"),
        ("ratio", -0.5, "reported"),
        ("memory_cpu", 1e9, "reported"),
    ],
)
def test_the_kinds_of_metrics(metric, change, verdict):
    assert compared([0.5] * 3, [0.5 + change] * 3, metric=metric).verdict == verdict


@pytest.mark.parametrize("metric", [*paired.COUNTS, "FLOPs", "FLOPs_by_modules", "FLOPs_rest"])
@pytest.mark.parametrize("change", [1, -1])
def test_counts_are_exact(metric, change):
    """Fewer parameters are as wrong as more, in a trained model as in another."""
    for model in ("semanir-u", "swinir"):
        line = compared({"": 25_818_459}, {"": 25_818_459 + change}, metric=metric, model=model)
        assert (line.verdict, line.difference) == ("changed", change)


def test_equal_images_may_stay_equal_and_no_more():
    """inf - inf is 0; falling from inf to a number is the worst there is."""
    line = compared([np.inf, 30, 31], [np.inf, 30, 31])
    assert (line.verdict, line.difference, line.interval) == ("passed", 0, (0, 0))
    line = compared([np.inf, 30, 31], [50, 30, 31])
    assert (line.verdict, line.difference) == ("worse", -np.inf)
    line = compared([40, np.inf, 31], [np.inf, 50, 31])
    assert line.verdict == "worse"  # not hidden by the image that rose
    assert compared([50, 30, 31], [np.inf, 30, 31]).verdict == "better"
    assert compared([50, 30], [np.inf, 30], model="input").verdict == "changed"


def test_seeds_are_paired_each_with_itself():
    """Seed 1 is 2 dB above seed 0 and both fall by 0.1; crosswise they would not seem to."""
    accepted = pd.concat([lines_of([30, 31], seed="0"), lines_of([32, 33], seed="1")])
    candidate = pd.concat([lines_of([31.9, 32.9], seed="1"), lines_of([29.9, 30.9], seed="0")])
    line = compared(accepted, candidate)
    assert (line.n, line.verdict) == (4, "worse")
    half = 2.446912 * SD  # sqrt(2 / 2)
    assert line.interval == pytest.approx((-0.1 - half, -0.1 + half), abs=1e-6)

    line = compared(accepted, lines_of([30, 31], seed="0"))
    assert (line.verdict, line.n) == ("missing", 2)
    assert line.reason == "image0 seed 1, image1 seed 1"


# --- what cannot be compared ---------------------------------------------------------------------


def test_missing_images_fail_by_name_and_others_are_new():
    line = compared({"cat": 30, "dog": 31, "fox": 32}, {"cat": 30, "elk": 10, "fox": 32})
    assert (line.verdict, line.reason, line.n) == ("missing", "dog", 2)
    line = compared([30, 31, 32, 33, 34, 35], {"image0": 30})
    assert line.reason == "image1, image2, image3, image4 and 1 more"
    line = compared({"cat": 30}, {"cat": 30, "elk": 10})
    assert (line.verdict, line.reason) == ("passed", "1 more measured")


def test_a_missing_cell_fails_and_a_new_one_is_told():
    lines = paired.compare(lines_of([30, 31, 32]), lines_of([40, 41, 42], level="sigma15"))
    assert [(line.verdict, line.level, line.reason) for line in lines] == [
        ("missing", "sigma50", "all 3 images"),
        ("new", "sigma15", ""),
    ]
    assert lines[0].numbers == ["0", "31.0000", "", "", ""]
    assert lines[1].numbers == ["3", "", "41.0000", "", ""]
    assert [line.fails for line in lines] == [True, False]


def test_a_time_that_is_missing_is_only_told():
    other = lines_of([40])
    lines = paired.compare(pd.concat([lines_of({"": 5.0}, metric="median_ms"), other]), other)
    assert [(line.verdict, line.reason) for line in lines] == [
        ("reported", "not measured"),
        ("passed", ""),
    ]


@pytest.mark.parametrize("model", ["semanir-u", "input"])
def test_not_a_number_fails_by_name(model):
    line = compared({"cat": 30, "dog": 31}, {"cat": 30, "dog": np.nan}, model=model)
    assert (line.verdict, line.reason, line.n) == ("no number", "dog", 1)
    line = compared({"cat": 30}, {"cat": np.nan}, model=model)
    assert (line.verdict, line.reason, line.n) == ("no number", "cat", 0)


def with_input(restored, degraded=(14.0, 15.0, 16.0)):
    return pd.concat([lines_of(restored), lines_of(degraded, model="input", task="denoise_gray-x")])


def test_a_network_that_learnt_nothing_fails_below_the_tolerance():
    """It gained 0.04 dB: losing all of that is within 0.05 dB, and fails all the same."""
    accepted = with_input([14.04, 15.04, 16.04])
    for gain, verdict in ((0.04, "passed"), (0.02, "passed"), (0.019, "no gain"), (0, "no gain")):
        lines = paired.compare(accepted, with_input([14 + gain, 15 + gain, 16 + gain]))
        assert {line.model: line.verdict for line in lines}["semanir-u"] == verdict
    assert lines[0].reason == "gains 0.000 dB over its input, accepted 0.040"
    without = paired.compare(accepted, lines_of([14.04, 15.04, 16.04]))
    told = {line.model: (line.verdict, line.reason) for line in without}
    assert told["semanir-u"] == ("no gain", "its input was not measured")
    assert told["input"] == ("missing", "all 3 images")


def test_a_network_that_never_gained_need_not_gain():
    for gain in (-1, 0, 0.009):
        accepted = with_input([14 + gain, 15 + gain, 16 + gain])
        candidate = with_input([13.99 + gain, 14.99 + gain, 15.99 + gain])
        assert {line.verdict for line in paired.compare(accepted, candidate)} == {"passed"}


# --- accepting, and the command ------------------------------------------------------------------


def test_accepted_results_pass(results, command):
    """A round trip: accept, then check the same results, under every kind of metric."""
    path = results()
    code, out, _ = command("accept", "--scale", "smoke", "--results", path)
    cells = read_candidate_cells(path)
    assert (code, out) == (0, [f"smoke: {cells} cells accepted, all new"])
    code, out, _ = command("check", "--reference", "smoke", "--candidate", path)
    assert code == 0
    assert out[-1] == f"gate passed: {cells} cells: {cells} passed"
    assert len(out) == 1 + cells + 1  # a heading, a line per cell, the counts


def read_candidate_cells(path):
    return len(pd.read_csv(path).drop_duplicates([*paired.CELL]))


def test_the_accepted_file_is_sorted_and_says_where_it_is_from(results, command):
    path = results((26.00004, 27.5, math.inf, 24.0))
    command("accept", "--results", path)
    text = (reference.ACCEPTED / "smoke.csv").read_text()
    head, lines = reference.read_accepted(reference.ACCEPTED / "smoke.csv")
    assert head == {
        "scale": "smoke",
        "machine": "A Processor <at> 2 GHz & more, AVX2",
        "torch": "2.13.0",
        "commit": "0123456789ab",
        "date": "2026-01-02",
        "tolerances": "psnr 0.05 trained, 0.001 untrained; ssim 0.002 trained, 0.0001 untrained; "
        "count 0 trained, 0 untrained",
    }
    body = [line for line in text.splitlines() if not line.startswith("#")]
    assert body[0] == "task,model,dataset,level,seed,metric,image,accepted"
    assert body[1:] == sorted(body[1:])
    for line in (
        "denoise_gray-blind,semanir-u,set_a,sigma50,0,psnr,0.png,26.0000",
        "denoise_gray-blind,semanir-u,set_a,sigma50,0,psnr,2.png,inf",
        "denoise_gray-blind,input,set_a,sigma50,0,ssim_zero_padded,3.png,0.72000",
        ",semanir-s,,x2,,params,,11869775",
    ):
        assert line in body
    command("accept", "--results", path)
    assert (reference.ACCEPTED / "smoke.csv").read_text() == text
    assert list(lines.columns) == [*paired.KEY, "value"]


def test_accepting_anew_prints_the_difference(results, command):
    command("accept", "--results", results())
    code, out, _ = command("accept", "--results", results((26.1, 27.6, 31.35, 24.1), counts=False))
    assert code == 0
    heading = " ".join([*paired.CELL, "n accepted candidate difference interval at 95 % verdict"])
    assert " ".join(out[0].split()) == heading
    (moved,) = [line for line in out if "missing" not in line][1:-1]
    assert moved.split()[:5] == [BLIND, "semanir-u", "set_a", "sigma50", "psnr"]
    assert moved.split()[5:9] == ["4", "27.1875", "27.2875", "+0.1000"]
    assert sum("missing" in line for line in out) == 7  # the counts of semanir-s
    assert out[-1] == "smoke: 8 of 13 cells differ"
    assert command("check", "--reference", "smoke", "--candidate", results(counts=True))[0] == 1


def test_the_gate_fails_on_a_drop(results, command):
    """Failures come first; the last line counts."""
    command("accept", "--results", results())
    code, out, _ = command("check", "--candidate", results((25.9, 27.4, 31.15, 23.9)))
    assert code == 1
    assert out[1].split() == [
        *(BLIND, "semanir-u", "set_a", "sigma50", "psnr", "4", "27.1875", "27.0875", "-0.1000"),
        *("-0.1173", "..", "-0.0827", "worse", "(tolerance", "0.05)"),
    ]
    assert out[-1] == "gate FAILED: 13 cells: 1 worse, 12 passed"


def test_comparing_is_what_the_command_does_unless_told_otherwise(results, command):
    path = results()
    command("accept", "--results", path)
    named = command("check", "--candidate", path)
    assert command("--reference", "smoke", "--candidate", path) == named


def test_the_gate_passes_and_says_better(results, command):
    command("accept", "--results", results())
    code, out, _ = command("check", "--candidate", results((26.1, 27.6, 31.35, 24.1)))
    assert code == 0
    assert out[1].endswith("better (accept it anew?)")
    assert out[-1] == "gate passed: 13 cells: 1 better, 12 passed"


def test_the_reference_may_be_a_file(results, command, tmp_path):
    path = results()
    command("accept", "--results", path)
    (reference.ACCEPTED / "smoke.csv").rename(tmp_path / "mine.csv")
    assert command("check", "--reference", tmp_path / "mine.csv", "--candidate", path)[0] == 0


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("smok", "unknown scale 'smok'; did you mean smoke?"),
        ("mini", "nothing is accepted at the mini scale; run snakemake"),
        ("other.csv", "no accepted results other.csv; give a file, or a scale: smoke, mini"),
    ],
)
def test_a_reference_that_is_not_there(results, command, reference, message):
    code, out, error = command("check", "--reference", reference, "--candidate", results())
    assert (code, out) == (2, [])
    assert error.startswith(f"error: {message}") and error.count("\n") == 1


HEAD = "task,model,dataset,level,seed,metric,image,accepted\n"
GOOD = "denoise_gray-blind,semanir-u,set_a,sigma50,0,psnr,0.png,30\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "broken accepted results"),
        (HEAD, "has no lines"),
        ("task,model,accepted\nx,y,3\n", "has no column dataset"),
        (HEAD + GOOD.replace("30", ""), "every line needs an accepted value"),
        (HEAD + GOOD.replace("30", "nan"), "every line needs an accepted value"),
        (HEAD + GOOD.replace("30", "much"), "every line needs an accepted value"),
        (HEAD + GOOD + GOOD, "holds 1 lines twice, such as denoise_gray-blind, semanir-u, set_a"),
        ("# scale: mini\n" + HEAD + GOOD, "holds results of the smoke scale, mini is asked for"),
    ],
)
def test_bad_input_is_refused_in_one_line(results, command, tmp_path, text, message):
    """And no report of an earlier run is left to be taken for this one."""
    (tmp_path / "smoke.csv").write_text(text)
    (tmp_path / "old.xml").write_text("passed")
    code, _, error = command(
        *("check", "--reference", tmp_path / "smoke.csv", "--candidate", results()),
        *("--junit", tmp_path / "old.xml"),
    )
    assert code == 2
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "old.xml").exists()


def test_what_is_no_number_is_not_accepted(results, command):
    code, _, error = command("accept", "--results", results((math.nan, 27.5, 31.25, 24.0)))
    assert code == 2
    assert "1 values that are no number, such as denoise_gray-blind, semanir-u, set_a" in error
    assert not [*reference.ACCEPTED.iterdir()]


def test_no_candidate_and_a_candidate_of_another_scale(results, command, tmp_path):
    path = results()
    command("accept", "--results", path)
    code, _, error = command("check", "--candidate", tmp_path / "none.csv")
    assert code == 2 and "no results" in error
    code, _, error = command("accept", "--scale", "mini", "--results", path)
    assert code == 2 and "holds results of the smoke scale, mini is asked for" in error


# --- reports -------------------------------------------------------------------------------------

STRANGE = "se<t>&\"a'|`*_\x07 β,:%\n"


def test_junit_holds_a_case_per_cell(results, command, tmp_path):
    command("accept", "--results", results())
    path = results((25.9, 27.4, 31.15, 23.9))
    command("check", "--candidate", path, "--junit", tmp_path / "gate.xml")
    root = ElementTree.parse(tmp_path / "gate.xml").getroot()
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    for element in (root, suite):
        counts = {name: element.get(name) for name in ("tests", "failures", "errors", "skipped")}
        assert counts == {"tests": "13", "failures": "1", "errors": "0", "skipped": "0"}
    cases = suite.findall("testcase")
    assert len(cases) == len({case.get("name") for case in cases}) == 13
    assert all(case.get("classname") and case.get("time") == "0" for case in cases)
    (failed,) = [case for case in cases if case.find("failure") is not None]
    assert failed.get("name") == CELL
    assert failed.get("classname") == "gate.denoise_gray-blind"
    failure = failed.find("failure")
    assert failure.attrib == {"type": "worse", "message": "worse (tolerance 0.05)"}
    assert failure.text == (
        f"{CELL} 27.0875, accepted 27.1875 (-0.1000, n = 4, -0.1173 .. -0.0827): "
        "worse (tolerance 0.05)"
    )


def strange_lines():
    line = compared([30, 31, 32], [29, 30, 31])
    strange = {"model": STRANGE, "dataset": STRANGE, "reason": STRANGE}
    return [replace(line, **strange), replace(line, **strange, verdict="reported")]


def test_junit_survives_any_name():
    """What XML cannot hold at all is replaced, the rest comes back as it was."""
    root = ElementTree.fromstring(gate_text.junit(strange_lines(), STRANGE).encode())
    told = STRANGE.replace("\x07", "\ufffd")
    failed, skipped = root.iter("testcase")
    assert failed.find("failure").get("message") == f"worse ({told})"
    assert failed.get("name") == f"{told} on denoise_gray-blind, {told} sigma50: psnr"
    assert skipped.find("skipped") is not None
    assert root[0].get("skipped") == "1"


def test_markdown_shows_what_is_worth_a_look_and_folds_the_rest(results, command, tmp_path):
    command("accept", "--results", results())
    path = results((25.9, 27.4, 31.15, 23.9))
    command("check", "--candidate", path, "--markdown", tmp_path / "gate.md")
    text = (tmp_path / "gate.md").read_text()
    shown, folded = text.split("<details>")
    assert "gate FAILED: 13 cells: 1 worse, 12 passed" in shown
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert len(rows) == 3
    assert {row.count("|") for row in rows} == {len(gate_text.HEADINGS) + 1}
    assert "| -0.1173 .. -0.0827 | worse (tolerance 0.05) |" in rows[2]
    assert len([line for line in folded.splitlines() if line.startswith("|")]) == 2 + 12


def test_markdown_keeps_its_table_whatever_the_names():
    rows = gate_text.markdown(strange_lines(), STRANGE).splitlines()
    row = next(row for row in rows if "worse" in row and row.startswith("|"))
    assert len(re.findall(r"(?<!\\)\|", row)) == len(gate_text.HEADINGS) + 1
    assert r"se\<t\>&" in row and r"\|\`\*\_" in row


def test_annotations_are_workflow_commands():
    """Escaped as GitHub reads them; lines of one command each."""
    first, *others = gate_text.annotations(strange_lines())
    assert others == []
    assert first.startswith("::error title=gate%3A worse::")
    assert "\n" not in first and "%25%0A" in first
    better = compared([30, 31, 32], [31, 32, 33])
    new = paired.compare(lines_of([]).reindex(columns=[*paired.KEY, "value"]), lines_of([3]))
    levels = [line.split(" ")[0] for line in gate_text.annotations([better, *new])]
    assert levels == ["::warning", "::notice"]


def test_annotations_are_no_more_than_github_shows():
    line = compared([30, 31, 32], [29, 30, 31])
    assert len(gate_text.annotations([line] * 10)) == 10
    many = gate_text.annotations([line] * 30)
    assert len(many) == 10
    assert many[-1] == "::error title=gate::21 more, see the summary"


def test_annotations_come_by_option_and_on_github(results, command, tmp_path, monkeypatch):
    """There the Markdown goes to the summary of the step, after what is in it."""
    command("accept", "--results", results())
    path = results((25.9, 27.4, 31.15, 23.9))

    def commands(*options):
        _, out, _ = command("check", "--candidate", path, *options)
        assert out[-1].startswith("gate FAILED")
        return [line for line in out if line.startswith("::")]

    assert commands() == []
    assert len(commands("--github")) == 1
    (tmp_path / "step.md").write_text("before\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    (told,) = commands()
    assert told.startswith(f"::error title=gate%3A worse::{CELL} 27.0875, accepted 27.1875")
    assert (tmp_path / "step.md").read_text().startswith("before\n## Gate: smoke against smoke.csv")


@pytest.mark.parametrize(
    ("terminal", "no_color", "coloured"),
    [(True, None, True), (True, "", True), (True, "1", False), (False, None, False)],
)
def test_colour_on_a_terminal_alone(results, command, monkeypatch, terminal, no_color, coloured):
    command("accept", "--results", results())
    path = results((25.9, 27.4, 31.15, 23.9))
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    _, out, _ = command("check", "--candidate", path)
    assert ("\033[31mworse" in out[1]) is coloured
    assert not any("\033" in line for line in out[2:])


def test_columns_of_the_terminal_are_aligned(results, command):
    command("accept", "--results", results())
    _, out, _ = command("check", "--candidate", results((25.9, 27.4, 31.15, 23.9)))
    at = out[0].index("verdict")
    assert all(line[at - 2 : at] == "  " and line[at] != " " for line in out[1:-1])
    end = out[0].index("accepted") + len("accepted")
    assert all(line[end - 1].isdigit() and line[end] == " " for line in out[1:-1])


# --- files in git --------------------------------------------------------------------------------


def test_every_metric_of_the_tables_is_of_some_kind(everything):
    """None becomes "reported" because nobody thought of it."""
    told = set(read_records(everything)["metric"])
    others = {name for name in told if paired.kind_of(name) == "other"}
    costs = {"median_ms", "ratio", "memory_cpu", "memory_cuda", "memory_predicted"}
    costs |= {"train_seconds", "weights"}
    # of the median picture, which another rounding may make another one
    crops = {"psnr_crop", "psnr_crop_input"}
    assert others <= costs | crops
    assert {paired.kind_of(name) for name in METRICS} == {"psnr", "ssim"}
    assert {paired.kind_of(name) for name in plan.COUNTED} == {"count"}
    assert set(paired.KEY) <= set(COLUMNS)


@pytest.mark.parametrize(
    "path", sorted(reference.ACCEPTED.glob("*.csv*")), ids=lambda p: p.name.partition(".")[0]
)
def test_accepted_results_in_git_are_well_formed(path):
    """Known runs, finite numbers, a machine; networks and their inputs, counts and times."""
    head, lines = reference.read_accepted(path)
    scale, _, machine = path.name.partition(".")[0].partition("-")
    assert head["scale"] == scale
    assert all(head[name] for name in ("machine", "torch", "commit", "date", "tolerances"))
    assert np.isfinite(lines["value"]).all()
    planned = set(plan.records(scale, default_tables(), (), tuple(released_systems())))
    planned |= set(plan.ablation_records(scale))
    scored = lines[lines["metric"].isin(METRICS)]
    for task, model, seed in set(zip(scored["task"], scored["model"], scored["seed"], strict=True)):
        assert plan.Run(scale, task, model, int(seed)).record in planned
    kinds = {paired.kind_of(metric) for metric in lines["metric"]}
    assert kinds == set(paired.KINDS)
    if not machine:  # those of a machine may be of some tasks
        assert {"input", "semanir-u", "semanir-s", "semanir-b"} <= set(scored["model"])


def test_the_advice_on_results_destroys_nothing(tmp_path):
    """A candidate may be of another machine, and all there is of it."""
    path = tmp_path / "results.csv"
    for text in ("", "a,b\n1,2\n", ",".join(COLUMNS) + "\n" + "x," * (len(COLUMNS) - 1) + "x\n"):
        path.write_text(text)
        with pytest.raises(InputError, match=r"results\.csv") as refused:
            reference.read_candidate(path, "smoke")
        assert "delete" not in str(refused.value)


def test_lines_that_stand_twice_name_what_makes_them_anew(results, tmp_path):
    path = results()
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")
    with pytest.raises(InputError, match=r"holds 1 lines twice, .*python -m reports\.collect"):
        reference.read_candidate(path, "smoke")


# --- planted regressions -------------------------------------------------------------------------
#
# The embedded photographs, prepared, degraded and scored as the workflow does, twice: as the code
# is, which is accepted, and with one thing wrong.


def scores_of(folder, task_name, dataset, level, model="input", restorer=None):
    """Degrade a set, score what `restorer` makes of it, write a results.csv; returns its path."""
    from baselines.classical import DegradedInput
    from semanir.evaluate.evaluation import evaluate

    task = get_task(task_name)
    out = Path(plan.degraded_folder(task.family, dataset, level))
    degrade_set(task.family, level, Path("data/sets") / dataset, out)
    scores = evaluate(restorer or DegradedInput(task), task, [(dataset, level)])
    row = ("dataset", "level", "psnr", "ssim_matlab", "ssim_zero_padded")
    record = eval_record(folder, task_name, model, [tuple(s[name] for name in row) for s in scores])
    collect_main([str(folder / "results.csv"), str(record)])
    return folder / "results.csv"


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("embedded_gray", "embedded_rgb"):
        prepare(name, Path("data/sets") / name)


def failures(out):
    """Cells that fail, from the printed table."""
    return {
        (*line.split()[:5], verdict)
        for line in out
        for verdict in paired.FAILURES
        if f"  {verdict}" in line
    }


@pytest.mark.parametrize("sigma", [49, 51])
def test_other_noise_fails(photographs, command, tmp_path, monkeypatch, sigma):
    """Weaker noise too, which makes every number better."""
    place = ("denoise_gray-sigma50", "embedded_gray", "sigma50")
    command("accept", "--results", scores_of(tmp_path, *place))
    assert command("check", "--candidate", scores_of(tmp_path, *place))[0] == 0
    right = degrade.awgn
    other = {"awgn": lambda image, level, seed: right(image, sigma, seed)}
    monkeypatch.setattr(degrade, "DEGRADATIONS", degrade.DEGRADATIONS | other)
    code, out, _ = command("check", "--candidate", scores_of(tmp_path, *place))
    assert code == 1
    cell = ("denoise_gray-sigma50", "input", "embedded_gray", "sigma50")
    assert failures(out) == {
        (*cell, metric, "changed") for metric in ("psnr", "ssim_matlab", "ssim_zero_padded")
    }


def test_another_jpeg_quality_fails(photographs, command, tmp_path, monkeypatch):
    """41 instead of 40: a tenth of a dB."""
    place = ("jpeg_color-qf40", "embedded_rgb", "qf40")
    command("accept", "--results", scores_of(tmp_path, *place))
    right = degrade.jpeg
    other = {"jpeg": lambda image, level, seed: right(image, level + 1, seed)}
    monkeypatch.setattr(degrade, "DEGRADATIONS", degrade.DEGRADATIONS | other)
    code, out, _ = command("check", "--candidate", scores_of(tmp_path, *place))
    assert code == 1
    assert ("jpeg_color-qf40", "input", "embedded_rgb", "qf40", "psnr", "changed") in failures(out)


@pytest.mark.parametrize("border", [0, 1, 3, 4])
def test_another_metric_crop_fails(photographs, command, tmp_path, monkeypatch, border):
    """Some photographs score better, some worse, and the mean may hardly move."""
    place = ("sr-x2", "embedded_rgb", "x2")
    command("accept", "--results", scores_of(tmp_path, *place))
    wrong = replace(metrics.PROTOCOLS["sr-x2"], border=border)
    monkeypatch.setitem(metrics.PROTOCOLS, "sr-x2", wrong)
    code, out, _ = command("check", "--candidate", scores_of(tmp_path, *place))
    assert code == 1
    assert ("sr-x2", "input", "embedded_rgb", "x2", "psnr", "changed") in failures(out)


def denoise_by_attention(image, level, tile=None):
    """Non-local means: each patch of a window becomes the mean of the 8 most like it.

    The tiny networks of the smoke scale hardly use their attention (without the scaling of scores
    they move by 0.01 dB), so that what is planted in a kernel is looked for where it matters.
    """
    import torch
    import torch.nn.functional as F

    from semanir.attention import attend, build_dictionary

    height, width = image.shape
    side, radius = 16, 2
    padded = F.pad(torch.from_numpy(image)[None, None], (radius,) * 4, mode="reflect")
    patches = F.unfold(padded, 2 * radius + 1)[0].T  # [H*W,25]
    rows, columns = height // side, width // side
    patches = patches.reshape(rows, side, columns, side, -1).permute(0, 2, 1, 3, 4)
    patches = patches.reshape(rows * columns, side * side, -1)  # [B,N,25]
    tokens = F.normalize(patches - patches.mean(-1, keepdim=True), dim=-1)
    dictionary = build_dictionary(tokens, k=8, include_self=True)
    heads = (patches - patches.mean((1, 2), keepdim=True))[:, None]  # [B,1,N,25]
    means = attend(heads, heads, patches[:, None], dictionary, backend="mask")
    centre = means[:, 0, :, patches.shape[-1] // 2]  # [B,N]
    centre = centre.reshape(rows, columns, side, side).transpose(1, 2)
    return centre.reshape(height, width).numpy(), tile


@pytest.mark.parametrize("lost", [0, -1])
def test_a_kernel_that_drops_a_key_fails(photographs, command, tmp_path, monkeypatch, lost):
    """One of eight keys, the first or the last."""
    from semanir.attention import Dictionary, dispatch, mask

    where = ("denoise_gray-sigma50", "embedded_gray", "sigma50")
    place = (*where, "semanir-u", denoise_by_attention)
    command("accept", "--results", scores_of(tmp_path, *place))
    _, accepted = reference.read_accepted(reference.ACCEPTED / "smoke.csv")
    assert (
        accepted["value"][accepted["metric"] == "psnr"].min() > 16.5
    )  # the input has 14.4 to 14.9
    assert command("check", "--candidate", scores_of(tmp_path, *place))[0] == 0

    def wrong(q, k, v, dictionary, *others):
        kept = dictionary.indices[..., 1:] if lost == 0 else dictionary.indices[..., :-1]
        fewer = Dictionary(kept.contiguous(), dictionary.counts - 1)
        return mask.attend(q, k, v, fewer, *others)

    monkeypatch.setitem(dispatch.BACKENDS, "mask", wrong)
    code, out, _ = command("check", "--candidate", scores_of(tmp_path, *place))
    assert code == 1
    cell = ("denoise_gray-sigma50", "semanir-u", "embedded_gray", "sigma50")
    assert (*cell, "psnr", "worse") in failures(out)
