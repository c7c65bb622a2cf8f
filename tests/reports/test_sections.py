"""Tables 1 and 12 and Figure 4: what their pages make of what is measured for them."""

import json
import re
from xml.etree import ElementTree

import pandas as pd
import pytest
from made_records import activation_record

from reports.collect import collect, read_records
from reports.evidence import Evidence
from reports.figures import figure04
from reports.tables import complexity, efficiency, memory, tables
from semanir.errors import InputError
from semanir.plan.cells import cells
from semanir.plan.record import write_record

GIB = 2**30


def test_formulas_are_read_as_printed():
    symbols = {"H": 3, "W": 5, "C": 7, "h": 2, "M": 4, "k": 11}
    assert complexity.evaluate("4HWC^2 + 2(HW)^2 C", symbols) == 4 * 15 * 49 + 2 * 225 * 7
    assert complexity.evaluate("4HWC^2 + 2h(M)^2 HWC", symbols) == 4 * 15 * 49 + 4 * 16 * 15 * 7
    assert complexity.evaluate("4HWC^2 + 2hkHWC", symbols) == 4 * 15 * 49 + 44 * 15 * 7
    assert complexity.evaluate("12M^2-12k-HW", symbols) == 192 - 132 - 15
    for cell in cells("table12"):
        assert complexity.evaluate(cell.value, symbols) > 0
    for bad in ("4HXC", "HW; C", "__import__", "H/W"):
        with pytest.raises(InputError, match="cannot read"):
            complexity.evaluate(bad, symbols)


def test_the_memory_model_fits_the_printed_numbers():
    """Constants of the fit in bytes, from facts that were derived apart from this code."""
    numbers = [cell for cell in cells("table01") if cell.kind == "number"]
    fits = {method: memory.fit(numbers, method) for method in memory.OURS}
    for method, known in {"Torch-Mask": (104.5, 32), "Torch-Gather": (16, 1608)}.items():
        assert fits[method] == pytest.approx(known, rel=0.05), method
        for cell in numbers:
            if cell.method == method:
                assert memory.model(cell, fits) == pytest.approx(float(cell.value), rel=0.01)
    # Triton grows faster than N^2 between the largest sizes: no such model can follow
    assert memory.fit(numbers, "Triton") == pytest.approx((40, 40), rel=0.2)


def test_exponents_and_their_verdicts():
    assert memory.exponent(["N=512", "N=1024"], [1.0, 4.0]) == 2
    assert memory.exponent(["k=32", "k=512"], [1.0, 16.0]) == 1
    numbers = [cell for cell in cells("table01") if cell.kind == "number"]
    found = {}
    for n in (4096, 8192):
        found |= {(f"N={n}", "mask"): {"bytes": n * n}, (f"N={n}", "gather"): {"bytes": n}}
    lines = {line["method"]: line for line in memory.growth(numbers, found)}
    assert lines["Torch-Mask"]["verdict"] == "same growth"
    assert lines["Torch-Gather"]["verdict"] == "grows less"
    assert "Triton" not in lines  # it was not measured


def put(folder, name, **body):
    path = folder / f"results/smoke/cost/attention/{name}.json"
    write_record(path, name, {"scale": "smoke", "model": "attention"}, "attention", **body)
    return path


def test_page_of_table_1(tmp_path, monkeypatch):
    rows = [
        {"setting": s, "N": 1, "k": 7, "B": 3, "backend": b, "bytes": size, "predicted": 9 * GIB}
        for s in ("N=4096", "N=8192", "k=32", "k=64", "k=512", "N=512")
        for b, size in (("fused", 2 * GIB), ("mask", None), ("gather", 5 * GIB))
    ]
    path = put(tmp_path, "memory", device="cpu", rows=rows)
    monkeypatch.setattr("reports.collect.EVIDENCE", tmp_path)
    assert memory.section(cells("table01"), collect([]))["parts"] == []
    results = collect([path])
    assert set(results["metric"]) == {"memory_cpu", "memory_predicted"}
    tables.render("table01", [Evidence("smoke", read_records([path]))], tmp_path)
    page = (tmp_path / "table01.html").read_text()
    assert "0 of 27 numbers measured" in page and "27 no hardware" in page
    assert "9 skipped" in page and ">2<" in page and "The batch is\n3 over N" in page
    assert page.count("<svg") == 1 and "grows less" in page
    assert "<script src" not in page and "http" not in page


