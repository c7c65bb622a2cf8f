"""The page of ablations and its figures, from made-up records."""

from xml.etree import ElementTree

import pandas as pd
import pytest
from made_records import denoised, eval_record, train_record

from reports.collect import means, read_records
from reports.evidence import Evidence
from reports.figures import figure03, plots
from reports.figures.figure03 import over_k
from reports.figures.figure05 import over_levels
from reports.figures.figure10 import over_steps
from reports.pages import ablations
from reports.pages.ablations import costs, shares
from reports.statistics.ablations import ablations as rows_of
from reports.statistics.comparison import signed
from reports.statistics.conclusions import compare_all
from reports.statistics.labels import changes, label
from semanir.plan.plan import Plan

TASK = "denoise_gray-sigma25"
GAINS = {
    "semanir-u": 0.0,
    "semanir-u-fixed": 0.1,
    "semanir-u-at-k8": -0.2,
    "semanir-u-fixed-at-k8": -0.4,
    "semanir-u-window16": 0.3,
}


def test_each_ablation_is_compared_with_what_it_changes_once(tmp_path):
    """A training with the base; another k at inference with the training it evaluates.

    What claims ask for besides is compared once, either way round.
    """
    asked = [("semanir-u", "semanir-u-window16"), ("semanir-u-at-k8", "semanir-u-fixed-at-k8")]
    claims = [{"measured": {"ablation": one, "against": other}} for one, other in asked * 2]
    run = Evidence("smoke", read_records(denoised(tmp_path, GAINS)))
    comparisons = compare_all([run], [{}, *claims]).comparisons
    assert {(one.model, one.against): one.mean for one in comparisons} == pytest.approx(
        {
            ("semanir-u-fixed", "semanir-u"): 0.1,
            ("semanir-u-at-k8", "semanir-u"): -0.2,
            ("semanir-u-fixed-at-k8", "semanir-u-fixed"): -0.5,
            ("semanir-u-window16", "semanir-u"): 0.3,
            ("semanir-u-at-k8", "semanir-u-fixed-at-k8"): 0.2,
        }
    )
    assert len(comparisons) == 5
    expected = "k at inference: 8, against k fixed in training, k at inference: 8"
    assert label(comparisons[-1]) == expected
    assert [label(one) for one in comparisons if "window" in one.model] == ["window: 16"]
    assert changes("semanir-u-at-k8") == "k at inference: 8"
    assert changes("semanir-u-at-k8 - semanir-u") == "(k at inference: 8) minus (semanir-u)"
    assert changes("semanir-u-with-mask") == "attention back end at inference: mask"
    assert changes("semanir-u-dense") == "all keys instead of the dictionary's"


def test_curves_over_k(tmp_path):
    """The trainings stand at the largest k of their recipe, 32; seeds are those of every k."""
    others = denoised(tmp_path, {"semanir-u": 0.0}, seeds=(3, 4))
    over = over_k(means(read_records(denoised(tmp_path, GAINS) + others)), "smoke")
    points = over.groupby(["training", "k"])["psnr"].agg(["mean", "size"])
    expected = {("fixed", 8): 32.1, ("fixed", 32): 32.6, ("random", 8): 32.3, ("random", 32): 32.5}
    assert points["mean"].to_dict() == pytest.approx(expected)
    assert set(points["size"]) == {3} and set(over["seed"]) == {0, 1, 2}
    against = over.groupby(["training", "k"])["difference"].mean()
    assert against["fixed"].to_dict() == pytest.approx({8: -0.5, 32: 0})
    assert against["random"].to_dict() == pytest.approx({8: -0.2, 32: 0}, abs=1e-9)
    one_training = {name: GAINS[name] for name in ("semanir-u", "semanir-u-at-k8")}
    assert over_k(means(read_records(denoised(tmp_path, one_training))), "smoke").empty


def test_levels_of_a_network_and_of_its_input(tmp_path):
    """Inputs on the sets of the networks; the one for more levels stands for the blind one."""
    color = [(name, "sigma25", 20.0, 0.9, 0.9) for name in ("mcmaster", "cbsd68")]
    grey = [("set12", f"sigma{n}", 30 + n, 0.9, 0.9) for n in (50, 15, 75, 25)]
    blind = [("set12", "sigma15", 9, 0, 0)]
    records = [
        eval_record(tmp_path, "denoise_color-blind", "input", color),
        eval_record(tmp_path, "denoise_color-blind", "semanir-u", color[:1]),
        eval_record(tmp_path, "denoise_gray-multi", "semanir-u", grey),
        eval_record(tmp_path, "denoise_gray-blind", "semanir-u", blind),
    ]
    over = over_levels(means(read_records(records)))
    shown = over[over["family"] == "denoise_color"][["model", "dataset"]].to_numpy().tolist()
    assert sorted(shown) == [["input", "mcmaster"], ["semanir-u", "mcmaster"]]
    assert list(over[over["family"] == "denoise_gray"]["psnr"]) == [45, 55, 80, 105]


