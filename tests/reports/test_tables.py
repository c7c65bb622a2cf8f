"""Rendered tables: HTML, CSV, Markdown, LaTeX."""

import csv
import html
import io
import re
import shutil
import subprocess
from collections import Counter
from itertools import accumulate

import pytest
from made_records import PROVENANCE, cell, count_record, eval_record
from pages import Page, assert_self_contained
from printed import find

from reports import legend
from reports.collect import read_records
from reports.evidence import Evidence
from reports.legend import MEASURED
from reports.tables import all_tables, latex, tables
from reports.tables.layouts import (
    arrange,
    cell_id,
    column_of,
    default_tables,
    label,
    layouts,
    ranks,
)
from reports.tables.text import FIELDS, as_markdown, difference
from reports.tables.verdicts import JudgedCell
from semanir.names import UnknownNameError
from semanir.plan.cells import cells
from semanir.plan.plan import Plan

# counted by hand: our cells among the printed numbers, those measured (counts), those that match
# (parameters of other systems all differ here), and what was measured on stand-ins; in the paper's
# tables rows, columns and blocks of rows, stand-ins among them; Table 8 prints methods in cells
TABLES = {
    **{"table01": (27, 0, 0, 0, 10, 3, 2), "table02": (102, 0, 0, 2, 19, 8, 1)},
    **{"table03": (32, 14, 2, 2, 8, 5, 2), "table04": (128, 0, 0, 16, 12, 16, 3)},
    **{"table05": (9, 0, 0, 0, 3, 3, 1), "table06": (12, 0, 0, 0, 3, 4, 1)},
    **{"table07": (219, 9, 2, 7, 12, 25, 2), "table08": (21, 0, 0, 1, 7, 4, 2)},
    **{"table09": (18, 0, 0, 2, 9, 3, 1), "table10": (208, 14, 3, 8, 20, 13, 2)},
    **{"table11": (10, 10, 10, 0, 2, 5, 1), "table12": (0, 0, 0, 0, 3, 2, 1)},
    **{"extra_jpeg_gray": (210, 0, 0, 24), "extra_denoise": (30, 1, 0, 0)},
    **{"extra_sr_x3": (115, 7, 2, 4)},
}
every_table = pytest.mark.parametrize("table", TABLES)


@pytest.fixture(scope="module")
def rendered(everything, tmp_path_factory):
    """The folder of all tables in all forms."""
    folder = tmp_path_factory.mktemp("reports")
    evidence = [Evidence("smoke", read_records(everything))]
    for table in layouts():
        tables.render(table, evidence, folder)
    return folder


def text_of(rendered, name):
    return (rendered / name).read_text(encoding="utf-8")


def printed_table(rendered, table):
    """The <table> of the printed cells alone."""
    page = text_of(rendered, f"{table}.html")
    return page[page.index('<table class="printed"') : page.index("</table>") + len("</table>")]


def printed_rows(table):
    """Rows of the paper's table, and headings of its blocks where it has several."""
    groups = arrange([JudgedCell(c, "quoted") for c in cells(table)])
    return sum(len(group.rows) for group in groups), len(groups) if len(groups) > 1 else 0


def test_every_table_is_counted():
    assert sorted(TABLES) == sorted(layouts())
    assert sorted(name for name, numbers in TABLES.items() if numbers[4:]) == default_tables()


@every_table
def test_html_is_self_contained_and_shows_every_printed_cell(rendered, table):
    text = text_of(rendered, f"{table}.html")
    assert len(text) < 400_000
    page = assert_self_contained(text)
    numbers, measured, match, stand_ins, *shape = TABLES[table]
    titles = page.attributes("td", "title")
    assert len(titles) == len(cells(table)) + stand_ins
    ids = page.attributes("td", "id")
    assert len(set(ids)) == len(titles) and set(map(cell_id, cells(table))) <= set(ids)
    visible = " ".join(" ".join(page.text).split())
    coverage = f"{measured} of {numbers} numbers measured, {match} match"
    assert (coverage if numbers else "No number is printed but formulas") in visible
    beside = f"Beside them {stand_ins} on embedded photographs, which stand in"
    assert (beside in visible) == bool(stand_ins)
    assert not re.search(r"\b(None|nan|NaN)\b", visible)

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
    cell = r'<td id="\S+" class="(\S+)" data-v="([^"]+)".*?<i aria-hidden="true">(.)</i>'
    shown = re.findall(cell + r'<span class="vh">([^<]+)</span>.*?</td>', part, re.DOTALL)
    assert len(shown) == sum(c.kind == "number" for c in cells(table))
    for color, verdict, symbol, words in shown:
        entry = legend.OF_CELL[verdict]
        assert (color, symbol, words) == (entry.css, entry.symbol, verdict)
    chips = dict(re.findall(r'class="chip \S+" data-v="([^"]+)">.*? <b>(\d+)</b>', text))
    assert chips == {name: str(n) for name, n in Counter(v for _, v, *_ in shown).items()}


