"""Records to tidy results, verdicts, rendered tables, index and gate. All records are made up."""

import csv
import io
import json
import math
import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise

import pandas as pd
import pytest

from data_prep.errors import InputError
from data_prep.names import UnknownNameError
from data_prep.tasks import get_task
from reports import gate, index, tables
from reports.collect import COLUMNS, collect
from reports.collect import main as collect_main
from reports.layouts import default_tables, layouts
from reports.verdicts import Verdict, coverage, judge, judge_table
from semanir.plan import Answer, Cell, Run, answer, cells, get_scale, records

STAMP = get_scale("smoke")["stamp"]
PROVENANCE = {
    "commit": "0123456789ab",
    "source": "abcdefabcdef",
    "created": "2026-01-02T03:04:05+00:00",
    "machine": "A Processor <at> 2 GHz & more",
    "versions": {"torch": "2.13.0"},
    "threads": 1,
    "instruction_set": "AVX2",
}
COUNTS = {  # only SemanIR-B x4 is not what the paper prints
    "semanir-s": {"x2": 11_869_775, "x3": 12_054_415, "x4": 12_015_563},
    "semanir-b": {"x2": 19_896_000, "x3": 20_080_640, "x4": 20_000_000},
    "semanir-u": {"rgb": 25_818_459},
}
STRUCTURE = {
    "semanir-s": [("", 6, 6)],
    "semanir-b": [("", 8, 8)],
    "semanir-u": [("down", 4, 6), ("up", 4, 6), ("final", 1, 6)],
}


def put(path, record):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return path


def eval_record(folder, task, model, scores, *, seed=0, **more):
    """scores: (dataset, level, psnr, ssim_matlab, ssim_zero_padded) of one image each."""
    run = Run("smoke", task, model, seed)
    names = ("dataset", "level", "psnr", "ssim_matlab", "ssim_zero_padded")
    listed = [
        dict(zip(names, score, strict=True)) | {"image": f"{number}.png"}
        for number, score in enumerate(scores)
    ]
    facts = {}
    if run.trained:
        facts = {"network": f"{model}-tiny", "parameters": 34_567, "config": {"k": 32}}
    record = {
        "schema": 1,
        "kind": "eval",
        "identity": {"scale": "smoke", "task": task, "model": model, "seed": seed},
        "protocols": {level: {"name": f"p-{level}", "version": 1} for _, level, *_ in scores},
        "batch": 1,
        "scores": listed,
        **facts,
        "provenance": PROVENANCE,
    }
    return put(folder / run.record, record | more)


def count_record(folder, model):
    rows = [{"variant": v, "metric": "params", "value": n} for v, n in COUNTS[model].items()]
    for part, stages, layers in STRUCTURE[model]:
        rows.append({"variant": part, "metric": "stages", "value": stages})
        rows.append({"variant": part, "metric": "layers_per_stage", "value": layers})
    record = {
        "schema": 1,
        "kind": "count",
        "identity": {"scale": "smoke", "model": model},
        "rows": rows,
        "provenance": PROVENANCE,
    }
    return put(folder / f"results/smoke/cost/{model}/count.json", record)


def attention_record(folder, name):
    """What answers for Tables 1 and 12; tests/test_evidence.py looks at their pages."""
    path = f"results/smoke/cost/attention/{name}"
    record = {
        "schema": 1,
        "kind": name.removesuffix(".json"),
        "identity": {"scale": "smoke", "model": "attention"},
        "device": "cpu",
        "rows": [],
        "provenance": PROVENANCE,
    }
    return put(folder / path, record)


def records_of(folder, table):
    """Made-up records of everything a table needs: 20 dB for inputs, 26 dB for networks."""
    made = []
    for name in records("smoke", [table]):
        parts = name.split("/")
        if parts[3] == "attention":
            made.append(attention_record(folder, parts[4]))
            continue
        if parts[2] == "cost":
            made.append(count_record(folder, parts[3]))
            continue
        task, model = parts[3], parts[4]
        levels = list(get_task(task).levels)
        dataset = "embedded_gray" if "gray" in task else "embedded_rgb"
        psnr = 20.0 if model == "input" else 26.0
        scores = [(dataset, lv, psnr + extra, 0.71, 0.72) for lv in levels for extra in (0, 1)]
        made.append(eval_record(folder, task, model, scores))
    return made


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """Records of all tables that are rendered."""
    folder = tmp_path_factory.mktemp("records")
    return list(dict.fromkeys(p for table in layouts() for p in records_of(folder, table)))


# --- collect ---------------------------------------------------------------------------------


