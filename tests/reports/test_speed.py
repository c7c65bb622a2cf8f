"""The page of speed: ratios by hand, old records, machines beside each other, links to it."""

import json

import pandas as pd
import pytest
from made_records import PROVENANCE
from made_speed import SHARES, bench, growth, speed_records
from pages import assert_self_contained

from reports.collect import collect
from reports.figures import speed as figures
from reports.pages import frame, speed
from semanir.errors import InputError


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder in place of that of accepted evidence."""
    folder = tmp_path / "evidence"
    folder.mkdir()
    monkeypatch.setattr("reports.collect.EVIDENCE", folder)
    return folder


@pytest.fixture
def records(tmp_path):
    return speed_records(tmp_path)


def test_bars_by_hand():
    cases = ("N=1024 k=64", "photograph, N=1024 k=256")
    ratios = {"fused": 2.0, "mask": 0.5, "dense without bias": 4 / 3}
    for what in ("forward", "forward_backward"):
        assert figures.times_faster(bench(), what) == dict.fromkeys(cases, ratios)
        assert figures.shares(bench(), what) == dict.fromkeys(cases, SHARES)


def test_sweeps_by_hand():
    (lines,) = figures.sweeps(growth()).values()
    assert [line["size"] for line in lines] == [8, 16]
    ratio = (48 + 32) / (48 + 16)
    assert lines[1]["time"] == {"SemanIR MSA": 1.25, "W-MSA": 1}
    assert lines[1]["formula"] == lines[1]["counted"] == {"SemanIR MSA": ratio, "W-MSA": 1}


def test_a_page_of_this_machine(records, elsewhere, tmp_path):
    (one,) = speed.render(*records, tmp_path)
    page = assert_self_contained((tmp_path / "speed.html").read_text(encoding="utf-8"))
    words = " ".join(" ".join(page.text).split())
    made = (
        f"this machine ({PROVENANCE['machine']})",
        "CPU",
        "AVX512",
        "2",
        "0123456789ab",
        "2026-01-02",
    )
    assert one[:6] == made and all(fact in words for fact in made)
    svgs = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert len({svg["aria-label"] for svg in svgs}) == len(svgs) == 4
    assert "was not measured" not in words and "within 10 %" in words
    text = (tmp_path / "speed.html").read_text(encoding="utf-8")
    assert "<td>1.000</td><td>yes</td><td>32</td><td>1.00</td>" in text
    assert "<td>2.000</td><td>no</td><td>–</td><td>–</td>" in text
    assert "Growth with the picture" in (tmp_path / "growth.svg").read_text(encoding="utf-8")

    table = pd.read_csv(tmp_path / "speed.csv").set_index(["figure", "case", "system"])["value"]
    faster = "times faster than dense, with backward"
    assert table[faster, "photograph, N=1024 k=256", "mask"] == 0.5
    assert table["share of the peak, forward", "N=1024 k=64", "dense"] == 0.5
    assert table["restoring, time_ratio", "4.0 MP", "semanir-u-tiny"] == 2
    assert table["layer over k, formula against the first", "k=16", "SemanIR MSA"] == 1.25
    assert len(table) == 2 * 2 * (3 + 4) + (4 + 2) + 2 * 3 * 2
    assert (
        "growth" in speed.summary([one])
        and frame.navigation(tmp_path / "a.html")["pages"]["speed.html"]
    )


def test_machines_of_the_project_are_shown_beside(tmp_path):
    """That of the H100 is older: without peers, shares, commit, date and growth."""
    (gpu,) = [one for one in speed.render(None, None, tmp_path) if "H100" in one.device]
    assert (gpu.name, gpu.commit, gpu.date, gpu.growth) == ("h100", "", "", None)
    text = (tmp_path / "speed.html").read_text(encoding="utf-8")
    assert_self_contained(text)
    assert "This machine was not measured" in text and "no share of the peak" in text
    assert "NVIDIA H100 80GB HBM3" in text and "Growth was not measured on it" in text
    # as docs/attention.md says: 6.9 times faster with k = 64
    table = pd.read_csv(tmp_path / "speed.csv")
    table = table[(table["device"] == gpu.device) & (table["case"] == "N=1024 k=64")]
    table = table[table["figure"] == "times faster than dense, forward"].set_index("system")
    assert f"{table.loc['triton-gather', 'value']:.2f}" == f"{7.262303829193115 / 1.0604480504:.2f}"


def test_records_of_one_machine_come_together(records, elsewhere, tmp_path):
    (elsewhere / "box-bench.json").write_text(json.dumps(bench(device="Some GPU")))
    (elsewhere / "box-growth.json").write_text(json.dumps(growth()))
    (elsewhere / "other-growth.json").write_bytes(records[1].read_bytes())
    here, box, other = speed.render(*records, tmp_path)
    assert (box.name, box.device, box.date) == ("box", "Some GPU", "")
    assert (other.name, other.bench) == (f"other ({PROVENANCE['machine']})", None)
    page = assert_self_contained((tmp_path / "speed.html").read_text(encoding="utf-8"))
    labels = [attrs["aria-label"] for tag, attrs in page.tags if tag == "svg"]
    assert len(set(labels)) == len(labels) == 4 + 4 + 2
    assert here.growth and box.growth and other.growth


def test_what_is_broken_or_missing_is_named(records, elsewhere, tmp_path):
    with pytest.raises(InputError, match="no record of any machine"):
        speed.render(None, None, tmp_path)
    (elsewhere / "box-growth.json").write_text("{")
    with pytest.raises(InputError, match=r"broken record .*box-growth\.json"):
        speed.render(*records, tmp_path)
    (elsewhere / "box-growth.json").write_text(json.dumps({"pictures": []}))
    with pytest.raises(InputError, match="a record of speed is not whole"):
        speed.render(*records, tmp_path)


def test_pages_link_it_where_it_was_made(tmp_path):
    page = tmp_path / "claims.html"
    assert "speed.html" not in frame.navigation(page)["pages"]
    assert "speed.html" in frame.navigation(tmp_path / "speed.html")["pages"]
    (tmp_path / "speed.html").write_text("made")
    assert frame.navigation(page)["pages"]["speed.html"] == "Speed"


def test_growth_is_collected(records):
    rows = collect([records[1]])[["model", "level", "metric", "value", "k"]]
    assert rows.astype(object).where(rows.notna(), None).to_numpy().tolist() == [
        ["SemanIR MSA", "H=8 W=8 C=12 h=2 M=8 k=16", "layer_ms", 2.5, 16],
        ["SemanIR MSA", "H=8 W=8 C=12 h=2 M=8 k=8", "layer_ms", 2.0, 8],
        ["W-MSA", "H=8 W=8 C=12 h=2 M=8 k=16", "layer_ms", 4.0, 16],
        ["W-MSA", "H=8 W=8 C=12 h=2 M=8 k=8", "layer_ms", 4.0, 8],
        ["semanir-u-tiny", "1.0 MP", "restore_bytes", 2**25, None],
        ["semanir-u-tiny", "1.0 MP", "restore_seconds", 3.0, None],
        ["semanir-u-tiny", "4.0 MP", "restore_seconds", 24.0, None],
    ]