def tip_of(page, name):
    """The facts of the cell whose provenance has this name."""
    (tip,) = [tip for tip in page.attributes("td", "title") if tip.startswith(f"{name}\n")]
    return dict(line.split(": ", 1) for line in tip.splitlines()[1:])


def test_provenance_of_a_measurement_on_stand_ins(rendered, everything):
    page = Page(text_of(rendered, "table10.html"))
    (record,) = [str(path) for path in everything if "sr-x2/semanir-b/" in str(path)]
    facts = tip_of(page, "SemanIR-B ×2, embedded photographs SSIM")
    assert facts.pop("95 % interval over photographs").startswith("0.71 to 0.71 (other photographs")
    assert facts == {
        **{"measured": "0.71", "scale": "smoke", "on": "embedded_rgb, 2 images"},
        **{"protocol": "p-x2 v1", "SSIM matlab": "0.7100", "SSIM zero-padded": "0.7200"},
        **{"network": "semanir-b-tiny, 34,567 parameters, k=32", "seeds": "1", "made": "here"},
        "machine": "A Processor <at> 2 GHz & more, AVX2",
        **{"commit": "0123456789ab, source abcdefabcdef", "record": record},
        "verdict": "scaled down",
        "reason": "embedded_rgb instead of Set5, Set14, BSD100, Urban100, Manga109",
        "measured by": "snakemake --cores 4 results/smoke/eval/sr-x2/semanir-b/seed0.json",
    }


def test_a_count_says_by_what_share_it_differs(rendered):
    """1.234567 M for HAT's 20.77, and 215.32 G for SemanIR-S's 290.20, which speaks for it."""
    page = Page(text_of(rendered, "table03.html"))
    facts = tip_of(page, "×4 SR: HAT, #P [M]")
    assert facts["difference"] == "-19.535 M (-94.06 %)"
    facts = tip_of(page, "×4 SR: SemanIR-S, multiply-adds [G]")
    assert facts["difference"] == "-74.880 G (-25.80 %, in SemanIR's favour)"


def test_provenance_of_a_printed_cell_names_what_would_measure_it(rendered):
    page = Page(text_of(rendered, "table10.html"))
    printed = find("table10", row="SemanIR-S ×2", dataset="Set5", metric="SSIM")
    assert tip_of(page, "SemanIR-S ×2, Set5 SSIM") == {
        "printed": f"{printed.value} (paper Table 10 p. 10)",
        "verdict": "not run",
        "reason": "measured on other photographs alone, which stand in for Set5",
        # the network that comes with the project before one of seconds
        "on other photographs": "0.7100 on embedded_rgb (release, here)",
        "also measured": "0.7100 on embedded_rgb (smoke, here)",
        "as printed by": "snakemake --cores 4 reports/table10.html --config scale=paper",
    }
    assert "also measured" not in tip_of(page, "SemanIR-B ×2, Set5 SSIM")  # its release is of -S


def test_all_seeds_have_their_record_and_images_a_strip(tmp_path):
    scores = [("set5", "x2", psnr, 0.9, 0.9) for psnr in (30.0, 31.0, 35.0)]
    records = [eval_record(tmp_path, "sr-x2", "semanir-s", scores, seed=seed) for seed in (0, 1)]
    degraded = [("set5", "x2", psnr, 0.9, 0.9) for psnr in (29.0, 32.0, 31.0)]
    records.append(eval_record(tmp_path, "sr-x2", "input", degraded))
    results = read_records(records).assign(scale="mini")
    tables.render("table10", [Evidence("mini", results)], tmp_path)
    text = text_of(tmp_path, "table10.html")
    facts = tip_of(Page(text), "SemanIR-S ×2, Set5 PSNR")
    assert facts["records"] == "; ".join(map(str, records[:2]))
    assert facts["measured by"] == (
        "snakemake --cores 4 results/mini/eval/sr-x2/semanir-s/seed0.json"
        " results/mini/eval/sr-x2/semanir-s/seed1.json --config scale=mini"
    )
    (told,) = re.findall(r"<figcaption>(3 photographs, [^<]* dB)</figcaption>", text)
    assert told == "3 photographs, each its difference to its input: -1 to +4 dB"


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
    """Urban100, x4: SemanIR-B 28.51 before SemanIR-S 28.34; nothing else is bold in the table."""
    page = printed_table(rendered, "table10")
    assert page.count('<span class="p best">28.51</span>') == 1
    assert page.count('<span class="p second">28.34</span>') == 1
    assert "<b>" not in page and 'class="m"' in page
    told = text_of(rendered, "table10.md")
    assert "| **28.51** |" in told and "| *28.34* |" in told
    assert "| 11.87 / 11.87 (0.000) ✓ match |" in told
    told = text_of(rendered, "table10.tex")
    assert r"\textbf{28.51} &" in told and r"\underline{28.34} &" in told


