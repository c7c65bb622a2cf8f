"""The index: coverage, what is missing, gains, machines, and pictures."""

import json
import re
import shlex
from collections import Counter
from pathlib import Path

import pytest
from made_records import PROVENANCE, STAMP, count_record, eval_record, runtime_record, visual_record
from pages import assert_self_contained

from baselines.registry import released_systems
from reports.collect import Accepted, collect, read_records, write_results
from reports.legend import MEASURED
from reports.pages import index
from reports.pages.missing import gaps
from reports.tables.layouts import default_tables
from reports.tables.verdicts import judge_table
from semanir.errors import InputError
from semanir.plan import configuration
from semanir.plan.cells import cells
from semanir.plan.plan import Plan


@pytest.fixture(autouse=True)
def no_accepted_results(monkeypatch):
    monkeypatch.setattr(index, "accepted_results", list)


@pytest.fixture
def rendered(tmp_path, monkeypatch):
    """The text of an index of the smallest table alone, for what does not depend on the others."""
    monkeypatch.setattr(index, "default_tables", lambda: ["table11"])

    def render(results, *visuals, source=""):
        if not isinstance(results, Path):
            write_results(results, tmp_path / "results.csv")
            results = tmp_path / "results.csv"
        index.render("smoke", results, tmp_path / "index.html", visuals, source=source)
        return (tmp_path / "index.html").read_text(encoding="utf-8")

    return render


def test_gains_by_hand(tmp_path):
    """Blind and single-level networks alike are compared with the input of the blind task."""
    blind, single = "denoise_gray-blind", "denoise_gray-sigma50"
    paths = [count_record(tmp_path, "semanir-s")]
    for task, model, seed, psnr in (
        (blind, "input", 0, {"sigma15": 24, "sigma50": 14}),
        (blind, "semanir-u", 0, {"sigma15": 30, "sigma50": 23}),
        (single, "semanir-u", 0, {"sigma50": 24}),
        (single, "semanir-u", 1, {"sigma50": 25}),
        ("sr-x2", "input", 0, {"x2": 28.5}),
        ("sr-x2", "semanir-s", 0, {"x2": 28.25}),
        ("sr-x4", "semanir-s", 0, {"x4": 25}),
    ):
        images = [("set", level, value, 0, 0) for level, value in psnr.items()]
        paths.append(eval_record(tmp_path, task, model, images, seed=seed))
    gains = index.gains(collect(paths))
    gains = gains[["task", "model", "level", "value", "input", "gain"]].fillna(-1)
    assert gains.to_numpy().tolist() == [
        [blind, "semanir-u", "sigma15", 30, 24, 6],
        [blind, "semanir-u", "sigma50", 23, 14, 9],
        [single, "semanir-u", "sigma50", 24.5, 14, 10.5],
        ["sr-x2", "semanir-s", "x2", 28.25, 28.5, -0.25],
        ["sr-x4", "semanir-s", "x4", 25, -1, -1],
    ]


def test_the_index_shows_coverage(results_csv, tmp_path):
    out = tmp_path / "index.html"
    index.render("smoke", results_csv, out)
    text = out.read_text(encoding="utf-8")
    page = assert_self_contained(text)
    links = [to for to in page.attributes("a", "href") if to.endswith(".html")]
    others = ("visual.html", "ablations.html", "figure04.html")
    assert links == [*(f"{table}.html" for table in default_tables()), *others]
    assert " ".join(STAMP.split()) in " ".join(" ".join(page.text).split())

    sections = dict(re.findall(r"<h2>(.*?)</h2>(.*?)(?=<h2>|</main>)", text, re.DOTALL))
    counted, parts = {}, {}
    for name, row in re.findall(r'<a href="(\w+)\.html">(.*?)</tr>', sections["Tables"], re.DOTALL):
        counted[name] = [int(n) for n in re.findall(r"<td>(\d+)</td>", row)]
        drawn = re.findall(r'style="flex-grow: (\d+)" title="(\d+) ([a-z ]+)"', row)
        assert all(width == count for width, count, _ in drawn)
        parts[name] = {verdict: int(count) for _, count, verdict in drawn}
        spoken = "".join(re.findall(r'role="img" aria-label="(.*?)"', row))
        assert spoken == ", ".join(f"{count} {verdict}" for _, count, verdict in drawn)
    # printed numbers, measured, match
    assert counted["table11"] == [10, 10, 10]
    assert counted["table07"] == [219, 30, 2]
    assert parts["table08"]["synthetic data"] == 3
    assert list(counted) == default_tables()
    for name, (numbers, shown, match) in counted.items():
        assert sum(parts[name].values()) == numbers
        assert sum(parts[name].get(verdict, 0) for verdict in MEASURED) == shown
        assert parts[name].get("match", 0) == match
    told = re.search(r"<b>(\d+) of (\d+) printed numbers measured, (\d+) match", text)
    sums = [sum(row[column] for row in counted.values()) for column in (1, 0, 2)]
    assert [int(number) for number in told.groups()] == sums


