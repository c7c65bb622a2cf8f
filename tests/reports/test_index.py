"""The index: coverage, gains, machines, and pictures."""

import re

import pytest
from made_records import PROVENANCE, count_record, eval_record, visual_record
from pages import Page, assert_self_contained
from restoring import semanir

from reports.collect import collect, read_records
from reports.evidence import Evidence
from reports.legend import AS_PRINTED
from reports.pages import index
from reports.pages.verdict_box import HEADLINES
from reports.tables.layouts import default_tables


@pytest.fixture
def rendered(tmp_path, monkeypatch):
    """The text of an index of the smallest table alone, for what does not depend on the others."""
    monkeypatch.setattr(index, "default_tables", lambda: ["table11"])

    def render(records, *visuals, others=()):
        evidence = [Evidence("smoke", read_records(records)), *others]
        index.render(evidence, tmp_path / "index.html", visuals)
        return (tmp_path / "index.html").read_text(encoding="utf-8")

    return render


def test_the_index_shows_the_price_of_every_training(rendered, tmp_path, capsys):
    """Row for row what the command prints."""
    text = rendered([eval_record(tmp_path, "sr-x2", "input", [("set", "x2", 20, 0, 0)])])
    part = text.partition('aria-label="What trainings cost"')[2].partition("</table>")[0]
    shown = [
        [re.sub("<[^>]*>", "", value) for value in re.findall(r"<t[hd][^>]*>.*?</t[hd]>", row)]
        for row in re.findall("<tr>.*?</tr>", part)
    ]
    semanir("price", "--scale", "paper", "--counted")
    head, _, *printed = capsys.readouterr().out.partition("\n\n")[0].splitlines()
    assert [re.split(" {2,}", head.strip()), *(line.split() for line in printed)] == [
        shown[0],
        *(" ".join(row).split() for row in shown[1:]),
    ]
    assert len(printed) == 50 and shown[1][0] == "denoise_color-blind/semanir-u"
    assert shown[-1][-2:] == ["72.51", "142"]


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


def test_the_index_shows_coverage(everything, tmp_path):
    out = tmp_path / "index.html"
    index.render([Evidence("smoke", read_records(everything))], out)
    text = out.read_text(encoding="utf-8")
    assert_self_contained(text)
    own = Page(text[text.index("<main>") : text.index("</main>")] + "</main>")
    links = [to for to in own.attributes("a", "href") if to.endswith(".html")]
    others = ("ablations.html", "visual.html", "figure04.html", "table03.html")
    assert links == [*(f"{table}.html" for table in default_tables()), *others]

    (tables,) = re.findall(r'<h2 id="tables">(.*?)</tbody>', text, re.DOTALL)
    counted, parts, beside = {}, {}, {}
    for name, row in re.findall(r'<a href="(\w+)\.html">(.*?)</tr>', tables, re.DOTALL):
        *counted[name], beside[name] = [n and int(n) for n in re.findall(r"<td>(\d*)</td>", row)]
        drawn = re.findall(r'style="flex-grow: (\d+)" title="(\d+) ([a-z ]+)"', row)
        assert all(width == count for width, count, _ in drawn)
        parts[name] = {verdict: int(count) for _, count, verdict in drawn}
        spoken = "".join(re.findall(r'role="img" aria-label="(.*?)"', row))
        assert spoken == ", ".join(f"{count} {verdict}" for _, count, verdict in drawn)
    # printed numbers, resolved, match; measured on stand-ins, each once
    assert counted["table11"] == [10, 10, 10]
    assert counted["table07"] == [219, 9, 2]
    assert (beside["table07"], beside["table08"], beside["table11"]) == (6, 3, "")
    assert list(counted) == default_tables()
    for name, (numbers, resolved, match) in counted.items():
        assert sum(parts[name].values()) == numbers
        assert sum(parts[name].get(verdict, 0) for verdict in AS_PRINTED) == resolved
        assert parts[name].get("match", 0) == match
    resolved, numbers, rest = map(
        int, re.search(r"(\d+) of (\d+) numbers are resolved; .* other (\d+)", text).groups()
    )
    assert (resolved, numbers) == tuple(sum(row[n] for row in counted.values()) for n in (1, 0))
    assert resolved + rest == numbers == 786
    own = re.findall("by its full-size network.*?</tr>", text, re.DOTALL)
    assert len(own) == 9 and all(re.search(r"\d\.\d+ device days", row) for row in own)


def test_speed_is_linked_where_it_was_measured(rendered, tmp_path):
    scores = [("embedded_rgb", "x2", 25, 0, 0)]
    record = eval_record(tmp_path, "sr-x2", "semanir-s", scores)
    text = rendered([record])
    assert 'href="speed.html"' not in text and "snakemake reports/speed.html" in text
    (tmp_path / "speed.html").write_text("made before")
    assert rendered([record]).count('href="speed.html"') == 2


def test_a_gain_without_its_input_is_a_dash(rendered, tmp_path):
    scores = [("embedded_rgb", "x2", 25, 0, 0)]
    text = rendered([eval_record(tmp_path, "sr-x2", "semanir-s", scores)])
    assert '<td>–</td><td>25.00</td><td class="left">–</td>' in text and "nan" not in text


def test_what_comes_from_data_is_escaped(rendered, tmp_path):
    evil = "\"'><img src=x onerror=alert(1)>&"
    provenance = PROVENANCE | {"machine": evil, "commit": evil, "versions": {"torch": evil}}
    scores = [("embedded_rgb", "x2", 20, 0, 0)]
    visual = visual_record(tmp_path, image=evil, dataset=evil)
    scored = eval_record(tmp_path, "sr-x2", "semanir-s", scores, provenance=provenance)
    text = rendered([scored, visual], visual)
    page = assert_self_contained(text)
    assert "<img src=x" not in text
    assert "onerror" not in {name for _, attributes in page.tags for name in attributes}
    assert page.text.count(evil) >= 3


def test_the_first_visuals_are_shown_and_the_rest_is_counted(rendered, everything, tmp_path):
    tasks = ["sr-x2", "sr-x4", "sr-x3", "deblur-motion", "demosaick-rggb", "weather-blind"]
    text = rendered(everything, *(visual_record(tmp_path, task) for task in tasks))
    assert text.count('<figure class="compare">') == index.SHOWN == 4
    assert "2 more" in text


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


def test_where_evidence_is_from_is_told(rendered, everything):
    there = "Measured on <b>A & B</b>"
    other = Evidence("mini", read_records(everything).assign(scale="mini"), "box", there)
    text = rendered(everything, others=[other])
    assert "mini scale, box; smoke scale, this machine." in text
    assert "Measured on &lt;b&gt;A &amp; B&lt;/b&gt;" in text


def test_claims_are_shown_as_soon_as_there_are_some(rendered, everything, tmp_path):
    assert 'href="claims.html#' not in rendered(everything)  # all pages link the page of claims
    first, second, *_ = HEADLINES.items()
    lines = ["id,kind,printed,verdict", f"{first[1]},claim,does not hold,holds"]
    lines += [f"{second[1]},claim,not printed,inconclusive", "other,finding,holds,holds"]
    (tmp_path / "claims.csv").write_text("\n".join(lines))
    text = rendered(everything)
    assert "1 holds, 1 inconclusive" in text
    for (name, claim), words in ((first, "does not hold"), (second, "inconclusive")):
        (row,) = re.findall(rf'<tr><th scope="row"><a href="claims.html#{claim}">(.*?)</tr>', text)
        assert row.startswith(name) and words in row
