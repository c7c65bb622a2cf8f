"""Rendered tables: HTML, CSV, Markdown, LaTeX."""

import csv
import io
import re
from collections import Counter
from itertools import accumulate

import pytest
from made_records import PROVENANCE, STAMP, cell, eval_record
from pages import Page, assert_self_contained
from printed import find

from reports import legend
from reports.collect import read_records
from reports.legend import MEASURED
from reports.tables import latex, tables
from reports.tables.layouts import column_of, default_tables, label, layouts, ranks
from reports.tables.text import FIELDS, difference
from reports.tables.verdicts import JudgedCell
from semanir.names import UnknownNameError
from semanir.plan.cells import cells
from semanir.plan.plan import Plan

# counted by hand: our cells among the printed numbers, those measured, those that match (parameters
# of other systems all differ here); in the paper's tables rows, columns and blocks of rows, where
# Table 8 prints methods in cells
TABLES = {
    **{"table01": (27, 0, 0, 10, 3, 2), "table02": (102, 6, 0, 19, 6, 1)},
    **{"table03": (32, 16, 2, 8, 4, 2), "table04": (128, 32, 0, 8, 16, 2)},
    **{"table05": (9, 0, 0, 3, 3, 1), "table06": (12, 0, 0, 3, 4, 1)},
    **{"table07": (219, 30, 2, 12, 19, 2), "table08": (21, 3, 0, 7, 3, 2)},
    **{"table09": (18, 4, 0, 9, 2, 1), "table10": (208, 54, 3, 20, 11, 2)},
    **{"table11": (10, 10, 10, 2, 5, 1), "table12": (0, 0, 0, 3, 2, 1)},
    **{"extra_jpeg_gray": (210, 72, 0), "extra_denoise": (30, 1, 0), "extra_sr_x3": (115, 27, 2)},
}
every_table = pytest.mark.parametrize("table", TABLES)


@pytest.fixture(scope="module")
def rendered(everything, tmp_path_factory):
    """The folder of all tables in all forms."""
    folder = tmp_path_factory.mktemp("reports")
    for table in layouts():
        tables.render(table, "smoke", read_records(everything), folder)
    return folder


def text_of(rendered, name):
    return (rendered / name).read_text(encoding="utf-8")


def printed_table(rendered, table):
    """The <table> of the printed cells alone."""
    page = text_of(rendered, f"{table}.html")
    return page[page.index('<table id="printed"') : page.index("</table>") + len("</table>")]


def test_every_table_is_counted():
    assert sorted(TABLES) == sorted(layouts())
    assert sorted(name for name, numbers in TABLES.items() if numbers[3:]) == default_tables()


@every_table
def test_html_is_self_contained_and_shows_every_printed_cell(rendered, table):
    text = text_of(rendered, f"{table}.html")
    assert len(text) < 400_000
    page = assert_self_contained(text)
    assert len(page.attributes("td", "title")) == len(cells(table))
    visible = " ".join(" ".join(page.text).split())
    numbers, measured, match, *shape = TABLES[table]
    coverage = f"{measured} of {numbers} cells measured, {match} match"
    assert (coverage if numbers else "No number is printed but formulas") in visible
    assert STAMP in visible and not re.search(r"\b(None|nan|NaN)\b", visible)

    # each header line spans all columns, with what reaches down from above
    part = printed_table(rendered, table)
    (columns,) = {row.count("<td") for row in part.split("<tr>")[1:] if "<td" in row}
    found = [part.count('<th scope="row">'), columns, part.count("<tbody>")]
    assert shape in ([], found)
    lines = Page(part).header
    assert len(lines) == len(layouts()[table]["columns"])
    assert lines[0][0]["class"] == "corner"
    reaching = 0
    for line in lines:
        spans = sum(int(attrs.get("colspan", 1)) for attrs in line)
        assert spans + reaching == columns + 1
        reaching += sum("rowspan" in attrs for attrs in line)
    leaves = [int(a["data-column"]) for line in lines for a in line if "data-column" in a]
    assert sorted(leaves) == list(range(-1, columns))

    # a number has the colour, symbol and words of its verdict; what is no number has none
    cell = r'<td class="(\S+)" data-v="([^"]+)".*?<i aria-hidden="true">(.)</i>'
    shown = re.findall(cell + r'<span class="vh">([^<]+)</span>.*?</td>', part, re.DOTALL)
    assert len(shown) == sum(c.kind == "number" for c in cells(table))
    for color, verdict, symbol, words in shown:
        entry = legend.OF_CELL[verdict]
        assert (color, symbol, words) == (entry.css, entry.symbol, verdict)
    chips = dict(re.findall(r'class="chip \S+" data-v="([^"]+)">.*? <b>(\d+)</b>', text))
    assert chips == {name: str(n) for name, n in Counter(v for _, v, *_ in shown).items()}