def test_a_gain_without_its_input_is_a_dash(rendered, tmp_path):
    scores = [("embedded_rgb", "x2", 25, 0, 0)]
    text = rendered([eval_record(tmp_path, "sr-x2", "semanir-s", scores)])
    assert '<td>–</td><td>25.00</td><td class="left">–</td>' in text and "nan" not in text


def test_what_comes_from_data_is_escaped(rendered, tmp_path):
    evil = "\"'><img src=x onerror=alert(1)>&"
    provenance = PROVENANCE | {"machine": evil, "commit": evil, "versions": {"torch": evil}}
    scores = [("embedded_rgb", "x2", 20, 0, 0)]
    runtime, visual = runtime_record(tmp_path), visual_record(tmp_path, image=evil, dataset=evil)
    record = json.loads(runtime.read_text())
    record["rows"][0] |= {"network": evil, "group": evil, "input": evil}
    runtime.write_text(json.dumps(record))
    scored = eval_record(tmp_path, "sr-x2", "semanir-s", scores, provenance=provenance)
    text = rendered([scored, runtime, visual], visual)
    page = assert_self_contained(text)
    assert "<img src=x" not in text
    assert "onerror" not in {name for _, attributes in page.tags for name in attributes}
    assert page.text.count(evil) >= 6


def test_the_first_visuals_are_shown_and_the_rest_is_counted(rendered, results_csv, tmp_path):
    tasks = ["sr-x2", "sr-x4", "sr-x3", "deblur-motion", "demosaick-rggb", "weather-blind"]
    text = rendered(results_csv, *(visual_record(tmp_path, task) for task in tasks))
    assert text.count('<figure class="compare">') == index.SHOWN == 4
    assert "2 more" in text


@pytest.mark.parametrize("scale", ["smoke", "mini"])
def test_every_number_that_is_not_measured_is_in_one_gap(scale, monkeypatch):
    """None twice, none forgotten, those with a command first; commands plan what they name."""
    empty = read_records([])
    judged = [v for table in default_tables() for v in judge_table(cells(table), scale, empty)]
    missing = gaps(judged, scale)
    numbers = Counter(one.cell.table for one in judged if one.cell.kind == "number")
    assert sum(gap.count for gap in missing) == numbers.total()
    assert {table for gap in missing for table in gap.tables} == set(numbers)
    have = [bool(gap.command) for gap in missing]
    assert have == sorted(have, reverse=True) and any(have) and not all(have)

    named = set()
    for gap in filter(lambda gap: gap.command, missing):
        *words, options = gap.command.partition(" --config ")[::2]
        assert words == ["snakemake --cores 4 all"]
        config = dict(option.split("=", 1) for option in shlex.split(options))
        plan, _ = configuration.read(dict(config))
        runs = plan.runs(default_tables())
        asked = set(filter(None, config.get("systems", "").split(",")))
        named |= asked
        # at the mini scale no run of a system is planned for want of its set
        assert asked <= {run.model for run in runs} | set(plan.entry["systems"])
    answers = [Plan(scale).answer(one.cell) for one in judged]
    assert {a.model for a in answers if a.task} & set(released_systems()) <= named


def first_number(table, method, dataset):
    """The first printed PSNR of a method on a set."""
    wanted = (method, dataset, "PSNR", "number")
    return next(c for c in cells(table) if (c.method, c.dataset, c.metric, c.kind) == wanted)


BASE = "snakemake --cores 4 all"
MINI = f"{BASE} --config scale=mini"
PAPER = f"{BASE} --config scale=paper"
ACCEPTED = "accept_noncommercial=true"