def test_collect_gives_hand_computed_means_in_sorted_rows(tmp_path):
    """One line a record, set, level and metric; a line a count."""
    scores = [
        ("set_b", "sigma50", 28.0, 0.80, 0.82),
        ("set_b", "sigma50", 29.0, 0.90, 0.94),
        ("set_a", "sigma15", 33.0, 0.95, 0.96),
        ("set_a", "sigma50", 24.5, 0.75, 0.76),
        ("set_b", "sigma50", 27.0, 0.70, 0.73),
    ]
    paths = [
        eval_record(tmp_path, "denoise_gray-blind", "semanir-u", scores),
        eval_record(
            tmp_path, "denoise_gray-blind", "input", [("set_a", "sigma15", 20.25, 0.5, 0.6)]
        ),
        count_record(tmp_path, "semanir-b"),
    ]
    results = collect(paths)
    assert list(results.columns) == COLUMNS
    told = results[["model", "dataset", "level", "metric", "value", "images"]]
    rows = [tuple(None if pd.isna(x) else x for x in row) for row in told.itertuples(index=False)]
    assert rows == [
        ("input", "set_a", "sigma15", "psnr", 20.25, 1),
        ("input", "set_a", "sigma15", "ssim_matlab", 0.5, 1),
        ("input", "set_a", "sigma15", "ssim_zero_padded", 0.6, 1),
        ("semanir-b", None, "", "layers_per_stage", 8, None),
        ("semanir-b", None, "", "stages", 8, None),
        ("semanir-b", None, "x2", "params", 19_896_000, None),
        ("semanir-b", None, "x3", "params", 20_080_640, None),
        ("semanir-b", None, "x4", "params", 20_000_000, None),
        ("semanir-u", "set_a", "sigma15", "psnr", 33.0, 1),
        ("semanir-u", "set_a", "sigma15", "ssim_matlab", 0.95, 1),
        ("semanir-u", "set_a", "sigma15", "ssim_zero_padded", 0.96, 1),
        ("semanir-u", "set_a", "sigma50", "psnr", 24.5, 1),
        ("semanir-u", "set_a", "sigma50", "ssim_matlab", 0.75, 1),
        ("semanir-u", "set_a", "sigma50", "ssim_zero_padded", 0.76, 1),
        ("semanir-u", "set_b", "sigma50", "psnr", 28.0, 3),
        ("semanir-u", "set_b", "sigma50", "ssim_matlab", pytest.approx(0.8), 3),
        ("semanir-u", "set_b", "sigma50", "ssim_zero_padded", pytest.approx(0.83), 3),
    ]
    key = ["model", "task", "seed", "dataset", "level", "metric"]
    assert not results.duplicated(key).any()

    first = results[results["model"] == "semanir-u"].iloc[0]
    expected = {
        "scale": "smoke",
        "task": "denoise_gray-blind",
        "seed": 0,
        "protocol": "p-sigma15 v1",
        "network": "semanir-u-tiny",
        "parameters": 34_567,
        "k": 32,
        "batch": 1,
        "commit": "0123456789ab",
        "source": "abcdefabcdef",
        "machine": "A Processor <at> 2 GHz & more",
        "instruction_set": "AVX2",
        "threads": 1,
        "torch": "2.13.0",
        "record": str(paths[0]),
    }
    assert {name: first[name] for name in expected} == expected


def test_collect_does_not_depend_on_the_order_of_records(everything):
    pd.testing.assert_frame_equal(collect(everything), collect(everything[::-1]))


def test_collect_keeps_an_infinite_psnr(tmp_path):
    """In the results, through results.csv, and to the gain."""
    scores = [("embedded_rgb", "x2", math.inf, 1.0, 1.0), ("embedded_rgb", "x2", 30.0, 0.9, 0.9)]
    paths = [
        eval_record(tmp_path, "sr-x2", "semanir-s", scores),
        eval_record(tmp_path, "sr-x2", "input", [("embedded_rgb", "x2", 30.0, 0.9, 0.9)]),
    ]
    results = collect(paths)
    psnr = results[results["metric"] == "psnr"].set_index("model")["value"]
    assert psnr["semanir-s"] == math.inf
    collect_main([str(tmp_path / "results.csv"), *map(str, paths)])
    back = pd.read_csv(tmp_path / "results.csv")
    assert back[back["metric"] == "psnr"]["value"].tolist() == [30.0, math.inf]
    assert index.gains(back)["gain"].tolist() == [math.inf]


def test_results_csv_holds_what_was_collected(everything, tmp_path):
    """Whole numbers without a decimal point; empty fields where a count has none."""
    collect_main([str(tmp_path / "results.csv"), *map(str, everything)])
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(collect(everything))
    params = [
        r for r in rows if (r["model"], r["level"], r["metric"]) == ("semanir-s", "x2", "params")
    ]
    assert [float(row["value"]) for row in params] == [11_869_775]
    assert {row["seed"] for row in rows} == {"0", ""}
    assert {row["images"] for row in rows} == {"2", ""}
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]


@pytest.mark.parametrize("field", ["scores", "protocols", "provenance", "identity", "kind"])
def test_collect_names_a_record_without_a_field(tmp_path, field):
    path = eval_record(tmp_path, "sr-x2", "input", [("embedded_rgb", "x2", 30.0, 0.9, 0.9)])
    record = json.loads(path.read_text())
    del record[field]
    put(path, record)
    with pytest.raises(InputError, match=rf"broken record .*seed0\.json: no field '{field}'"):
        collect([path])


def test_collecting_nothing_is_an_empty_table():
    assert list(collect([]).columns) == COLUMNS
    assert len(collect([])) == 0


# --- verdicts --------------------------------------------------------------------------------


def cell(value="35.78", metric="PSNR", **fields):
    """A printed number of the degraded input, whose measurement needs no training."""
    standard = {
        **{"table": "table99", "row": "Matlab", "method": "Matlab", "single_model": False},
        **{"task": "demosaick", "dataset": "Kodak", "setting": "", "metric": metric},
        **{"value": value, "unit": "dB", "kind": "number", "source": "paper"},
    }
    return Cell(**standard | fields)


def place(metric="PSNR", **fields):
    standard = {"model": "input", "task": "demosaick", "datasets": ("kodak",), "metric": metric}
    return Answer(**standard | fields)