def test_tooltips_carry_the_provenance_of_a_measured_cell(rendered, everything):
    tips = Page(text_of(rendered, "table10.html")).attributes("td", "title")
    (tip,) = [tip for tip in tips if tip.startswith("SemanIR-S ×2, Set5 SSIM\n")]
    (record,) = [path for path in everything if "sr-x2/semanir-s/" in str(path)]
    printed = find("table10", row="SemanIR-S ×2", dataset="Set5", metric="SSIM")
    assert tip.splitlines()[1:] == [
        f"printed: {printed.value} (paper Table 10 p. 10)",
        "measured: 0.71",
        "95 % interval over images: 0.71 to 0.71",
        "scale: smoke",
        "on: embedded_rgb, 2 images",
        "protocol: p-x2 v1",
        "SSIM matlab: 0.7100",
        "SSIM zero-padded: 0.7200",
        "network of the release scale, same images: 0.7100",
        "network: semanir-s-tiny, 34,567 parameters, k=32",
        "seeds: 1",
        "machine: A Processor <at> 2 GHz & more, AVX2",
        "commit: 0123456789ab, source abcdefabcdef",
        f"record: {record}",
        "verdict: scaled down",
        f"reason: {STAMP} embedded_rgb stands in for Set5.",
    ]


def test_intervals_over_images_by_hand(tmp_path):
    """Student's t: 12.7062 for two images, 4.30265 for three; seeds are averaged per image."""
    # means of the images 27, 28, 32: 29 +- 2.6458
    scores = [
        ("x2", "semanir-s", (26.0, 27.0, 31.0), 0),
        ("x2", "semanir-s", (28.0, 29.0, 33.0), 1),
        ("x4", "semanir-s", (20.0, 21.0), 0),
        ("x2", "semanir-b", (20.0,), 0),
        ("x4", "semanir-b", (float("inf"), 20.0), 0),
    ]
    records = []
    for level, model, values, seed in scores:
        images = [("embedded_rgb", level, v, 0.8, 0.9) for v in values]
        records.append(eval_record(tmp_path, f"sr-{level}", model, images, seed=seed))
    tables.render("table10", "smoke", read_records(records), tmp_path)
    lines = csv.DictReader(io.StringIO(text_of(tmp_path, "table10.csv")))
    rows = {row["row"]: row for row in lines if row["column"] == "Set5 PSNR"}
    ends = {name: (row["low"], row["high"]) for name, row in rows.items()}
    half = 4.302653 * 7**0.5 / 3**0.5
    assert [float(end) for end in ends["SemanIR-S ×2"]] == pytest.approx([29 - half, 29 + half])
    assert ends["SemanIR-S ×4"] == ("14.146898", "26.853102")
    assert ends["SemanIR-B ×2"] == ends["SemanIR-B ×4"] == ("", "")
    seeds = rows["SemanIR-S ×2"]
    assert (seeds["measured"], seeds["seeds"], seeds["spread"]) == ("29.000000", "2", "1.414214")


