"""Rendered tables: HTML, CSV, Markdown, LaTeX."""

import csv
import io
import re

import pytest
from made_records import STAMP, cell, eval_record
from pages import Page, assert_self_contained

from data_prep.names import UnknownNameError
from reports import tables
from reports.layouts import layouts
from reports.verdicts import Verdict
from semanir.plan import answer, cells

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