def measured(*values, metric="psnr", **fields):
    """Results with one line a seed."""
    standard = dict.fromkeys(COLUMNS, "") | {
        **{"scale": "smoke", "model": "input", "task": "demosaick", "dataset": "kodak"},
        **{"level": "", "metric": metric},
    }
    rows = [standard | {"seed": n, "value": v} | fields for n, v in enumerate(values)]
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (35.78, "match"),
        (35.80, "match"),
        (35.76, "match"),
        (35.78 + 0.0200001, "better than printed"),
        (35.78 - 0.0200001, "differs"),
        (40.0, "better than printed"),
        (20.0, "differs"),
        (math.inf, "better than printed"),
        (math.nan, "differs"),
    ],
)
def test_psnr_matches_within_two_hundredths_of_a_decibel(value, verdict):
    """The edge belongs to the tolerance; what is beyond it upwards is suspicious too."""
    found = judge(cell(), place(), "smoke", measured(value))
    assert found.verdict == verdict
    assert found.measured == pytest.approx(value, nan_ok=True)
    assert found.difference == pytest.approx(value - 35.78, abs=1e-12, nan_ok=True)
    assert found.reason == ""


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (0.9520, "match"),
        (0.9526, "match"),
        (0.9514, "match"),
        (0.9526001, "better than printed"),
        (0.9513999, "differs"),
    ],
)
def test_ssim_is_compared_in_the_matlab_convention(value, verdict):
    """Tolerance 0.0006; the zero-padded value is reported beside it and never compared."""
    results = pd.concat(
        [
            measured(value, metric="ssim_matlab"),
            measured(0.97, metric="ssim_zero_padded"),
            measured(30.0),
        ]
    )
    found = judge(cell("0.9520", "SSIM"), place("SSIM"), "smoke", results)
    assert found.verdict == verdict
    assert found.scores == {"ssim_matlab": value, "ssim_zero_padded": 0.97, "psnr": 30.0}


@pytest.mark.parametrize(
    ("count", "printed", "verdict"),
    [
        (11_869_775, "11.87", "match"),
        (25_818_459, "25.82", "match"),
        (25_818_459, "25.85", "differs"),
        (11_865_000, "11.87", "match"),
        (11_864_999, "11.87", "differs"),
        (11_875_000, "11.87", "match"),
        (11_875_001, "11.87", "differs"),
        (668_227, "0.7", "match"),
    ],
)
def test_parameters_match_to_every_printed_digit(count, printed, verdict):
    """Half a unit of the last printed digit, edges included; counted in millions."""
    results = measured(count, metric="params", task=pd.NA, dataset=pd.NA, level="x2")
    where = Answer(model="input", level="x2", metric="params")
    found = judge(cell(printed, "params", unit="M"), where, "smoke", results)
    assert found.verdict == verdict
    assert found.measured == count / 1e6
    assert found.difference == pytest.approx(count / 1e6 - float(printed), abs=1e-12)


@pytest.mark.parametrize(("count", "verdict"), [(6, "match"), (7, "differs"), (5, "differs")])
def test_stages_match_exactly(count, verdict):
    results = measured(count, metric="stages", task=pd.NA, dataset=pd.NA)
    found = judge(cell("6", "stages"), Answer("input", metric="stages"), "smoke", results)
    assert found.verdict == verdict


def test_a_stand_in_set_gives_no_difference():
    """Even where the numbers are equal, and for a system that needs no training."""
    where = place(datasets=("embedded_rgb",), stand_in=True)
    found = judge(cell(), where, "smoke", measured(35.78, dataset="embedded_rgb"))
    assert found.verdict == "scaled down"
    assert found.difference is None
    assert found.measured == 35.78
    assert found.reason == f"{STAMP} embedded_rgb stands in for Kodak."


def test_a_degradation_that_stands_in_for_real_pairs_is_synthetic_data():
    """The paper has real pairs of blur and weather; synthetic ones say nothing about them."""
    where = place(datasets=("embedded_rgb",), stand_in=True, model="semanir-u")
    results = measured(30.0, dataset="embedded_rgb", model="semanir-u")
    found = judge(cell(task="deblur", dataset="GoPro"), where, "smoke", results)
    assert found.verdict == "synthetic data"
    assert found.difference is None
    assert found.reason == (
        f"{STAMP} embedded_rgb stands in for GoPro. "
        "Synthetic degradation instead of real pairs, not comparable."
    )


def test_an_average_is_the_mean_of_its_sets_seed_by_seed():
    """28 and 30 dB are 29; over the seeds 29 and 31 are 30 with the spread of those two."""
    where = place(datasets=("gopro_test", "hide"))
    results = pd.concat(
        [measured(28.0, 30.0, dataset="gopro_test"), measured(30.0, 32.0, dataset="hide")]
    )
    found = judge(cell("30.00", dataset="Average"), where, "paper", results)
    assert (found.verdict, found.measured) == ("match", 30.0)
    assert found.spread == pytest.approx(2**0.5)
    assert (found.facts["seeds"], found.facts["dataset"]) == (2, "gopro_test, hide")


def test_half_an_average_is_no_data():
    where = place(datasets=("gopro_test", "hide"))
    found = judge(cell(), where, "paper", measured(28.0, dataset="gopro_test"))
    assert (found.verdict, found.reason) == ("no data", "no record of input on hide was given")


def test_a_network_trained_at_a_small_scale_is_never_a_match():
    """On the printed set itself the difference is shown, and the scale's stamp with it."""
    where = place(model="semanir-u")
    found = judge(cell(), where, "smoke", measured(35.78, model="semanir-u"))
    assert (found.verdict, found.reason) == ("scaled down", STAMP)
    assert found.difference == 0
    at_full_size = judge(cell(), where, "paper", measured(35.78, model="semanir-u"))
    assert at_full_size.verdict == "match"