@pytest.mark.parametrize(
    ("cell", "command", "reason"),
    [
        ("table04 JPEG LIVE1", MINI, "stand in for the set; the mini scale reads it"),
        ("table02 SemanIR GoPro", PAPER, "stand in for the set; the paper scale reads it"),
        ("table10 SemanIR-S Set5", BASE, "planned at this scale, but not in the results"),
        ("table10 SwinIR Set5", f"{MINI} systems={{swinir}}", "when asked for"),
        ("table10 SwinIR Manga109", f"{PAPER} systems={{swinir}}", "when asked for"),
        ("table10 RCAN Set5", f"{MINI} weights_dir=FOLDER systems={{rcan}}", "by hand"),
        ("table07 Restormer CBSD68", f"{MINI} {ACCEPTED} systems={{restormer}}", "non-commercial"),
        ("table10 SAN Set5", "", "its repository carries no licence file"),
        ("table08 SwinIR Test1", "", "no weights for weather-blind were released"),
    ],
)
def test_a_gap_by_hand(tmp_path, cell, command, reason):
    """One number alone; systems of the scale are named with the one that is asked for."""
    input_scores, scores = ([("embedded_rgb", name, 25, 0, 0)] for name in ("qf10", "motion"))
    measured = [
        eval_record(tmp_path, "jpeg_color-blind", "input", input_scores),
        eval_record(tmp_path, "deblur-motion", "semanir-u", scores),
    ]
    verdicts = judge_table([first_number(*cell.split())], "smoke", collect(measured))
    (gap,) = gaps(verdicts, "smoke")
    if "{" in command:
        system = command.partition("{")[2].rstrip("}")
        scale = "paper" if "scale=paper" in command else "mini"
        wanted = {system, *Plan(scale).systems}
        names = ",".join(name for name in released_systems() if name in wanted)
        command = command.replace(f"{{{system}}}", names)
    assert (gap.command, gap.count, gap.tables) == (command, 1, [cell.split()[0]])
    assert reason in gap.reason


def test_what_is_measured_as_printed_is_no_gap(tmp_path):
    record = eval_record(tmp_path, "jpeg_color-blind", "input", [("live1", "qf10", 25.69, 0, 0)])
    judged = judge_table([first_number("table04", "JPEG", "LIVE1")], "mini", collect([record]))
    assert judged[0].verdict == "match" and gaps(judged, "mini") == []


def test_machines_are_counted_by_record(tmp_path):
    other = PROVENANCE | {"machine": "B", "created": "2026-03-04T00:00:00+00:00"}
    del (bare := dict(other))["threads"]
    scores = [("embedded_rgb", "x2", psnr, 0, 0) for psnr in (20, 21)]
    later = PROVENANCE | {"created": "2026-01-05"}
    made = {"input": bare, "semanir-s": PROVENANCE, "semanir-b": later}
    paths = [eval_record(tmp_path, "sr-x2", m, scores, provenance=p) for m, p in made.items()]
    first, second = index.makers(read_records(paths))
    assert (first["machine"], first["records"]) == (PROVENANCE["machine"], 2)
    assert (first["first"], first["last"], first["threads"]) == ("2026-01-02", "2026-01-05", 1)
    assert (second["machine"], second["records"], second["threads"]) == ("B", 1, "")
    assert second["first"] == second["last"] == "2026-03-04"


def test_times_have_their_ratio(tmp_path):
    lines = index.timings(collect([runtime_record(tmp_path), count_record(tmp_path, "semanir-s")]))
    shown = {line["model"]: (line["task"], line["median_ms"], line["ratio"]) for line in lines}
    assert shown == {"swinir:x4": ("sr", 50, 1), "semanir-s:x4:k=64": ("sr", 40, 0.8)}
    assert index.timings(collect([count_record(tmp_path, "semanir-s")])) == []


def test_accepted_results_of_other_machines_are_linked(rendered, results_csv, monkeypatch):
    accepted = [
        Accepted("mini-box", "mini", "Measured on <b>A & B</b>", results_csv),
        Accepted("smoke-box", "smoke", "", results_csv),
    ]
    assert "mini-box" not in rendered(results_csv)
    monkeypatch.setattr(index, "accepted_results", lambda: accepted)
    text = rendered(results_csv)
    for page in ("index", "claims", "ablations"):
        assert f'<a href="mini-box/{page}.html">' in text
    assert "Measured on &lt;b&gt;A &amp; B&lt;/b&gt;" in text and "smoke-box" not in text
    assert "mini-box" not in rendered(results_csv, source="there")


def test_claims_are_shown_as_soon_as_there_are_some(rendered, results_csv, tmp_path):
    assert index.claims(tmp_path) == {} and "claims.html" not in rendered(results_csv)
    (tmp_path / "claims.csv").write_text(
        "kind,verdict\nclaim,does not hold\nclaim,holds\nclaim,holds\nfinding,holds\n"
    )
    assert "2 holds, 1 does not hold" in rendered(results_csv)
    (tmp_path / "claims.csv").write_text("claim\na\n")
    with pytest.raises(InputError, match="verdict"):
        index.claims(tmp_path)