def test_costs_are_shares_of_what_is_compared_with(tmp_path):
    scores = [("set12", "sigma25", 30.0, 0.9, 0.9)]
    records = []
    for model, count, seconds in (("semanir-u", 4e9, 10.0), ("semanir-u-dense", 5e9, 30.0)):
        counted = {"input": "1x256x256", "multiply_adds": count}
        records.append(eval_record(tmp_path, TASK, model, scores, counted=counted))
        records.append(train_record(tmp_path, model, [], TASK, seconds))
    results = read_records(records)
    assert costs(results, "semanir-u", TASK) == {"multiply_adds": 4e9, "seconds": 20.0}
    assert costs(results, "semanir-u-at-k8", TASK) == {"multiply_adds": None, "seconds": 20.0}
    (one,) = compare_all([Evidence("smoke", results)], ()).comparisons
    assert shares(results, one) == {"multiply_adds": 1.25, "seconds": 3.0}


def test_weights_and_the_course_of_a_training(tmp_path):
    """0x0102 is 258; a record without its hash has none. Seven validations are no course."""
    points = [[step, 30 + step / 1000] for step in range(100, 900, 100)]
    path = train_record(tmp_path, "semanir-b", points)
    results = read_records([path])
    assert results[results["metric"] == "weights"]["value"].tolist() == [258]
    short = train_record(tmp_path, "semanir-s", points[1:])
    course = over_steps(read_records([path, short]))[["model", "step", "psnr"]]
    assert course.to_numpy().tolist() == [["semanir-b", *point] for point in points]
    path.write_text(path.read_text().replace("tensors_sha256", "other"))
    assert set(read_records([path])["metric"]) == {"train_seconds", "holdout_psnr"}


@pytest.mark.parametrize("scale", ["mini", "release", "gpu", "paper"])
def test_every_scale_but_smoke_validates_often_enough_for_a_course(scale):
    recipe = Plan(scale).recipe("sr-x2", "semanir-s")
    assert recipe["iterations"] // recipe.get("validate_every", 5000) >= 8


def test_page_figures_and_numbers_are_written(tmp_path):
    scores = [("set12", "sigma15", 30, 0.9, 0.9)]
    both, task = ("semanir-u", "input"), "denoise_gray-blind"
    records = [eval_record(tmp_path, task, model, scores) for model in both]
    records += denoised(tmp_path, GAINS)
    records.append(train_record(tmp_path, "semanir-s", [(10 * n, 30 + n) for n in range(1, 9)]))
    family = ablations.render([Evidence("smoke", read_records(records))], tmp_path)
    assert "window: 16: +0.300 dB" in ablations.summary(family)
    page = (tmp_path / "ablations.html").read_text()
    assert page.count("<svg") == 5 and "http" not in page and "-0.000" not in page
    table = pd.read_csv(tmp_path / "ablations.csv").set_index("model")
    assert table.loc["semanir-u-window16", "conclusion"] == "better"
    assert table.loc["semanir-u-window16", "adjusted_p"] < 0.05
    better = list(table["conclusion"]).count("better")
    cell = '<td class="text match"><span aria-hidden="true">▲</span> better</td>'
    assert page.count(cell) == better
    lines = {"figure03": 12, "figure05": 2, "figure10": 8, "ablations": len(table)}
    for name, rows in lines.items():
        assert len(pd.read_csv(tmp_path / f"{name}.csv")) == rows
        text = (tmp_path / f"{name}.svg").read_text()
        assert ElementTree.fromstring(text).tag.endswith("svg") and "not measured" not in text


def test_a_scale_without_ablations_says_so(tmp_path):
    record = eval_record(tmp_path, "sr-x2", "semanir-s", [("set5", "x2", 30, 0.9, 0.9)])
    ablations.render([Evidence("release", read_records([record]))], tmp_path)
    page = (tmp_path / "ablations.html").read_text()
    assert "<svg" not in page and page.count("Not measured at this") == 3
    assert pd.read_csv(tmp_path / "figure03.csv").empty
    assert "not measured at the release scale" in (tmp_path / "figure03.svg").read_text()


def test_sets_of_a_task_are_one_row_and_say_where_they_differ(tmp_path):
    """One better, one within the margin: neither conclusion is that of the row."""
    records = []
    for model, gains in (("semanir-u", (0, 0)), ("semanir-u-dense", (0.2, 0.001))):
        for seed in range(3):
            scores = [
                (name, "sigma25", 30 + n + gain + seed / 1000 * bool(gain), 0.9, 0.9)
                for name, gain in zip(("set12", "bsd68"), gains, strict=True)
                for n in range(6)
            ]
            records.append(eval_record(tmp_path, TASK, model, scores, seed=seed))
    (row,) = rows_of(compare_all([Evidence("smoke", read_records(records))], ()))
    assert (row.label, row.task) == ("all keys instead of the dictionary's", TASK)
    assert sorted(row.conclusion.split(", ")) == ["1 better", "1 equal within 0.05 dB"]
    assert row.verdict.name == "inconclusive" and row.known
    assert (row.mean, row.seeds, row.images) == ("+0.002 to +0.201", "3", "6")
    assert row.interval.startswith("0.000 to") or row.interval.startswith("-0.00")
    assert [len(one.by_seed) for one, _ in row.places] == [3, 3]