def test_times_of_the_back_ends_are_collected(tmp_path):
    layers = [{"N": 64, "K": 8, "forward": {"mask": 3.0, "dense": 2.0}, "forward_backward": {}}]
    results = collect([put(tmp_path, "bench", device="cpu", layers=layers)])
    rows = results[["model", "level", "metric", "value", "k"]].to_numpy().tolist()
    assert rows == [
        [name, "N=64 k=8", "forward_ms", t, 8] for name, t in (("dense", 2), ("mask", 3))
    ]


def test_page_of_table_12(tmp_path):
    """Two forms as counted on a map of 8 x 8 with 12 channels: what the formulas say."""
    counts = {"H": 8, "W": 8, "C": 12, "h": 6, "bias": 7, "floats": 99}
    rows = [
        counts | {"form": "W-MSA", "M": 4, "multiply_adds": 61_440, "dictionary": 0},
        counts | {"form": "SemanIR MSA", "M": 8, "k": 9, "multiply_adds": 50_688, "dictionary": 9},
    ]
    path = put(tmp_path, "complexity", rows=rows)
    tables.render("table12", [Evidence("smoke", read_records([path]))], tmp_path)
    page = (tmp_path / "table12.html").read_text()
    assert page.count('<td class="match">1 <i') == 2
    assert "140288" in page and "-9652" in page
    lines = complexity.lines(cells("table12"), collect([path]))
    assert [line["time_ratio"] for line in lines] == [1, 1]
    assert all(line["space_ratio"] < 1 for line in lines)
    assert complexity.section(cells("table12"), collect([]))["lines"] == []


def test_memory_of_a_gpu_is_shown_beside_that_of_this_machine(tmp_path):
    """The committed sweep: mask and gather are near print with the assumed batch, Triton is not."""
    empty = pd.DataFrame(columns=["metric", "model", "level", "value", "batch", "machine"])
    (part,) = memory.section(cells("table01"), empty)["parts"]
    assert part["device"] == "cuda" and "H100" in part["machine"]
    printed = {(c.setting, c.method): float(c.value) for c in cells("table01") if c.value}
    for setting in ("N=8192", "k=32", "k=64"):
        for method, backend in (("Torch-Mask", "mask"), ("Torch-Gather", "gather")):
            found = part["measured"][setting, backend]["bytes"] / 2**30
            assert 0.55 < found / printed[setting, method] < 1, (setting, backend)
        ours = part["measured"][setting, "triton"]["bytes"] / 2**30
        assert ours < printed[setting, "Triton"] / 5
    assert part["measured"]["k=512", "gather"]["bytes"] is None  # printed: OOM
    tables.render("table01", [Evidence("smoke", read_records([]))], tmp_path)
    page = (tmp_path / "table01.html").read_text()
    assert "On an NVIDIA H100" in page and "How memory grows on a CPU" not in page


def test_the_setting_whose_count_is_nearest_is_marked():
    """Of each printed row alone, by its total over the three parts."""
    totals = {"x4 a": 290.17, "x4 b": 290.3, "denoise_gray a": 136.44, "denoise_gray b": 140.0}
    models = {"x4": "semanir-s", "denoise_gray": "semanir-u"}
    rows = [
        {"model": models[level.split()[0]], "level": level, "metric": f"FLOPs_{part}"}
        | {"value": share * total * 1e9}
        for level, total in totals.items()
        for part, share in zip(efficiency.PARTS, (0.5, 0.3, 0.2), strict=True)
    ]
    lines = efficiency.decomposition(cells("table03"), pd.DataFrame(rows))
    found = {round(line["total"], 2): line["nearest"] for line in lines}
    assert found == {290.17: True, 290.3: False, 136.44: True, 140.0: False}


def test_page_of_figure_4(tmp_path):
    path = activation_record(tmp_path)
    path.write_text(path.read_text().replace("astronaut", "<b>photo</b>"))
    figure04.render(path, tmp_path)
    page = (tmp_path / "figure04.html").read_text()
    assert page.count("<svg") == 2 and "&lt;b&gt;photo" in page and "<b>photo" not in page
    assert page.count("attention weight") == 5  # a colour bar for each map
    ids = re.findall(r'\sid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    weights = pd.read_csv(tmp_path / "figure04.csv", dtype={"keys": str})
    told = json.loads(path.read_text())["maps"]
    line = weights[(weights["keys"] == "16") & (weights["y"] == 3) & (weights["x"] == 30)]
    assert list(line["weight"]) == [told["16"][3][30]] and len(weights) == 5 * 32 * 32
    svg = ElementTree.fromstring((tmp_path / "figure04.svg").read_text())
    assert "Figure 4: attention of one query region" in "".join(svg.itertext())
    figure04.render(path, tmp_path)
    assert (tmp_path / "figure04.html").read_text() == page