def test_what_is_not_measured_keeps_its_reason():
    where = Answer(verdict="quoted", reason="its licence forbids it")
    found = judge(cell(), where, "smoke", measured(35.78))
    assert (found.verdict, found.reason) == ("quoted", "its licence forbids it")
    assert found.measured is found.difference is found.spread is None


@pytest.mark.parametrize(
    "other",
    [{"model": "dncnn"}, {"task": "sr-x2"}, {"dataset": "set5"}, {"level": "x2"}, {"metric": "x"}],
    ids=str,
)
def test_a_measurement_of_something_else_is_no_data(other):
    found = judge(cell(), place(), "smoke", measured(35.78, **other))
    assert (found.verdict, found.reason) == ("no data", "no record of input on kodak was given")


def test_mean_and_spread_over_seeds():
    """Sample standard deviation, counted in seeds; none for a single seed."""
    found = judge(cell(), place(), "smoke", measured(35.76, 35.79, 35.82))
    assert found.verdict == "match"
    assert found.measured == pytest.approx(35.79)
    assert found.spread == pytest.approx(0.03)
    assert found.facts["seeds"] == 3
    alone = judge(cell(), place(), "smoke", measured(35.79))
    assert alone.spread is None
    assert alone.facts["seeds"] == 1


def test_coverage_line():
    """Printed numbers only: dashes are no cells to measure."""
    names = ["match", "match", "differs", "better than printed", "scaled down"]
    names += ["scaled down", "quoted", "quoted", "quoted", "no data"]
    verdicts = [Verdict(cell(), name) for name in names]
    verdicts += [Verdict(cell("", kind="dash"), "quoted")] * 5
    assert coverage(verdicts) == (
        "6 of 10 cells measured, 2 match "
        "(3 quoted, 2 scaled down, 1 differs, 1 better than printed, 1 no data)"
    )
    assert coverage(verdicts[:2]) == "2 of 2 cells measured, 2 match"


def test_judging_a_table_keeps_printed_order(everything):
    results = collect(everything)
    verdicts = judge_table(cells("table11"), "smoke", results)
    assert [verdict.cell for verdict in verdicts] == list(cells("table11"))
    assert [verdict.verdict for verdict in verdicts] == ["match"] * 10
    assert [verdict.measured for verdict in verdicts] == [6, 8, 4, 4, 1, 6, 8, 6, 6, 6]


def test_a_table_without_records_is_no_data():
    """Every planned cell says so; nothing fails."""
    verdicts = judge_table(cells("table10"), "smoke", collect([]))
    expected = Counter(answer(c, "smoke").verdict or "no data" for c in cells("table10"))
    assert (
        Counter(verdict.verdict for verdict in verdicts)
        == expected
        == {
            "quoted": 176,
            "no data": 44,
        }
    )


# --- rendered tables -------------------------------------------------------------------------


class Page(HTMLParser):
    """Every start tag, and whether each was closed in order."""

    VOID = ("meta", "br", "hr", "img", "link")

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.header, self.text = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr" and "thead" in self.open:
            self.header.append([])
        if tag == "th" and "thead" in self.open:
            self.header[-1].append(dict(attrs))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def attributes(self, tag, name):
        return [attrs[name] for found, attrs in self.tags if found == tag and name in attrs]


def assert_self_contained(text):
    """Nothing is fetched: no script, no style sheet, no image, no address on the network."""
    page = Page(text)
    assert not {"script", "link", "iframe", "img", "object"} & {tag for tag, _ in page.tags}
    addresses = page.attributes("a", "href")
    assert all(re.fullmatch(r"[a-z0-9_]+\.(html|csv|md|tex)", to) for to in addresses), addresses
    assert "http" not in text
    assert "@import" not in text and not re.search(r"url\((?!#)", text)
    return page


RENDERED = list(layouts())
# counted by hand: printed numbers, our cells among them, parameters and structure that match
COVERAGE = {
    "table01": "0 of 27 cells measured, 0 match (27 no hardware)",
    "table12": "No number is printed but formulas",
    "table02": "6 of 102 cells measured, 0 match (96 quoted, 6 synthetic data)",
    "table04": "48 of 128 cells measured, 0 match (80 quoted, 48 scaled down)",
    "table08": "3 of 21 cells measured, 0 match (18 quoted, 3 synthetic data)",
    "table09": "4 of 18 cells measured, 0 match (14 quoted, 4 scaled down)",
    "extra_jpeg_gray": "72 of 210 cells measured, 0 match (138 quoted, 72 scaled down)",
    "table07": "38 of 219 cells measured, 2 match (181 quoted, 36 scaled down)",
    "table10": "44 of 208 cells measured, 3 match (164 quoted, 40 scaled down, 1 differs)",
    "table11": "10 of 10 cells measured, 10 match",
    "extra_denoise": "0 of 30 cells measured, 0 match (30 quoted)",
    "extra_sr_x3": "22 of 115 cells measured, 2 match (93 quoted, 20 scaled down)",
}


@pytest.fixture(scope="module")
def rendered(everything, tmp_path_factory):
    """All tables in all forms."""
    folder = tmp_path_factory.mktemp("reports")
    for table in RENDERED:
        tables.render(table, "smoke", everything, folder)
    return folder


