"""The page of ablations and its figures, from made-up records."""

import pandas as pd
import pytest
from made_records import PROVENANCE, eval_record, put

from reports.ablations import (
    changes,
    costs,
    label,
    main,
    over_k,
    over_levels,
    over_steps,
    shares,
)
from reports.claims.conclusions import compare_all
from reports.collect import means, read_records
from semanir.plan.runs import Run

TASK = "denoise_gray-sigma25"


def denoised(folder, gains, seeds=(0, 1, 2)):
    """gains: model -> dB above 30, of six images and some seeds."""
    found = []
    for model, gain in gains.items():
        for seed in seeds:
            values = [("set12", "sigma25", 30 + n + gain, 0.9, 0.9) for n in range(6)]
            found.append(eval_record(folder, TASK, model, values, seed=seed))
    return found


def train_record(folder, model, points, task="sr-x2", seconds=6.0):
    """Of the second half of a training that was interrupted, in some seconds."""
    run = Run("smoke", task, model, 0)
    history = [{"step": step, "psnr": {task.split("-")[1]: psnr}} for step, psnr in points]
    record = {"schema": 1, "kind": "train", "history": history, "provenance": PROVENANCE}
    record |= {
        "recipe": {"iterations": 80},
        "iterations_this_time": 40,
        "seconds_this_time": seconds,
        "tensors_sha256": "00000102" + 56 * "f",
    }
    record["identity"] = {"scale": "smoke", "task": task, "model": model, "seed": 0}
    return put(folder / run.train_folder / "train.json", record)


GAINS = {
    "semanir-u": 0.0,
    "semanir-u-fixed": 0.1,
    "semanir-u-at-k8": -0.2,
    "semanir-u-fixed-at-k8": -0.4,
    "semanir-u-window16": 0.3,
}


def comparisons(folder, gains, claims=()):
    return compare_all(read_records(denoised(folder, gains)), claims).comparisons


def test_each_ablation_is_held_against_what_it_changes(tmp_path):
    """A training against the base; another k at inference against the training it evaluates."""
    found = {one.model: one for one in comparisons(tmp_path, GAINS)}
    against = {name: one.against for name, one in found.items()}
    assert against == {
        "semanir-u-fixed": "semanir-u",
        "semanir-u-at-k8": "semanir-u",
        "semanir-u-fixed-at-k8": "semanir-u-fixed",
        "semanir-u-window16": "semanir-u",
    }
    means_of = {name: one.mean for name, one in found.items()}
    assert means_of == pytest.approx(
        {"semanir-u-fixed": 0.1, "semanir-u-at-k8": -0.2}
        | {"semanir-u-fixed-at-k8": -0.5, "semanir-u-window16": 0.3}
    )


def test_what_claims_compare_is_on_the_page_once(tmp_path):
    """Either way round; what is no ablation of the other is named by both."""
    pairs = [("semanir-u", "semanir-u-window16"), ("semanir-u-at-k8", "semanir-u-fixed-at-k8")]
    claims = [{"measured": {"ablation": one, "against": other}} for one, other in pairs * 2]
    found = comparisons(tmp_path, GAINS, [{}, *claims])
    assert len(found) == 5
    assert label(found[-1]) == "semanir-u-at-k8 against semanir-u-fixed-at-k8"
    assert [label(one) for one in found if one.model == "semanir-u-window16"] == ["window: 16"]


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("semanir-u-at-k8", "k at inference: 8"),
        ("semanir-u-window16", "window: 16"),
        ("semanir-u-with-mask", "attention back end at inference: mask"),
        ("semanir-u-dense", "all keys instead of the dictionary's"),
    ],
)
def test_words_for_what_is_changed(model, text):
    assert changes(model) == text


def test_curves_over_k_end_at_the_largest(tmp_path):
    """The two trainings themselves stand at the largest k of their recipe, 32 at this scale."""
    found = over_k(means(read_records(denoised(tmp_path, GAINS))), "smoke")
    points = found.groupby(["training", "k"])["psnr"].agg(["mean", "size"])
    expected = {("fixed", 8): 32.1, ("fixed", 32): 32.6, ("random", 8): 32.3, ("random", 32): 32.5}
    assert points["mean"].to_dict() == pytest.approx(expected)
    assert set(points["size"]) == {3}


def test_curves_over_k_are_of_the_same_seeds_at_every_k(tmp_path):
    """Other ablations give the network at the largest k more seeds than its sweep has."""
    more = denoised(tmp_path, {"semanir-u": 0.0}, seeds=(1, 2))
    found = over_k(means(read_records(denoised(tmp_path, GAINS, seeds=(0,)) + more)), "smoke")
    assert set(found["seed"]) == {0} and len(found) == 4


def test_without_both_ways_of_training_there_is_no_curve(tmp_path):
    gains = {name: GAINS[name] for name in ("semanir-u", "semanir-u-at-k8")}
    assert over_k(means(read_records(denoised(tmp_path, gains))), "smoke").empty


def test_levels_are_sorted_as_numbers(tmp_path):
    scores = [("live1", f"qf{q}", 20 + q / 10, 0.9, 0.9) for q in (40, 10, 30, 20)]
    records = [eval_record(tmp_path, "jpeg_color-blind", m, scores) for m in ("semanir-u", "input")]
    found = over_levels(means(read_records(records)))
    ours = found[found["model"] == "semanir-u"]
    assert list(ours["number"]) == [10, 20, 30, 40]
    assert list(ours["psnr"]) == [21, 22, 23, 24]