def test_best_and_second_best_by_hand():
    """Per quantity: ties share a rank, networks for all levels compete among themselves."""
    values = ("30.1", "30.3", "30.3", "30.2", "29.0")
    rivals = [cell(value, method=f"m{n}") for n, value in enumerate(values)]
    others = [cell(value, method=f"s{n}", single_model=True) for n, value in enumerate("123")]
    pair = [cell(value, method=f"t{n}", dataset="McMaster") for n, value in enumerate("12")]
    counted = [cell(v, "params", method=f"p{n}") for n, v in enumerate("123")]
    dash = cell("", method="m9", kind="dash")
    found = ranks([JudgedCell(c, "quoted") for c in [*rivals, *others, *pair, *counted, dash]])
    names = {c.method: rank for c, rank in found.items()}
    assert names == {"m1": 1, "m2": 1, "m3": 2, "s2": 1, "s1": 2}


def test_best_printed_values_are_marked_in_every_form(rendered):
    """Urban100, x4: SemanIR-B 28.51 before SemanIR-S 28.34."""
    page = printed_table(rendered, "table10")
    assert page.count('<span class="p best">28.51</span>') == 1
    assert page.count('<span class="p second">28.34</span>') == 1
    told = text_of(rendered, "table10.md")
    released = ", 26.50 release scale"
    assert f"| **28.51** / 26.50 ◔ scaled down{released} |" in told and "| *28.34* / 26.50" in told
    told = text_of(rendered, "table10.tex")
    assert r"\textbf{28.51} / 26.50\textsuperscript{s}" in told and r"\underline{28.34} /" in told


@every_table
def test_csv_has_one_line_a_printed_cell(rendered, table):
    rows = list(csv.DictReader(io.StringIO(text_of(rendered, f"{table}.csv")), strict=True))
    assert list(rows[0]) == FIELDS
    assert all(None not in row and None not in row.values() for row in rows)
    for row, printed in zip(rows, cells(table), strict=True):
        for name in ("table", "row", "method", "task", "dataset", "setting", "metric", "source"):
            assert row[name] == getattr(printed, name)
        assert row["printed"] == (printed.value or {"oom": "OOM", "dash": "–"}[printed.kind])
        assert row["scale"] == "smoke" and row["column"].split()
        measured = row["verdict"] in MEASURED
        assert bool(row["measured"]) == measured == bool(row["record"])
        assert not (measured and Plan("smoke").answer(printed).verdict)
        # a count may speak for itself
        assert row["reason"] or row["verdict"] in ("match", "differs")


@every_table
def test_markdown_has_as_many_cells_in_every_row(rendered, table):
    text = text_of(rendered, f"{table}.md")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert widths == {len({column_of(c) for c in cells(table)}) + 2}
    page = printed_table(rendered, table)
    assert len(lines) == 2 + page.count('<th scope="row">') + page.count('scope="rowgroup"')
    assert set(lines[1]) == set("| -")
    assert text.startswith(f"# {layouts()[table]['title']}\n") and f"> {STAMP}" in text
    assert re.search(r"^\d+ of \d+ cells measured, \d+ match", text, re.MULTILINE)


