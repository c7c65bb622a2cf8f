"""Rendered tables: HTML, CSV, Markdown, LaTeX."""

import csv
import io
import re

import pytest
from made_records import PROVENANCE, STAMP, cell, eval_record
from pages import Page, assert_self_contained

from reports import legend
from reports.collect import read_records
from reports.legend import MEASURED
from reports.tables import latex, tables
from reports.tables.layouts import column_of, default_tables, layouts, ranks
from reports.tables.text import FIELDS, difference
from reports.tables.verdicts import JudgedCell
from semanir.names import UnknownNameError
from semanir.plan.cells import cells
from semanir.plan.plan import Plan

RENDERED = list(layouts())
# counted by hand: our cells among the printed numbers; parameters of other systems all differ here
COVERAGE = {
    "table01": "0 of 27 cells measured, 0 match",
    "table02": "6 of 102 cells measured, 0 match",
    "table03": "16 of 32 cells measured, 2 match",
    "table04": "32 of 128 cells measured, 0 match",
    "table05": "0 of 9 cells measured, 0 match",
    "table06": "0 of 12 cells measured, 0 match",
    "table07": "30 of 219 cells measured, 2 match",
    "table08": "3 of 21 cells measured, 0 match",
    "table09": "4 of 18 cells measured, 0 match",
    "table10": "54 of 208 cells measured, 3 match",
    "table11": "10 of 10 cells measured, 10 match",
    "table12": "No number is printed but formulas",
    "extra_jpeg_gray": "72 of 210 cells measured, 0 match",
    "extra_denoise": "1 of 30 cells measured, 0 match",
    "extra_sr_x3": "27 of 115 cells measured, 2 match",
}


@pytest.fixture(scope="module")
def rendered(everything, tmp_path_factory):
    """All tables in all forms."""
    folder = tmp_path_factory.mktemp("reports")
    for table in RENDERED:
        tables.render(table, "smoke", read_records(everything), folder)
    return folder


def printed_table(rendered, table):
    """The <table> of the printed cells alone."""
    page = (rendered / f"{table}.html").read_text(encoding="utf-8")
    return page[page.index('<table id="printed"') : page.index("</table>") + len("</table>")]


@pytest.mark.parametrize("table", RENDERED)
def test_html_is_self_contained_and_shows_every_printed_cell(rendered, table):
    """Balanced tags, one cell with provenance a printed cell, scale stamp and coverage line."""
    text = (rendered / f"{table}.html").read_text(encoding="utf-8")
    assert len(text) < 400_000
    page = assert_self_contained(text)
    assert len(page.attributes("td", "title")) == len(cells(table))
    visible = " ".join(" ".join(page.text).split())
    assert STAMP in visible and COVERAGE[table] in visible
    assert not re.search(r"\b(None|nan|NaN)\b", visible)

    # each header line spans all columns, with what reaches down from above
    part = printed_table(rendered, table)
    (columns,) = {row.count("<td") for row in part.split("<tr>")[1:] if "<td" in row}
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
    shown = re.findall(
        r'<td class="(\S+)" data-v="([^"]+)".*?<i aria-hidden="true">(.)</i>'
        r'<span class="vh">([^<]+)</span>.*?</td>',
        part,
        re.DOTALL,
    )
    assert len(shown) == sum(c.kind == "number" for c in cells(table))
    for color, verdict, symbol, words in shown:
        entry = legend.OF_CELL[verdict]
        assert (color, symbol, words) == (entry.css, entry.symbol, verdict)
    chips = dict(re.findall(r'class="chip \S+" data-v="([^"]+)">.*? <b>(\d+)</b>', text))
    names = [verdict for _, verdict, _, _ in shown]
    assert chips == {verdict: str(names.count(verdict)) for verdict in set(names)}