@pytest.mark.parametrize("table", RENDERED)
def test_html_is_self_contained_and_shows_every_printed_cell(rendered, table):
    """Balanced tags, one cell with provenance a printed cell, scale stamp and coverage line."""
    text = (rendered / f"{table}.html").read_text(encoding="utf-8")
    page = assert_self_contained(text)
    tips = page.attributes("td", "title")
    assert len(tips) == len(cells(table))
    visible = " ".join(" ".join(page.text).split())
    assert STAMP in visible
    assert COVERAGE[table] in visible
    assert not re.search(r"\b(None|nan|NaN)\b", visible)


@pytest.mark.parametrize("table", RENDERED)
def test_header_spans_add_up_to_the_columns(rendered, table):
    """Each header line spans all columns; the first carries the method column over all lines."""
    text = (rendered / f"{table}.html").read_text(encoding="utf-8")
    text = text[text.index("<table>") : text.index("</table>") + len("</table>")]
    page, rows = Page(text), text.split("<tbody>")[1]
    columns = {row.count("<td") for row in rows.split("</tr>")[:-1]}
    assert len(columns) == 1
    assert len(page.header) == len(layouts()[table]["columns"])
    assert page.header[0][0] == {"rowspan": str(len(page.header)), "scope": "col"}
    for number, line in enumerate(page.header):
        spans = [int(attrs["colspan"]) for attrs in line[number == 0 :]]
        assert sum(spans) == max(columns)


def test_tables_of_the_paper_have_their_printed_shape(rendered):
    """Rows and columns counted in the paper."""
    expected = {
        **{"table02": (19, 6), "table04": (8, 16), "table07": (12, 19), "table08": (13, 3)},
        **{"table09": (9, 2), "table10": (20, 11), "table11": (2, 5)},
    }
    for table, (rows, columns) in expected.items():
        text = (rendered / f"{table}.html").read_text(encoding="utf-8")
        assert text.count('<th scope="row">') == rows, table
        assert len(text.split("<tbody>")[1].split("</tr>")[0].split("<td")) - 1 == columns, table


def tips_of(rendered, table):
    page = Page((rendered / f"{table}.html").read_text(encoding="utf-8"))
    tips = page.attributes("td", "title")
    return [[" ".join(line.split()) for line in tip.splitlines()] for tip in tips]


def test_tooltips_carry_the_provenance_of_a_measured_cell(rendered, everything):
    """Printed value with its place, mean, set, protocol, network, machine, commit, record."""
    tips = tips_of(rendered, "table10")
    (tip,) = [
        tip
        for row, tip in zip(cells("table10"), sorted_like(tips, "table10"), strict=True)
        if (row.row, row.dataset, row.metric) == ("SemanIR-S ×2", "Set5", "SSIM")
    ]
    (record,) = [path for path in everything if "sr-x2/semanir-s/" in str(path)]
    printed = next(
        c
        for c in cells("table10")
        if (c.row, c.dataset, c.metric) == ("SemanIR-S ×2", "Set5", "SSIM")
    )
    assert tip == [
        f"printed {printed.value} (paper Table 10 p. 10)",
        "measured: 0.71",
        "on: embedded_rgb, 2 images",
        "protocol: p-x2 v1",
        "SSIM matlab: 0.7100",
        "SSIM zero-padded: 0.7200",
        "network: semanir-s-tiny, 34,567 parameters, k=32",
        "seeds: 1",
        "machine: A Processor <at> 2 GHz & more, AVX2",
        "commit: 0123456789ab, source abcdefabcdef",
        f"record: {record}",
        "verdict: scaled down",
        f"{STAMP} embedded_rgb stands in for Set5.",
    ]


def sorted_like(tips, table):
    """Tooltips in the order of the CSV; the page goes row by row, which is the same here."""
    order = [c.value for c in cells(table) if c.kind == "number"]
    shown = [tip[0].split()[1] for tip in tips if not tip[0].startswith("printed –")]
    assert shown == order
    return tips


def test_tooltip_of_a_quoted_cell_gives_the_reason(rendered):
    assert tips_of(rendered, "table07")[0] == [
        "printed 0.56 M (paper Table 7 p. 9)",
        "verdict: quoted",
        "weights are released, no adapter in this version",
    ]


def test_tooltip_of_a_count_names_no_photographs(rendered):
    tip = tips_of(rendered, "table11")[0]
    assert tip[:2] == ["printed 6 (paper Table 11 p. 18)", "measured: 6"]
    assert not any(line.startswith(("on:", "protocol:", "network:")) for line in tip)
    note = "The structure was found from the printed counts, so they had to match."
    assert tip[-2:] == ["verdict: match", note]


def test_a_measured_cell_shows_measured_printed_and_difference(rendered):
    """Parameters have a difference; photographs that stand in have none."""
    text = (rendered / "table07.html").read_text(encoding="utf-8")
    assert text.count("<b>25.82</b><small>25.82 (-0.002)</small>") == 2
    (ours,) = re.findall(r'<th scope="row">†SemanIR</th>(.*?)</tr>', text, re.DOTALL)
    shown = re.findall(r"<b>([^<]*)</b><small>([^<]*)</small>", ours)
    assert len(shown) == 19
    assert {measured for measured, _ in shown[1:]} == {"26.50"}
    assert not any("(" in printed for _, printed in shown[1:])