def test_an_ablation_is_compared_in_the_best_run_that_has_it(tmp_path):
    """One of one seed stands beside those of several; never are two runs mixed."""

    def run(scale, gains, seeds):
        folder = tmp_path / scale
        folder.mkdir()
        return read_records(denoised(folder, gains, seeds=seeds)).assign(scale=scale)

    mini = run("mini", {"semanir-u": 0, "semanir-u-dense": 0.1}, (0, 1, 2))
    new = {"semanir-u": 5, "semanir-u-dense": 7, "semanir-u-window16": 6}
    smoke = run("smoke", new, (0,))
    family = ablations.render([Evidence("smoke", smoke), Evidence("mini", mini, "box")], tmp_path)
    found = {(one.model, one.scale, one.known): one.mean for one in family.comparisons}
    expected = {("semanir-u-dense", "mini", True): 0.1, ("semanir-u-window16", "smoke", False): 1.0}
    assert found == pytest.approx(expected)
    page = (tmp_path / "ablations.html").read_text()
    assert page.count("smoke scale, this machine</small>") == 1 and "mini scale" not in page


def test_costs_are_of_the_run_that_is_compared(tmp_path):
    """Of one scale: all keys cost 9 times as much here, of one seed; elsewhere 3 times, of two."""

    def run(machine, cost, seeds):
        records = []
        for model, count, of in (("semanir-u", 1e9, (0, 1)), ("semanir-u-dense", cost, seeds)):
            for seed in of:
                scores = [("set12", "sigma25", 30.0 + seed + n, 0.9, 0.9) for n in range(3)]
                counted = {"input": "1x256x256", "multiply_adds": count}
                folder = tmp_path / (machine or "here")
                one = eval_record(folder, TASK, model, scores, seed=seed, counted=counted)
                records.append(one)
        return Evidence("mini", read_records(records).assign(scale="mini"), machine)

    runs = [run("", 9e9, (0,)), run("box", 3e9, (0, 1))]
    (one,) = ablations.render(runs, tmp_path).comparisons
    assert (one.scale, one.machine) == ("mini", "box")
    page = (tmp_path / "ablations.html").read_text()
    assert "Multiply-adds 3.000" in page and page.count(", box</small>") == 1
    assert pd.read_csv(tmp_path / "ablations.csv")["machine"].tolist() == ["box"]


def test_ablations_of_one_seed_are_folded_and_the_forest_says_what_it_shows(tmp_path):
    records = denoised(tmp_path, GAINS) + [
        eval_record(tmp_path, "sr-x2", model, [("set5", "x2", psnr, 0.9, 0.9)] * 2)
        for model, psnr in (("semanir-b", 30), ("semanir-b-fixed", 31))
    ]
    ablations.render([Evidence("smoke", read_records(records))], tmp_path)
    shown, folded = (tmp_path / "ablations.html").read_text().split("<details><summary>1 ablation")
    assert "of one seed" in folded and "+1.000" in folded and "+1.000" not in shown
    svg = (tmp_path / "ablations.svg").read_text()
    low = pd.read_csv(tmp_path / "ablations.csv")["low"]
    assert 0 < low.notna().sum() < len(low)
    assert f"{low.notna().sum()} of {len(low)} comparisons, those of several seeds." in svg
    assert "95 % intervals over seeds and images" in svg and "within 0.05 dB" in svg


def test_a_zero_has_no_sign():
    assert [signed(x) for x in (-0.0004, 0.0004, -0.0006, 1.5)] == [
        "0.000",
        "0.000",
        "-0.001",
        "+1.500",
    ]


def test_panels_of_a_family_share_their_axis(monkeypatch):
    """Two tasks, of which one moves by a hundredth of the other."""
    rows = pd.DataFrame(
        [
            {"task": f"jpeg_color-qf{q}", "dataset": "live1", "level": f"qf{q}", "training": name}
            | {
                "k": k,
                "seed": seed,
                "psnr": 30,
                "multiply_adds": 1e9,
                "difference": -drop * (k == 8),
            }
            for q, drop in ((10, 1), (20, 0.01))
            for name in ("random", "fixed")
            for k in (8, 32)
            for seed in (0, 1)
        ]
    )
    drawn = {}
    inline = plots.inline
    monkeypatch.setattr(
        plots, "inline", lambda figure, title: inline(drawn.setdefault(title, figure), title)
    )
    svg = figure03.draw(rows)
    first, second = drawn[figure03.TITLE].axes
    assert first.get_ylim() == second.get_ylim() and first.get_ylim()[0] < -1
    assert "Figures 3 (c) and 8: colour JPEG" in svg and "mean of 2 seeds" in svg
    colours = [
        [line.get_color() for line in axes.lines if line.get_marker() in "os"]
        for axes in (first, second)
    ]
    assert colours[0] == colours[1] == list(plots.COLORS[:2])