def test_a_number_that_is_not_as_printed_names_its_scale():
    """In Markdown and in LaTeX; one at full size needs none."""
    printed = [find("table10", row=f"SemanIR-{n} ×2", dataset="Set5", metric="PSNR") for n in "SB"]
    found = [
        JudgedCell(one, verdict, measured=36.5, difference=-1.25, scale="mini")
        for one, verdict in zip(printed, ("scaled down", "differs"), strict=True)
    ]
    context = tables.arranged(found) | {"title": "", "corner": "", "ranks": {}}
    context |= {"names_methods": False}
    values = [one.value for one in printed]
    told = as_markdown(context)
    assert f"| {values[0]} / 36.50 (-1.250) ◔ scaled down, mini |" in told
    assert f"| {values[1]} / 36.50 (-1.250) ≠ differs |" in told
    told = latex.as_latex(context)
    assert rf" & {values[0]} / 36.50 (-1.250)\textsuperscript{{s, mini}}" in told
    assert rf" & {values[1]} / 36.50 (-1.250)\textsuperscript{{$\neq$}}" in told


@every_table
def test_csv_has_one_line_a_printed_cell(rendered, table):
    rows = list(csv.DictReader(io.StringIO(text_of(rendered, f"{table}.csv")), strict=True))
    assert list(rows[0]) == FIELDS
    assert all(None not in row and None not in row.values() for row in rows)
    for row, printed in zip(rows, cells(table), strict=True):
        for name in ("table", "row", "method", "task", "dataset", "setting", "metric", "source"):
            assert row[name] == getattr(printed, name)
        assert row["printed"] == (printed.value or {"oom": "OOM", "dash": "–"}[printed.kind])
        assert row["column"].split() and row["id"] == cell_id(printed)
        measured = row["verdict"] in MEASURED
        assert bool(row["measured"]) == measured == bool(row["record"])
        assert (row["scale"], row["made"]) == (("smoke", "here") if measured else ("", ""))
        assert not (measured and Plan("smoke").answer(printed).verdict)
        assert not (measured and row["stand_in"])
        # a count may speak for itself
        assert row["reason"] or row["verdict"] in ("match", "differs")
    assert sum(row["stand_in"] != "" for row in rows) >= TABLES[table][3]


@every_table
def test_markdown_has_as_many_cells_in_every_row(rendered, table):
    text = text_of(rendered, f"{table}.md")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert widths == {len({column_of(c) for c in cells(table)}) + 2}
    rows, blocks = printed_rows(table)
    assert len(lines) == 2 + rows + blocks
    assert set(lines[1]) == set("| -")
    assert text.startswith(f"# {layouts()[table]['title']}\n") and "> " not in text
    assert re.search(r"^\d+ of \d+ numbers measured, \d+ match", text, re.MULTILINE)


@every_table
def test_latex_is_balanced_and_escaped(rendered, table):
    lines = text_of(rendered, f"{table}.tex").splitlines()
    assert re.match(r"% \d+ of \d+ numbers measured", lines[1])
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
    lines, blocks = printed_rows(table)
    assert len(rows) == len(layouts()[table]["columns"]) + blocks + lines
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


@every_table
def test_latex_keeps_the_number_of_the_paper(rendered, table):
    """Within its own environment, before the caption that shows it; an extra table has none."""
    body = text_of(rendered, f"{table}.tex")
    told = re.findall(
        r"\\renewcommand\{\\thetable\}\{(\d+)\}\n\\caption\{(.*)\}\n\\end\{table\}", body
    )
    if table.startswith("extra"):
        assert told == [] and r"\thetable" not in body
    else:
        ((number, caption),) = told
        assert int(number) == int(table.removeprefix("table"))
        assert not re.match(r"Table|[a-z]", caption)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex; apt-get install texlive")
