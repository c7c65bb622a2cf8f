"""The best measurement of a cell: by photographs, scale and machine; what counts as evidence."""

import pandas as pd
import pytest
from made_records import cell, count_record, denoised, eval_record
from printed import find
from restoring import fails

from reports import collect, evidence
from reports.collect import read_records
from reports.evidence import RANKS, Evidence, best, gather, judge_cells, judge_here, pooled
from reports.tables.efficiency import counters
from reports.tables.verdicts import JudgedCell
from semanir.errors import InputError
from semanir.plan.models import scales

PRINTED = cell()


def made(scale="smoke", machine="", stand_in=False, measured=30.0, verdict="scaled down"):
    facts = {"dataset": "kodak"}
    return JudgedCell(
        PRINTED, verdict, "", measured, facts=facts, stand_in=stand_in, scale=scale, machine=machine
    )


def test_every_scale_has_a_rank():
    assert sorted(RANKS) == sorted(scales())


# better before worse, each for one reason
PAIRS = {
    "scale": ({"scale": "paper"}, {"scale": "gpu"}),
    "release before mini": ({"scale": "release"}, {"scale": "mini"}),
    "mini before smoke": ({"scale": "mini", "machine": "box"}, {"scale": "smoke"}),
    "printed photographs before scale": ({"scale": "smoke"}, {"scale": "gpu", "stand_in": True}),
    "this machine before another": ({"scale": "mini"}, {"scale": "mini", "machine": "box"}),
    "measured before not": ({"scale": "smoke"}, {"scale": "paper", "measured": None}),
}


@pytest.mark.parametrize("reason", PAIRS)
def test_the_better_of_two_is_shown_and_the_other_kept(reason):
    good, bad = (made(**fields) for fields in PAIRS[reason])
    for found in ((good, bad), (bad, good)):
        one = best(found)
        assert (one.scale, one.machine, one.measured) == (good.scale, good.machine, good.measured)
        assert one.others == ((bad,) if bad.measured is not None else ())


def test_stand_ins_alone_leave_the_cell_not_run():
    """The measurement is kept beside it, and the best of two."""
    low, high = made(stand_in=True), made("mini", stand_in=True, measured=31.0)
    one = best([low, high])
    assert (one.verdict, one.measured, one.near, one.others) == ("not run", None, high, (low,))
    assert "stand in for Kodak" in one.reason


def test_what_was_not_measured_keeps_the_reason_of_the_run_that_is_rendered():
    here, there = JudgedCell(PRINTED, "not run", "here"), JudgedCell(PRINTED, "quoted", "there")
    assert best([here, there]).reason == "here"


def results_of(folder, scale, model, psnr, seeds=(0,)):
    """Of x2 super-resolution on the printed Set5."""
    scores = [("set5", "x2", psnr + extra, 0.9, 0.9) for extra in (-1, 1)]
    records = [eval_record(folder, "sr-x2", model, scores, seed=seed) for seed in seeds]
    return read_records(records).assign(scale=scale)


def test_cells_are_judged_by_the_best_and_by_the_run_alone(tmp_path):
    """Of ours the network that comes with the project is worth more than one of the mini scale."""
    smoke = Evidence("smoke", results_of(tmp_path, "smoke", "semanir-b", 30.0))
    mini = [results_of(tmp_path, "mini", name, p) for name, p in (("semanir-s", 33.0),)]
    mini += [results_of(tmp_path, "mini", "semanir-released", 36.0)]
    other = Evidence("mini", pd.concat(mini, ignore_index=True), "box", "there")
    ours = [
        find("table10", row=f"SemanIR-{name} ×2", dataset="Set5", metric="PSNR") for name in "SB"
    ]
    s, b = judge_cells(ours, [smoke, other])
    assert (s.measured, s.scale, s.machine, s.verdict) == (36.0, "release", "box", "scaled down")
    assert s.reason.startswith("Release scale") and s.difference == 36.0 - float(s.cell.value)
    assert [(one.measured, one.scale) for one in s.others] == [(33.0, "mini")]
    assert b.measured is None  # neither its scale's set nor its network
    assert [one.measured for one in judge_here(ours, [other])] == [33.0, None]