def test_inputs_are_shown_on_the_sets_of_the_networks(tmp_path):
    """At mini the input is scored on more sets than the network is."""
    scores = [(name, "sigma25", 20.0, 0.9, 0.9) for name in ("mcmaster", "cbsd68")]
    records = [
        eval_record(tmp_path, "denoise_color-blind", "input", scores),
        eval_record(tmp_path, "denoise_color-blind", "semanir-u", scores[:1]),
    ]
    found = over_levels(means(read_records(records)))
    assert sorted(zip(found["model"], found["dataset"], strict=True)) == [
        ("input", "mcmaster"),
        ("semanir-u", "mcmaster"),
    ]


def test_the_network_for_more_levels_stands_for_the_blind_one(tmp_path):
    names = ("sigma15", "sigma25", "sigma50", "sigma75")
    scores = [("set12", name, 30 + n, 0.9, 0.9) for n, name in enumerate(names)]
    records = [
        eval_record(tmp_path, f"denoise_gray-{end}", "semanir-u", some)
        for end, some in (("multi", scores), ("blind", [("set12", "sigma15", 99, 0.9, 0.9)]))
    ]
    found = over_levels(means(read_records(records)))
    assert list(found["number"]) == [15, 25, 50, 75] and list(found["psnr"]) == [30, 31, 32, 33]


def test_costs_are_shares_of_what_is_compared_with(tmp_path):
    scores = [("set12", "sigma25", 30.0, 0.9, 0.9)]
    records = [
        eval_record(
            tmp_path, TASK, model, scores, counted={"input": "1x256x256", "multiply_adds": count}
        )
        for model, count in (("semanir-u", 4 * 10**9), ("semanir-u-dense", 5 * 10**9))
    ]
    for model, seconds in (("semanir-u", 10.0), ("semanir-u-dense", 30.0)):
        records.append(train_record(tmp_path, model, [], TASK, seconds))
    results = read_records(records)
    assert costs(results, "semanir-u", TASK) == {"multiply_adds": 4e9, "seconds": 20.0}
    assert costs(results, "semanir-u-at-k8", TASK) == {"multiply_adds": None, "seconds": 20.0}
    (one,) = compare_all(results, ()).comparisons
    assert shares(results, one) == {"multiply_adds": 1.25, "seconds": 3.0}


def test_weights_are_told_apart_by_their_first_bits(tmp_path):
    """0x0102 is 258; of records without, nothing is told."""
    path = train_record(tmp_path, "semanir-b", [])
    found = read_records([path])
    assert found[found["metric"] == "weights"]["value"].tolist() == [258]
    path.write_text(path.read_text().replace("tensors_sha256", "other"))
    assert set(read_records([path])["metric"]) == {"train_seconds"}


def test_convergence_is_the_history_of_the_trainings(tmp_path):
    record = train_record(tmp_path, "semanir-b", [(400, 30.5), (1200, 31.25)])
    found = over_steps(read_records([record]))
    assert found[["model", "step", "psnr"]].to_numpy().tolist() == [
        ["semanir-b", 400, 30.5],
        ["semanir-b", 1200, 31.25],
    ]


def test_page_figures_and_numbers_are_written(tmp_path, capsys):
    records = [
        *denoised(tmp_path, GAINS),
        train_record(tmp_path, "semanir-s", [(40, 30), (80, 31)]),
    ]
    records += [
        eval_record(tmp_path, "denoise_gray-blind", model, [("set12", "sigma15", 30, 0.9, 0.9)])
        for model in ("semanir-u", "input")
    ]
    read_records(records).to_csv(tmp_path / "results.csv", index=False)
    main(["--results", str(tmp_path / "results.csv"), "--out", str(tmp_path)])
    assert "window: 16: +0.300 dB" in capsys.readouterr().out
    page = (tmp_path / "ablations.html").read_text()
    assert page.count("<svg") == 4
    assert "http" not in page and "Printed (Fig. 3" in page
    table = pd.read_csv(tmp_path / "ablations.csv").set_index("model")
    assert table.loc["semanir-u-window16", "conclusion"] == "better"
    assert table.loc["semanir-u-window16", "adjusted_p"] < 0.05
    assert page.count('<td class="left match">better</td>') == list(table["conclusion"]).count(
        "better"
    )
    for name, rows in (("figure03", 12), ("figure05", 2), ("figure10", 2)):
        assert len(pd.read_csv(tmp_path / f"{name}.csv")) == rows
        assert (tmp_path / f"{name}.svg").read_text().startswith("<svg xmlns=")


def test_a_scale_without_ablations_says_so(tmp_path):
    record = eval_record(tmp_path, "sr-x2", "semanir-s", [("set5", "x2", 30, 0.9, 0.9)])
    read_records([record]).to_csv(tmp_path / "results.csv", index=False)
    main(["--scale", "release", "--results", str(tmp_path / "results.csv"), "--out", str(tmp_path)])
    page = (tmp_path / "ablations.html").read_text()
    assert "No ablation is in the results." in page and page.count("Not measured at this") == 3
    assert pd.read_csv(tmp_path / "figure03.csv").empty