def test_tables_of_the_paper_have_their_printed_shape(rendered):
    """Rows, columns and blocks of rows counted in the paper; Table 8 prints methods in cells."""
    expected = {
        **{"table02": (19, 6, 1), "table04": (8, 16, 2), "table07": (12, 19, 2)},
        **{"table08": (7, 3, 2), "table09": (9, 2, 1), "table10": (20, 11, 2)},
        **{"table01": (10, 3, 2), "table03": (8, 4, 2), "table05": (3, 3, 1)},
        **{"table06": (3, 4, 1), "table11": (2, 5, 1), "table12": (3, 2, 1)},
    }
    assert sorted(expected) == default_tables()
    for table, (rows, columns, blocks) in expected.items():
        part = printed_table(rendered, table)
        assert part.count('<th scope="row">') == rows, table
        first = part[part.index('<th scope="row">') :].split("</tr>")[0]
        assert first.count("<td") == columns, table
        assert part.count("<tbody>") == blocks, table


def tips_of(rendered, table):
    page = Page((rendered / f"{table}.html").read_text(encoding="utf-8"))
    return [tip.splitlines() for tip in page.attributes("td", "title")]


def test_tooltips_carry_the_provenance_of_a_measured_cell(rendered, everything):
    """Printed value with its place, mean, interval, scale, protocol, network, machine, commit."""
    (tip,) = [tip for tip in tips_of(rendered, "table10") if tip[0] == "SemanIR-S ×2, Set5 SSIM"]
    (record,) = [path for path in everything if "sr-x2/semanir-s/" in str(path)]
    (printed,) = [
        c
        for c in cells("table10")
        if (c.row, c.dataset, c.metric) == ("SemanIR-S ×2", "Set5", "SSIM")
    ]
    assert tip[1:] == [
        f"printed: {printed.value} (paper Table 10 p. 10)",
        "measured: 0.71",
        "95 % interval over images: 0.71 to 0.71",
        "scale: smoke",
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
        f"reason: {STAMP} embedded_rgb stands in for Set5.",
    ]


def test_intervals_over_images_by_hand(tmp_path):
    """Student's t: 12.7062 for two images, 4.30265 for three; seeds are averaged per image."""
    # means of the images 27, 28, 32: 29 +- 2.6458
    scores = [
        ("sr-x2", "semanir-s", (26.0, 27.0, 31.0), 0),
        ("sr-x2", "semanir-s", (28.0, 29.0, 33.0), 1),
        ("sr-x4", "semanir-s", (20.0, 21.0), 0),
        ("sr-x2", "semanir-b", (20.0,), 0),
        ("sr-x4", "semanir-b", (float("inf"), 20.0), 0),
    ]
    records = []
    for task, model, values, seed in scores:
        images = [("embedded_rgb", task.removeprefix("sr-"), v, 0.8, 0.9) for v in values]
        records.append(eval_record(tmp_path, task, model, images, seed=seed))
    tables.render("table10", "smoke", read_records(records), tmp_path)
    lines = csv.DictReader(io.StringIO((tmp_path / "table10.csv").read_text(encoding="utf-8")))
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
    told = (rendered / "table10.md").read_text(encoding="utf-8")
    assert "| **28.51** / 26.50 ◔ scaled down |" in told and "| *28.34* / 26.50" in told
    told = (rendered / "table10.tex").read_text(encoding="utf-8")
    assert r"\textbf{28.51} / 26.50\textsuperscript{s}" in told and r"\underline{28.34} /" in told