def test_a_changed_network_is_not_answered_for_by_the_released_one(tmp_path):
    """Table 5: each of its windows by its own network, however good the released one is."""
    windows = [f"semanir-u-window{size}" for size in (8, 16, 32)]
    gains = dict(zip([*windows, "semanir-released"], (0.0, 0.25, 0.5, 3.0), strict=True))
    results = read_records(denoised(tmp_path, gains, images=1)).assign(scale="mini")
    asked = [find("table05", row=f"window {size}", dataset="Set12") for size in (8, 16, 32)]
    found = judge_cells(asked, [Evidence("mini", results)])
    assert [(one.facts["model"], one.measured) for one in found] == list(
        zip(windows, (30.0, 30.25, 30.5), strict=True)
    )
    assert [one.others for one in found] == [(), (), ()]
    (plain,) = judge_cells(
        [find("table07", row="SemanIR", dataset="Set12", setting="sigma25")],
        [Evidence("mini", results)],
    )
    assert (plain.facts["model"], plain.measured) == ("semanir-released", 33.0)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two scales run in a folder, with evaluations of systems, and an accepted file."""
    monkeypatch.setattr(collect, "ACCEPTED", tmp_path / "accepted")
    (tmp_path / "accepted").mkdir()
    results = results_of(tmp_path, "mini", "swinir", 38.0)
    results.to_csv(tmp_path / "accepted" / "mini-my-box.csv.gz", index=False)
    (tmp_path / "accepted" / "smoke.csv").write_text("the gate's")
    for scale, name, model in (
        ("mini", "results", "input"),
        ("mini", "systems", "hat"),
        ("smoke", "results", "input"),
        ("nonsense", "results", "input"),
    ):
        path = tmp_path / "results" / scale / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        results_of(tmp_path, scale, model, 30.0).to_csv(path, index=False)
    return tmp_path


def test_evidence_is_what_was_run_here_and_what_comes_with_the_project(folders):
    """The run first, of its scale nothing else but systems; no accepted file of the gate."""
    run = results_of(folders, "smoke", "semanir-s", 33.0)
    found = gather("smoke", run, folders)
    assert [(one.scale, one.machine) for one in found] == [
        ("smoke", ""),
        ("mini", ""),
        ("mini", "my-box"),
    ]
    models = [set(one.by_image["model"]) for one in found]
    assert models == [{"semanir-s"}, {"input", "hat"}, {"swinir"}]
    assert [bool(one.source) for one in found] == [False, False, True]
    mini = gather("mini", run.assign(scale="mini"), folders)
    assert set(mini[0].by_image["model"]) == {"semanir-s", "hat"}


def test_results_of_another_scale_are_no_evidence(folders, monkeypatch, capsys):
    """Of the run, whose record is named, or the file; and in a folder of another scale's."""
    run = results_of(folders, "smoke", "semanir-s", 33.0)
    with pytest.raises(InputError) as refused:
        gather("paper", run, folders)
    record = run["record"].iloc[0]
    told = "{} holds results of the {} scale, {} is asked for"
    assert str(refused.value) == told.format(record, "smoke", "paper")
    systems = folders / "results/mini/systems.csv"
    run.to_csv(systems, index=False)
    with pytest.raises(InputError) as refused:
        gather("smoke", run, folders)
    assert str(refused.value) == told.format(systems, "smoke", "mini")
    run.to_csv(folders / "run.csv", index=False)
    monkeypatch.chdir(folders)
    for page in ("index", "claims", "ablations", "visual"):
        said = fails(capsys, "report", page, "--scale", "paper", "--results", "run.csv")
        assert told.format("run.csv", "smoke", "paper") in said


def test_the_same_is_taken_once_and_times_are_of_one_run(tmp_path):
    """Times of a mini run are not averaged with those of a smoke run at another size."""
    smoke, mini = (results_of(tmp_path, s, "swinir", p) for s, p in (("smoke", 30), ("mini", 38)))
    times = smoke[smoke["metric"] == "psnr"].assign(metric="median_ms", image="", task="sr")
    smoke = pd.concat([smoke, times.assign(level="64", value=5.0)], ignore_index=True)
    mini = pd.concat([mini, times.assign(scale="mini", level="128", value=7.0)], ignore_index=True)
    both = pooled([Evidence("smoke", smoke), Evidence("mini", mini, "box")])
    assert both.loc[both["metric"] == "psnr", "value"].tolist() == [38.0]
    assert set(both.loc[both["metric"] == "median_ms", "level"]) == {"128"}
    alone = pooled([Evidence("smoke", smoke)])
    assert set(alone.loc[alone["metric"] == "median_ms", "value"]) == {5.0}


def test_ablations_are_of_the_best_scale_with_several_seeds(tmp_path):
    smoke = Evidence("smoke", results_of(tmp_path, "smoke", "semanir-s", 33.0))
    mini = Evidence("mini", results_of(tmp_path, "mini", "semanir-s", 33.0, (0, 1)), "box")
    paper = Evidence("paper", results_of(tmp_path, "paper", "semanir-s", 33.0))
    assert evidence.of_ablations([smoke, mini, paper]) == [mini, paper, smoke]
    assert evidence.of_ablations([smoke, paper]) == [smoke, paper]


def test_a_count_is_the_same_in_its_cell_and_below_the_table(tmp_path):
    """Table 3: that of this machine in both, whatever code counted for a file of a larger scale."""
    here = read_records([count_record(tmp_path, "semanir-s")])
    old = here.assign(scale="mini", value=here["value"] * 2)
    both = [Evidence("smoke", here), Evidence("mini", old, "box")]
    flops = find("table03", method="SemanIR-S", metric="FLOPs")
    (cell_above,) = judge_cells([flops], both)
    (line,) = counters([flops], pooled(both))
    assert (f"{cell_above.measured:.2f}", line["fvcore"], line["modules"]) == ("215.32",) * 3
    (alone,) = counters([flops], pooled(both[1:]))
    assert (alone["fvcore"], alone["modules"]) == ("430.64", "430.64")


def test_counts_do_not_depend_on_the_machine(tmp_path):
    """The count of this run, whatever the accepted files say of the same network."""
    count = read_records([count_record(tmp_path, "semanir-s")])
    params = find("table10", row="SemanIR-S ×2", metric="params")
    (one,) = judge_cells([params], [Evidence("smoke", count), Evidence("mini", count, "box")])
    assert one.verdict == "match" and one.measured == pytest.approx(11.869775)
    assert (one.scale, one.machine) == ("smoke", "")