@every_table
def test_latex_is_balanced_and_escaped(rendered, table):
    lines = text_of(rendered, f"{table}.tex").splitlines()
    assert f"{lines[0]} ".startswith(f"% {STAMP} ")
    assert re.match(r"% \d+ of \d+ cells measured", lines[1])
    body = "\n".join(line for line in lines if not line.startswith("%"))
    braces = re.sub(r"\\.|[^{}]", "", body)
    depths = list(accumulate(1 if brace == "{" else -1 for brace in braces))
    assert min(depths) >= 0 and depths[-1] == 0
    assert body.count("\\begin{") == body.count("\\end{") == 2

    columns = {column_of(c) for c in cells(table)}
    (specification,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", body)
    assert specification == "l" + "r" * len(columns)
    inside = body[body.index(r"\toprule") : body.index(r"\bottomrule")].splitlines()[1:]
    rows = [line for line in inside if line != r"\midrule"]
    page = printed_table(rendered, table)
    heads, blocks = len(layouts()[table]["columns"]), page.count('scope="rowgroup"')
    assert len(rows) == heads + blocks + page.count('<th scope="row">')
    assert inside.count(r"\midrule") == max(blocks, 1)
    for line in rows:
        spans = [int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
        assert len(re.findall(r"(?<!\\)&", line)) + sum(spans) == len(columns)
        assert re.search(r"\\\\(\\cmidrule\(lr\)\{\d+-\d+\})*$", line)
    # superscripts stand in formulas alone
    plain = re.sub(r"\$[^$]*\$|\\[_%#&]|\{!\}\{%|&", "", body)
    assert not set(plain) & set("_%#^~†×σ–")
    assert body.isascii() and body.count("$") % 2 == 0


def test_latex_header_and_characters(rendered):
    tex = text_of(rendered, "table07.tex")
    head = tex[tex.index(r"\toprule") : tex.index(r"\midrule")].splitlines()[1:]
    assert head[0] == (
        r"\multirow{3}{*}{Method} & \multicolumn{1}{c}{\multirow{3}{*}{\#P [M]}}"
        r" & \multicolumn{9}{c}{Color} & \multicolumn{9}{c}{Grayscale}"
        r" \\\cmidrule(lr){3-11}\cmidrule(lr){12-20}"
    )
    assert head[1].startswith(r" &  & \multicolumn{3}{c}{CBSD68} & \multicolumn{3}{c}{McMaster}")
    assert latex.tex("a_b & 5% #P") == r"a\_b \& 5\% \#P"
    assert latex.tex("†X ×2 σ=15 – ö") == r"\dag X $\times$2 $\sigma$=15 -- \"o"


def test_markup_in_a_record_stays_text(tmp_path, monkeypatch):
    bad = """"><script>alert(1)</script>\nverdict: match"""
    path = eval_record(
        tmp_path,
        *("sr-x2", "semanir-s", [("embedded_rgb", "x2", 26.0, 0.7, 0.7)]),
        protocols={"x2": {"name": bad, "version": 1}},
        network=bad,
        provenance=PROVENANCE | {"machine": bad, "commit": bad},
    )
    monkeypatch.setitem(layouts()["table10"], "title", "<script>alert(2)</script>")
    tables.render("table10", "smoke", read_records([path]), tmp_path)
    text = text_of(tmp_path, "table10.html")
    page = assert_self_contained(text)
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert "alert(1)</script>" not in text and "&lt;script&gt;alert(2)" in text
    (tip,) = {t for t in page.attributes("td", "title") if t.startswith("SemanIR-S ×2, Set5 PSNR")}
    verdicts = [line for line in tip.splitlines() if line.startswith("verdict: ")]
    assert verdicts == ["verdict: scaled down"]


def test_rendering_twice_is_byte_identical(rendered, everything, tmp_path):
    for table in ("table07", "table10", "table11"):
        tables.render(table, "smoke", read_records(everything[::-1]), tmp_path)
        for ending in ("html", "csv", "md", "tex"):
            name = f"{table}.{ending}"
            assert (tmp_path / name).read_bytes() == (rendered / name).read_bytes(), name
    assert not list(tmp_path.glob("*.partial"))


def test_differences_are_shown_with_one_decimal_more_than_printed():
    shown = {0.004: "+0.004", -0.0204: "-0.020", -0.0001: "0.000"}
    for value, texts in {"35.78": shown, "6": {1: "+1", 0: "0", None: ""}}.items():
        for change, text in texts.items():
            assert difference(JudgedCell(cell(value), "match", difference=change)) == text


def test_an_unknown_table_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="'table1l'; did you mean table1"):
        tables.render("table1l", "smoke", read_records([]), tmp_path)
    assert (label("x4"), label("qf10"), label("xformer")) == ("×4", "QF 10", "xformer")