@pytest.mark.parametrize("table", RENDERED)
def test_csv_has_one_line_a_printed_cell(rendered, table):
    """In printed order, with the printed text, under fixed column names."""
    text = (rendered / f"{table}.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text), strict=True))
    assert list(rows[0]) == FIELDS
    assert all(None not in row and None not in row.values() for row in rows)
    for row, printed in zip(rows, cells(table), strict=True):
        for name in ("table", "row", "method", "task", "dataset", "setting", "metric", "source"):
            assert row[name] == getattr(printed, name)
        assert row["printed"] == (printed.value or {"oom": "OOM", "dash": "–"}[printed.kind])
        assert row["scale"] == "smoke"
        assert row["column"].split()
        measured = row["verdict"] in MEASURED
        assert bool(row["measured"]) == measured == bool(row["record"])
        assert not (measured and Plan("smoke").answer(printed).verdict)
        # a count may speak for itself
        assert row["reason"] or row["verdict"] in ("match", "differs")


@pytest.mark.parametrize("table", RENDERED)
def test_markdown_has_as_many_cells_in_every_row(rendered, table):
    text = (rendered / f"{table}.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    columns = {column_of(c) for c in cells(table)}
    assert widths == {len(columns) + 2}
    page = printed_table(rendered, table)
    assert len(lines) == 2 + page.count('<th scope="row">') + page.count('scope="rowgroup"')
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

    columns = {column_of(c) for c in cells(table)}
    (specification,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", body)
    assert specification == "l" + "r" * len(columns)
    inside = body[body.index(r"\toprule") : body.index(r"\bottomrule")].splitlines()[1:]
    rows = [line for line in inside if line != r"\midrule"]
    page = printed_table(rendered, table)
    heads = len(layouts()[table]["columns"])
    blocks = page.count('scope="rowgroup"')
    assert len(rows) == heads + blocks + page.count('<th scope="row">')
    assert inside.count(r"\midrule") == max(blocks, 1)
    for line in rows:
        spans = [int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
        assert len(re.findall(r"(?<!\\)&", line)) + sum(spans) == len(columns)
        assert re.search(r"\\\\(\\cmidrule\(lr\)\{\d+-\d+\})*$", line)
    # superscripts stand in formulas alone
    plain = re.sub(r"\$[^$]*\$", "", body)
    for escaped in (r"\_", r"\%", r"\#", r"\&"):
        plain = plain.replace(escaped, "")
    plain = plain.replace(r"{!}{%", "").replace("&", "")
    assert not set(plain) & set("_%#^~†×σ–")
    assert body.isascii()
    assert body.count("$") % 2 == 0


def test_latex_header_and_characters(rendered):
    tex = (rendered / "table07.tex").read_text(encoding="utf-8")
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
    """A protocol, network and machine that would be elements, an attribute and another fact."""
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
    text_of_page = (tmp_path / "table10.html").read_text(encoding="utf-8")
    page = assert_self_contained(text_of_page)
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert "alert(1)</script>" not in text_of_page and "&lt;script&gt;alert(2)" in text_of_page
    (tip,) = {t for t in page.attributes("td", "title") if t.startswith("SemanIR-S ×2, Set5 PSNR")}
    verdicts = [line for line in tip.splitlines() if line.startswith("verdict: ")]
    assert verdicts == ["verdict: scaled down"]


def test_rendering_twice_is_byte_identical(rendered, everything, tmp_path):
    """Also with the records in another order."""
    for table in ("table07", "table10", "table11"):
        tables.render(table, "smoke", read_records(everything[::-1]), tmp_path)
        for ending in ("html", "csv", "md", "tex"):
            name = f"{table}.{ending}"
            assert (tmp_path / name).read_bytes() == (rendered / name).read_bytes(), name
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("value", "change", "shown"),
    [
        ("35.78", 0.004, "+0.004"),
        ("35.78", -0.0204, "-0.020"),
        ("35.78", -0.0001, "0.000"),
        ("6", 1, "+1"),
        ("6", 0, "0"),
        ("6", None, ""),
    ],
)
def test_differences_are_shown_with_one_decimal_more_than_printed(value, change, shown):
    assert difference(JudgedCell(cell(value), "match", difference=change)) == shown


def test_an_unknown_table_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="'table1l'; did you mean table1"):
        tables.render("table1l", "smoke", read_records([]), tmp_path)
