"""Tables 1 and 12 and Figure 4: what is measured for them, and what their pages make of it."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch

import semanir
from reports.collect import collect, read_records
from reports.figures import figure04
from reports.tables import complexity, memory, tables
from semanir.attention import AllKeys, attend, build_dictionary
from semanir.errors import InputError
from semanir.evaluate import activation
from semanir.measure import evidence
from semanir.measure.bench import Layer as BenchLayer
from semanir.measure.timing import peak_bytes
from semanir.plan import runs as plan
from semanir.plan.record import write_record

MIB = 2**20
SMALL = [
    {"N": 256, "k": 16, "B": 2, "setting": "N=256"},
    {"N": 512, "k": 64, "B": 1, "setting": "k=64"},
]


# --- what is measured ------------------------------------------------------------------------


def test_peak_of_a_known_pattern_of_allocations():
    """8 + 4 MiB, then 4 + 2 MiB: the peak is 12 MiB; what was there before counts for nothing."""
    before = torch.ones(3 * MIB, dtype=torch.uint8)

    def pattern():
        a = torch.empty(8 * MIB, dtype=torch.uint8)
        b = torch.empty(4 * MIB, dtype=torch.uint8)
        del a
        c = torch.empty(2 * MIB, dtype=torch.uint8)
        return b, c

    assert peak_bytes(pattern) == 12 * MIB
    assert len(before) == 3 * MIB


def test_memory_is_measured_and_close_to_its_prediction(monkeypatch):
    monkeypatch.setattr(evidence, "SWEEPS", {"cpu": SMALL})
    rows = evidence.memory()
    assert {row["backend"] for row in rows} >= {"mask", "gather"}
    for row in rows:
        if row["backend"] in ("mask", "gather"):
            assert 0.7 < row["predicted"] / row["bytes"] < 1.5, row
        else:
            assert row["bytes"] < 6 * MIB


def test_a_cell_that_would_not_fit_is_skipped_with_a_message(monkeypatch, capsys):
    monkeypatch.setattr(evidence, "SWEEPS", {"cpu": SMALL})
    monkeypatch.setattr(evidence, "LIMIT", 30 * MIB)
    rows = {(row["setting"], row["backend"]): row for row in evidence.memory()}
    assert rows["k=64", "gather"]["bytes"] is None
    assert rows["N=256", "mask"]["bytes"] > 0
    out = "".join(capsys.readouterr())
    assert re.search(r"gather at k=64: about 0\.1 GiB predicted, 0\.0 GiB allowed; skipped", out)


def test_any_number_of_tokens_makes_a_window():
    for n in (64, 128, 512, 7):
        h, w = BenchLayer(n, 4, tokens=n).window
        assert h * w == n and h <= w


def test_counted_multiply_adds_equal_the_printed_formulas(monkeypatch):
    monkeypatch.setattr(evidence, "MAPS", [(16, 16, 24)])
    monkeypatch.setattr(
        evidence,
        "FORMS",
        {"MSA": [{}], "W-MSA": [{"M": 8}], "SemanIR MSA": [{"M": 16, "k": 40}]},
    )
    found = {row["form"]: row for row in evidence.complexity()}
    assert found["MSA"]["multiply_adds"] == 4 * 256 * 24**2 + 2 * 256**2 * 24
    assert found["W-MSA"]["multiply_adds"] == 4 * 256 * 24**2 + 2 * 64 * 256 * 24
    assert found["SemanIR MSA"]["multiply_adds"] == 4 * 256 * 24**2 + 2 * 40 * 256 * 24
    assert found["SemanIR MSA"]["dictionary"] == 256 * 256 * 24
    assert found["MSA"]["dictionary"] == 0
    assert found["MSA"]["bias"] == 31 * 31 * 512 * (2 + 6)
    # scores and weights [6,256,256] at least, far from 2h(HW)^2 C
    assert 2 * 6 * 256**2 <= found["MSA"]["floats"] < 6 * 6 * 256**2


# --- what the pages make of it -----------------------------------------------------------------


def test_formulas_are_read_as_printed():
    symbols = {"H": 3, "W": 5, "C": 7, "h": 2, "M": 4, "k": 11}
    assert complexity.evaluate("4HWC^2 + 2(HW)^2 C", symbols) == 4 * 15 * 49 + 2 * 225 * 7
    assert complexity.evaluate("4HWC^2 + 2h(M)^2 HWC", symbols) == 4 * 15 * 49 + 4 * 16 * 15 * 7
    assert complexity.evaluate("4HWC^2 + 2hkHWC", symbols) == 4 * 15 * 49 + 44 * 15 * 7
    assert complexity.evaluate("12M^2-12k-HW", symbols) == 192 - 132 - 15
    for cell in plan.cells("table12"):
        assert complexity.evaluate(cell.value, symbols) > 0
    for bad in ("4HXC", "HW; C", "__import__", "H/W"):
        with pytest.raises(InputError, match="cannot read"):
            complexity.evaluate(bad, symbols)


def test_equation_7_as_printed_and_with_windows_that_fit():
    """150528 - 6144 - 4096 >> 0 holds for 112 x 112 tokens, and turns at windows of 7 and 16."""
    printed = complexity.equations(complexity.PRINTED)
    assert (printed["windows"], printed["sparse"]) == (150528, 6144 + 4096)
    assert printed["bracket"] == 140288 and not printed["fits"]
    small = complexity.equations({"H": 64, "W": 64, "k": 512, "M": 7})
    assert small["bracket"] == 588 - 6144 - 4096 < 0
    assert complexity.equations({"H": 64, "W": 64, "k": 64, "M": 16})["bracket"] < 0


def test_the_memory_model_fits_the_printed_numbers():
    """Constants of the fit in bytes, from facts that were derived apart from this code."""
    numbers = [cell for cell in plan.cells("table01") if cell.kind == "number"]
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
    numbers = [cell for cell in plan.cells("table01") if cell.kind == "number"]
    found = {
        (f"N={n}", "mask"): {"bytes": float(n * n)} for n in (4096, 8192)
    } | {(f"N={n}", "gather"): {"bytes": float(n)} for n in (4096, 8192)}  # fmt: skip
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
        {"setting": s, "N": 1, "k": 7, "B": 3, "backend": b, "bytes": size, "predicted": 9 * MIB}
        for s in ("N=4096", "N=8192", "k=32", "k=64", "k=512", "N=512")
        for b, size in (("fused", 2 * MIB), ("mask", None), ("gather", 5 * MIB))
    ]
    path = put(tmp_path, "memory", device="cpu", rows=rows)
    monkeypatch.setattr("reports.collect.EVIDENCE", tmp_path)
    results = collect([path])
    assert set(results["metric"]) == {"memory_cpu", "memory_predicted"}
    tables.render("table01", "smoke", read_records([path]), tmp_path)
    page = (tmp_path / "table01.html").read_text()
    assert "0 of 27 cells measured" in page and "27 no hardware" in page
    assert "9 skipped" in page and ">2.0<" in page and "The batch is\n3 over N" in page
    assert page.count("<svg") == 1 and "grows less" in page
    assert "<script src" not in page and "http" not in page


def test_times_of_the_back_ends_are_collected(tmp_path):
    layers = [{"N": 64, "K": 8, "forward": {"mask": 3.0, "dense": 2.0}, "forward_backward": {}}]
    results = collect([put(tmp_path, "bench", device="cpu", layers=layers)])
    rows = results[["model", "level", "metric", "value", "k"]].to_numpy().tolist()
    assert rows == [
        ["dense", "N=64 k=8", "forward_ms", 2.0, 8],
        ["mask", "N=64 k=8", "forward_ms", 3.0, 8],
    ]


def test_page_of_table_12(tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "MAPS", [(8, 8, 12)])
    monkeypatch.setattr(evidence, "FORMS", {"W-MSA": [{"M": 4}], "SemanIR MSA": [{"M": 8, "k": 9}]})
    path = put(tmp_path, "complexity", rows=evidence.complexity())
    tables.render("table12", "smoke", read_records([path]), tmp_path)
    page = (tmp_path / "table12.html").read_text()
    assert page.count('<td class="match">1 <i') == 2
    assert "140288" in page and "-9652" in page
    lines = complexity.lines(plan.cells("table12"), collect([path]))
    assert [line["time_ratio"] for line in lines] == [1, 1]
    assert all(line["space_ratio"] < 1 for line in lines)


def test_memory_of_a_gpu_is_shown_beside_that_of_this_machine(tmp_path):
    """The committed sweep: mask and gather are near print with the assumed batch, Triton is not."""
    empty = pd.DataFrame(columns=["metric", "model", "level", "value", "batch", "machine"])
    (part,) = memory.section(plan.cells("table01"), empty)["parts"]
    assert part["device"] == "cuda" and "H100" in part["machine"]
    printed = {(c.setting, c.method): float(c.value) for c in plan.cells("table01") if c.value}
    for setting in ("N=8192", "k=32", "k=64"):
        for method, backend in (("Torch-Mask", "mask"), ("Torch-Gather", "gather")):
            found = part["measured"][setting, backend]["bytes"] / 2**30
            assert 0.55 < found / printed[setting, method] < 1, (setting, backend)
        ours = part["measured"][setting, "triton"]["bytes"] / 2**30
        assert ours < printed[setting, "Triton"] / 5
    assert part["measured"]["k=512", "gather"]["bytes"] is None  # printed: OOM
    tables.render("table01", "smoke", read_records([]), tmp_path)
    page = (tmp_path / "table01.html").read_text()
    assert "On an NVIDIA H100" in page and "How memory grows on a CPU" not in page


def test_pages_without_a_record(tmp_path, monkeypatch):
    empty = pd.DataFrame(columns=["metric", "model", "level", "value", "batch", "machine"])
    monkeypatch.setattr("reports.collect.EVIDENCE", tmp_path)
    assert memory.section(plan.cells("table01"), empty)["parts"] == []
    assert complexity.section(plan.cells("table12"), empty)["lines"] == []


# --- Figure 4 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", ["dictionary", "all"])
def test_attention_weights_are_those_of_the_layer(keys):
    """Weights times values, heads merged and projected, is what the layer returns."""
    layer = semanir.build("semanir-u-tiny", window=8).down["0"].layers[0].attention
    x = torch.randn(2, 64, 16)
    chosen = build_dictionary(x, 9) if keys == "dictionary" else AllKeys()
    with torch.no_grad():
        got = activation.weights(layer, x, chosen, (8, 8))
        v = layer.qkv(x).view(2, 64, 3, layer.heads, -1).permute(2, 0, 3, 1, 4)[2]
        merged = (got @ v).transpose(1, 2).reshape(2, 64, 16)
        assert (layer.proj(merged) - layer(x, chosen, (8, 8))).abs().max() < 1e-5
        q, k, _ = layer.qkv(x).view(2, 64, 3, layer.heads, -1).permute(2, 0, 3, 1, 4)
        expected = attend(q, k, v, chosen, layer.bias((8, 8)), (8, 8))
        assert (got @ v - expected).abs().max() < 1e-5


def test_inspection_of_a_network_and_its_page(tmp_path):
    torch.manual_seed(0)
    network = semanir.build("semanir-u-tiny").eval()
    image = np.random.default_rng(0).random((40, 45, 3), dtype=np.float32)
    image[4 + 8 : 4 + 12, 6 + 20 : 6 + 24] = [[[0.0], [1.0], [0.0], [1.0]]]  # the liveliest block
    found = activation.inspect(network, image)
    assert found["query"] == [8, 20]
    assert set(found["maps"]) == {"8", "16", "64", "256", "all"}
    for name, shown in found["maps"].items():
        assert np.shape(shown) == (32, 32) and np.sum(shown) == pytest.approx(1, abs=1e-3)
        used = np.count_nonzero(shown)
        assert used <= 16 * int(name) if name != "all" else used > 900
    for row in found["stages"]:
        assert sum(row["histogram"]) % row["N"] == 0 and row["most"] < row["N"]
    assert {row["stage"] for row in found["stages"]} == {"down.0", "up.1", "final"}

    path = tmp_path / "seed0.json"
    identity = {"scale": "smoke", "task": "denoise_color-blind", "model": "<u>", "seed": 0}
    place = {"dataset": "set", "level": "sigma15", "image": "<b>photo</b>"}
    write_record(path, "activation", identity, "activation", **place, **found)
    figure04.render(path, tmp_path)
    page = (tmp_path / "figure04.html").read_text()
    assert page.count("<svg") == 2 and "<b>photo" not in page and "&lt;u&gt;" in page
    first = json.loads(path.read_text())
    figure04.render(path, tmp_path)
    assert (tmp_path / "figure04.html").read_text() == page  # byte for byte
    assert first["kind"] == "activation"


def test_an_image_smaller_than_the_window_is_refused():
    with pytest.raises(InputError, match="32 x 32 or more"):
        activation.inspect(semanir.build("semanir-u-tiny"), np.zeros((31, 40, 3), np.float32))