@pytest.mark.parametrize("table", RENDERED)
def test_csv_has_one_line_a_printed_cell(rendered, table):
    """In printed order, with the printed text, under fixed column names."""
    text = (rendered / f"{table}.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text), strict=True))
    assert list(rows[0]) == tables.FIELDS
    assert all(None not in row and None not in row.values() for row in rows)
    for row, printed in zip(rows, cells(table), strict=True):
        for name in ("table", "row", "method", "task", "dataset", "setting", "metric", "source"):
            assert row[name] == getattr(printed, name)
        assert row["printed"] == (printed.value or {"oom": "OOM", "dash": "–"}[printed.kind])
        assert row["scale"] == "smoke"
        assert row["column"].split()
        planned = not answer(printed, "smoke").verdict
        assert bool(row["measured"]) == planned == bool(row["record"])
        # counts carry what a reader must know of them, every other match speaks for itself
        counted = row["metric"] in ("params", "stages", "layers_per_stage")
        assert bool(row["reason"]) == (counted or row["verdict"] not in ("match", "differs"))


def test_csv_values_of_chosen_cells(rendered):
    text = (rendered / "table10.csv").read_text(encoding="utf-8")
    rows = {(r["row"], r["dataset"], r["metric"]): r for r in csv.DictReader(io.StringIO(text))}
    psnr = rows["SemanIR-B ×4", "Urban100", "PSNR"]
    expected = {"measured": "26.500000", "difference": "", "verdict": "scaled down", "spread": ""}
    expected |= {"measured_on": "embedded_rgb", "images": "2", "seeds": "1", "protocol": "p-x4 v1"}
    expected |= {"ssim_matlab": "0.710000", "ssim_zero_padded": "0.720000"}
    expected |= {"network": "semanir-b-tiny", "column": "Urban100 PSNR"}
    assert {name: psnr[name] for name in expected} == expected
    assert rows["SemanIR-B ×4", "Urban100", "SSIM"]["ssim_zero_padded"] == "0.720000"
    params = rows["SemanIR-S ×2", "", "params"]
    assert (params["printed"], params["measured"]) == ("11.87", "11.869775")
    assert (params["difference"], params["verdict"]) == ("0.000", "match")


@pytest.mark.parametrize("table", RENDERED)
def test_markdown_has_as_many_cells_in_every_row(rendered, table):
    text = (rendered / f"{table}.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    columns = {tables.column_of(c) for c in cells(table)}
    assert widths == {len(columns) + 2}
    assert len(lines) == 2 + len({c.row for c in cells(table)})
    assert set(lines[1]) == set("| -")
    assert text.startswith(f"# {layouts()[table]['title']}\n")
    assert f"> {STAMP}" in text
    assert re.search(r"^\d+ of \d+ cells measured, \d+ match", text, re.MULTILINE)


@pytest.mark.parametrize("table", RENDERED)
def test_latex_is_balanced_and_escaped(rendered, table):
    """Braces, columns of every row, and no character left that LaTeX would trip over."""
    lines = (rendered / f"{table}.tex").read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"% {STAMP}" or lines[0].startswith(f"% {STAMP} ")
    assert re.match(r"% \d+ of \d+ cells measured", lines[1])
    body = "\n".join(line for line in lines if not line.startswith("%"))
    depth = 0
    for character in re.sub(r"\\.", "", body):
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert body.count("\\begin{") == body.count("\\end{") == 2

    columns = {tables.column_of(c) for c in cells(table)}
    (specification,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", body)
    assert specification == "l" + "r" * len(columns)
    inside = body.split("\n")[2 : body.split("\n").index(r"\end{tabular}")]
    assert len(inside) == 1 + len({c.row for c in cells(table)})
    for line in inside:
        assert len(re.findall(r"(?<!\\)&", line)) == len(columns)
        assert re.search(r"\\\\( \\hline)?$", line)
    plain = body.replace(r"\_", "").replace(r"\%", "").replace(r"\#", "").replace(r"\&", "")
    assert not set(plain) & set("_%#^~†×σ–")
    assert plain.isascii()
    assert plain.count("$") % 2 == 0


def test_latex_escapes_character_by_character():
    assert tables._tex("a_b & 5% #P") == r"a\_b \& 5\% \#P"
    assert tables._tex("†X ×2 σ=15 – ö") == r"\dag X $\times$2 $\sigma$=15 -- \"o"


def test_html_escapes_what_a_record_says(rendered):
    """The machine's name holds < and &: it stays text."""
    text = (rendered / "table07.html").read_text(encoding="utf-8")
    assert "A Processor &lt;at&gt; 2 GHz &amp; more" in text
    assert "<at>" not in text


def test_rendering_twice_is_byte_identical(rendered, everything, tmp_path):
    """Also with the records in another order."""
    for table in ("table07", "table10", "table11"):
        tables.render(table, "smoke", everything[::-1], tmp_path)
        for ending in ("html", "csv", "md", "tex"):
            name = f"{table}.{ending}"
            assert (tmp_path / name).read_bytes() == (rendered / name).read_bytes(), name
    assert not list(tmp_path.glob("*.partial"))


def test_seeds_show_in_the_rendered_table(tmp_path):
    """Mean, spread and number of seeds of one cell."""
    paths = [
        eval_record(tmp_path, "sr-x2", "semanir-s", [("embedded_rgb", "x2", v, 0.8, 0.9)], seed=n)
        for n, v in enumerate((30.0, 31.0))
    ]
    tables.render("table10", "smoke", paths, tmp_path / "out")
    text = (tmp_path / "out/table10.csv").read_text(encoding="utf-8")
    (row,) = [
        r
        for r in csv.DictReader(io.StringIO(text))
        if (r["row"], r["dataset"], r["metric"]) == ("SemanIR-S ×2", "Set5", "PSNR")
    ]
    assert (row["measured"], row["seeds"], row["spread"]) == ("30.500000", "2", "0.707107")
    page = (tmp_path / "out/table10.html").read_text(encoding="utf-8")
    assert "seeds: 2\nspread over seeds: 0.707" in page


def test_differences_are_shown_with_one_decimal_more_than_printed():
    def shown(value, difference):
        return tables.difference(Verdict(cell(value), "match", difference=difference))

    assert shown("35.78", 0.004) == "+0.004"
    assert shown("35.78", -0.0204) == "-0.020"
    assert shown("35.78", -0.0001) == "0.000"
    assert shown("6", 1) == "+1"
    assert shown("6", 0) == "0"
    assert shown("6", None) == ""


def test_the_command_line_renders_and_refuses(everything, tmp_path, capsys):
    tables.main(["table11", *map(str, everything), "--out", str(tmp_path)])
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".html", ".md", ".tex"]
    with pytest.raises(SystemExit) as stopped:
        tables.main(["table1l", "--out", str(tmp_path)])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: unknown table 'table1l'; did you mean table1")
    with pytest.raises(UnknownNameError):
        tables.render("table05", "smoke", [], tmp_path)


# --- gains and index -------------------------------------------------------------------------


def test_gains_by_hand(tmp_path):
    """Blind and single-level networks alike are compared with the input of the blind task."""
    gray, rgb = "embedded_gray", "embedded_rgb"
    blind, single = "denoise_gray-blind", "denoise_gray-sigma50"
    paths = [
        eval_record(
            tmp_path, blind, "input", [(gray, "sigma15", 24, 0, 0), (gray, "sigma50", 14, 0, 0)]
        ),
        eval_record(
            tmp_path, blind, "semanir-u", [(gray, "sigma15", 30, 0, 0), (gray, "sigma50", 23, 0, 0)]
        ),
        eval_record(tmp_path, single, "semanir-u", [(gray, "sigma50", 24, 0, 0)]),
        eval_record(tmp_path, single, "semanir-u", [(gray, "sigma50", 25, 0, 0)], seed=1),
        eval_record(tmp_path, "sr-x2", "input", [(rgb, "x2", 28.5, 0, 0)]),
        eval_record(tmp_path, "sr-x2", "semanir-s", [(rgb, "x2", 28.25, 0, 0)]),
        eval_record(tmp_path, "sr-x4", "semanir-s", [(rgb, "x4", 25, 0, 0)]),
        count_record(tmp_path, "semanir-s"),
    ]
    found = index.gains(collect(paths))
    columns = ["task", "model", "dataset", "level", "value", "input", "gain"]
    rows = {row[:4]: row[4:] for row in found[columns].itertuples(index=False, name=None)}
    assert rows == {
        (blind, "semanir-u", gray, "sigma15"): (30, 24, 6),
        (blind, "semanir-u", gray, "sigma50"): (23, 14, 9),
        (single, "semanir-u", gray, "sigma50"): (24.5, 14, 10.5),
        ("sr-x2", "semanir-s", rgb, "x2"): (28.25, 28.5, -0.25),
        ("sr-x4", "semanir-s", rgb, "x4"): (
            25,
            pytest.approx(math.nan, nan_ok=True),
            pytest.approx(math.nan, nan_ok=True),
        ),
    }
    assert len(found) == 5


@pytest.fixture
def results_csv(everything, tmp_path):
    collect_main([str(tmp_path / "results.csv"), *map(str, everything)])
    return tmp_path / "results.csv"


def test_the_index_shows_coverage_and_gains(results_csv, tmp_path):
    """One row a table with the counts of its own page, one a trained run, all in one page."""
    out = tmp_path / "index.html"
    index.main(["--scale", "smoke", "--results", str(results_csv), "--out", str(out)])
    text = out.read_text(encoding="utf-8")
    page = assert_self_contained(text)
    links = [to for to in page.attributes("a", "href") if to.endswith(".html")]
    assert links == [*(f"{table}.html" for table in default_tables()), "figure04.html"]
    assert " ".join(STAMP.split()) in " ".join(" ".join(page.text).split())

    first, second = text.split("<h2>")[1:3]
    counted = {
        name: [int(n) for n in re.findall(r"<td>(\d+)</td>", row)]
        for name, row in re.findall(r'<a href="(\w+)\.html">(.*?)</tr>', first, re.DOTALL)
    }
    # printed numbers, measured, match, differ, scaled down, synthetic data
    assert counted["table11"] == [10, 10, 10, 0, 0, 0]
    assert counted["table07"] == [219, 38, 2, 0, 36, 0]
    assert counted["table10"] == [208, 44, 3, 1, 40, 0]
    assert counted["table08"] == [21, 3, 0, 0, 0, 3]
    expected = ("01", "02", "04", "07", "08", "09", "10", "11", "12")
    assert list(counted) == [f"table{number}" for number in expected]
    for numbers, shown, *verdicts in counted.values():
        assert shown == sum(verdicts) <= numbers
    gains = re.findall(r"<td>([\d.]+)</td><td>([\d.]+)</td><td>([+-][\d.]+)</td>", second)
    assert set(gains) == {("20.50", "26.50", "+6.00")}
    # denoising, super-resolution with the on-demand x3; JPEG of both kinds; weather; two single
    assert len(gains) == 2 * (3 + 3) + 2 * 3 + 2 * (4 + 4) + 3 + 2


def test_summary_agrees_with_the_rendered_table(everything):
    """The index reads results.csv, the table its records; both give the same verdicts."""
    results = collect(everything)
    for table in layouts():
        line = coverage(judge_table(cells(table), "smoke", results))
        counted = index.summary(table, "smoke", results)
        told = "{measured} of {numbers} cells measured, {match} match".format(**counted)
        assert line.startswith(told)


# --- gate ------------------------------------------------------------------------------------

HEADER = "task,model,dataset,level,accepted,tolerance,min_gain\n"
BLIND = "denoise_gray-blind,semanir-u,embedded_gray,sigma50"
RUN = "semanir-u on denoise_gray-blind, embedded_gray sigma50"


@pytest.fixture
def check(results_csv, tmp_path, monkeypatch, capsys):
    """Run the gate as a command against one accepted file; (exit code, lines)."""
    monkeypatch.setattr(gate, "ACCEPTED", tmp_path / "accepted")
    (tmp_path / "accepted").mkdir()

    def run(*lines, results=results_csv):
        accepted = "# machine and date\n" + HEADER + "".join(f"{line}\n" for line in lines)
        (tmp_path / "accepted/smoke.csv").write_text(accepted)
        with pytest.raises(SystemExit) as stopped:
            gate.main(["--scale", "smoke", "--results", str(results)])
        return stopped.value.code, capsys.readouterr().out.splitlines()

    return run


@pytest.mark.parametrize("accepted", ["26.5", "26.6", "26.4", "26.5999", "26.4001"])
def test_the_gate_passes_within_the_tolerance(check, accepted):
    """The accepted value may be off by the tolerance either way."""
    assert check(f"{BLIND},{accepted},0.1001,6.0") == (0, ["gate: 1 runs, 0 failures"])


def test_the_gate_fails_on_a_drop(check):
    code, lines = check(f"{BLIND},26.75,0.1,6", "sr-x2,semanir-s,embedded_rgb,x2,26.5,0.1,0.1")
    assert code == 1
    assert lines == [
        f"FAIL: {RUN}: 26.500 dB, accepted 26.750 (-0.250), below the tolerance of 0.1 dB",
        "gate: 2 runs, 1 failures",
    ]


def test_the_gate_only_remarks_an_improvement(check):
    code, lines = check(f"{BLIND},26,0.1,6")
    assert code == 0
    assert lines == [
        f"note: {RUN}: 26.500 dB, accepted 26.000 (+0.500), above the tolerance of 0.1 dB: "
        "accept it anew?",
        "gate: 1 runs, 0 failures",
    ]


def test_the_gate_fails_on_a_run_that_is_missing(check):
    code, lines = check(f"{BLIND},26.5,0.1,6", "sr-x8,semanir-s,embedded_rgb,x8,26.5,0.1,0.1")
    assert code == 1
    assert lines[0] == "FAIL: semanir-s on sr-x8, embedded_rgb x8: not measured"


def test_the_gate_fails_on_too_small_a_gain(check):
    """The run gains exactly 6 dB over its input."""
    assert check(f"{BLIND},26.5,0.1,6")[0] == 0
    code, lines = check(f"{BLIND},26.5,0.1,6.001")
    assert code == 1
    assert lines[0] == f"FAIL: {RUN}: gains 6.000 dB over its input, must be 6.001"


def test_the_gate_fails_on_a_value_that_is_no_number(check, results_csv, tmp_path):
    """NaN is no pass, whether measured, accepted, or for want of an input."""
    results = pd.read_csv(results_csv)
    mine = (results["model"] == "semanir-u") & (results["task"] == "denoise_gray-blind")
    broken = results.assign(value=results["value"].mask(mine))
    broken.to_csv(tmp_path / "broken.csv", index=False)
    code, lines = check(f"{BLIND},26.5,0.1,6", results=tmp_path / "broken.csv")
    assert code == 1
    assert [line[:5] for line in lines] == ["FAIL:", "FAIL:", "gate:"]

    results[results["model"] != "input"].to_csv(tmp_path / "without.csv", index=False)
    code, lines = check(f"{BLIND},26.5,0.1,6", results=tmp_path / "without.csv")
    assert (code, len(lines)) == (1, 2)
    assert "gains nan dB" in lines[0]

    assert check(f"{BLIND},,0.1,6")[0] == 1
    assert check(f"{BLIND},26.5,,6")[0] == 1
    assert check(f"{BLIND},26.5,0.1,")[0] == 1


def test_the_gate_names_a_scale_without_accepted_results(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gate, "ACCEPTED", tmp_path)
    (tmp_path / "other.csv").write_text(HEADER)
    with pytest.raises(SystemExit) as stopped:
        gate.main(["--scale", "smoke", "--results", "results.csv"])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert "no accepted results" in error and "there are: other" in error
    assert "Traceback" not in error


def test_accepted_results_in_git_are_well_formed():
    """Known runs, finite numbers, positive tolerances, the promised least gains, no run twice."""
    files = sorted(gate.ACCEPTED.glob("*.csv"))
    for path in files:
        accepted = gate.read_accepted(path)
        assert list(accepted.columns[:7]) == HEADER.strip().split(",")
        assert len(accepted) > 0
        assert not accepted.duplicated(gate.KEY).any()
        numbers = accepted[["accepted", "tolerance", "min_gain"]]
        assert numbers.map(math.isfinite).all().all()
        assert (accepted["tolerance"] > 0).all()
        planned = set(records(path.stem, layouts()))
        for line in accepted.itertuples():
            assert Run(path.stem, line.task, line.model, 0).record in planned
    assert all(one != other for one, other in pairwise(files))