def test_latex_compiles(rendered, tmp_path):
    """All tables in one document, each by the number that it has in the paper."""
    inputs = "".join(rf"\input{{{rendered / table}}}" for table in default_tables())
    packages = r"\usepackage{booktabs,graphicx,multirow}"
    document = rf"\documentclass{{article}}{packages}\begin{{document}}{inputs}\end{{document}}"
    (tmp_path / "all.tex").write_text(document)
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and (tmp_path / "all.pdf").stat().st_size, done.stdout[-2000:]


def test_a_page_holds_what_it_copies(rendered):
    page = text_of(rendered, "table10.html")
    for format, ending in (("markdown", "md"), ("latex", "tex")):
        (shown,) = re.findall(rf'<pre tabindex="0" id="as-{format}">(.*?)</pre>', page, re.DOTALL)
        assert html.unescape(shown) == text_of(rendered, f"table10.{ending}")


def test_all_tables_are_one_csv(rendered, tmp_path):
    """Every printed cell of the default tables once, with the digits of its own file."""
    assert all_tables.write(rendered) == sum(len(cells(table)) for table in default_tables())
    text = text_of(rendered, all_tables.NAME)
    found = list(csv.DictReader(io.StringIO(text), strict=True))
    alone = [
        row
        for table in default_tables()
        for row in csv.DictReader(io.StringIO(text_of(rendered, f"{table}.csv")))
    ]
    assert found == alone
    assert {"printed", "measured", "verdict", "scale", "machine"} <= set(found[0])
    assert len({row["id"] for row in found}) == len(found)
    assert all_tables.write(tmp_path) == 0  # where no table was rendered
    assert text_of(tmp_path, all_tables.NAME) == text.splitlines(keepends=True)[0]


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
    tables.render("table10", [Evidence("smoke", read_records([path]))], tmp_path)
    text = text_of(tmp_path, "table10.html")
    page = assert_self_contained(text)
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert "alert(1)</script>" not in text and "&lt;script&gt;alert(2)" in text
    name = "SemanIR-S ×2, embedded photographs PSNR"
    (tip,) = {t for t in page.attributes("td", "title") if t.startswith(name)}
    verdicts = [line for line in tip.splitlines() if line.startswith("verdict: ")]
    assert verdicts == ["verdict: scaled down"]


def test_rendering_twice_is_byte_identical(rendered, everything, tmp_path):
    for table in ("table07", "table10", "table11"):
        tables.render(table, [Evidence("smoke", read_records(everything[::-1]))], tmp_path)
        for ending in ("html", "csv", "md", "tex"):
            name = f"{table}.{ending}"
            assert (tmp_path / name).read_bytes() == (rendered / name).read_bytes(), name
    assert not list(tmp_path.glob("*.partial"))


def test_differences_are_shown_with_one_decimal_more_than_printed():
    shown = {0.004: "+0.004", -0.0204: "-0.020", -0.0001: "0.000"}
    for value, texts in {"35.78": shown, "6": {1: "+1", 0: "0", None: ""}}.items():
        for change, text in texts.items():
            assert difference(JudgedCell(cell(value), "match", difference=change)) == text


def test_the_legend_and_notes_are_of_both_views(tmp_path):
    """Counted elsewhere alone: all match in the best there is, none was run in this run alone."""
    counted = read_records([count_record(tmp_path, f"semanir-{size}") for size in "sbu"])
    mini = Evidence("mini", counted.assign(scale="mini"), "box")
    for evidence in ([Evidence("smoke", counted.head(0)), mini], [mini, mini]):
        tables.render("table11", evidence, tmp_path)
        legend_of = text_of(tmp_path, "table11.html").partition('<dl class="facts">\n<dt')[2]
        shown = re.findall(r"</i> (.*?)</dt>", legend_of)
        assert shown == (["match"] if evidence[0] is mini else ["match", "not run"])


def test_notes_of_views_are_said_once():
    views = [
        {"notes": {"fitted": ["A"]}, "explained": ["not run"], "counts": {}, "stand_ins": {}},
        {"notes": {"fitted": ["B", "A"], "old": ["C"]}, "explained": ["match", "not run"]},
    ]
    views[1] |= {"counts": {"match": 3}, "stand_ins": {}}
    told = tables.of_all([one | {"measured": False} for one in views])
    assert {note: list(methods) for note, methods in told["notes"].items()} == {
        "fitted": ["A", "B"],
        "old": ["C"],
    }
    assert told["explained"] == ["match", "not run"]
    assert (told["counts"], told["stand_ins"], told["measured"]) == (True, False, False)


def test_an_unknown_table_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="'table1l'; did you mean table1"):
        tables.render("table1l", [Evidence("smoke", read_records([]))], tmp_path)
    assert (label("x4"), label("qf10"), label("xformer")) == ("×4", "QF 10", "xformer")
