"""What is measured for Tables 1 and 12: memory of the back ends, multiply-adds of the forms."""

import re

import pytest
import torch

from reports.claims.claims import read_claims
from semanir.measure import evidence
from semanir.measure.layer import HEADS, Layer
from semanir.measure.timing import peak_bytes
from semanir.network.config import ColumnarConfig
from semanir.network.layers import KeySemanticAttention

MIB = 2**20


@pytest.fixture(autouse=True)
def small(monkeypatch):
    cells = [(256, 16, 2, "N=256"), (512, 64, 1, "k=64")]
    swept = [dict(zip(("N", "k", "B", "setting"), cell, strict=True)) for cell in cells]
    monkeypatch.setattr(evidence, "SWEEPS", {"cpu": swept})


def test_peak_of_a_known_pattern_of_allocations():
    """8 + 4 MiB, then 4 + 2 MiB: the peak is 12 MiB; what was there before counts for nothing."""

    def mib(n):
        return torch.ones(n * MIB, dtype=torch.uint8)

    def pattern():
        a, b = mib(8), mib(4)
        del a
        return b, mib(2)

    before = mib(3)
    assert peak_bytes(pattern) == 12 * MIB
    assert len(before) == 3 * MIB


def test_memory_is_measured_and_close_to_its_prediction():
    rows = evidence.memory()
    assert {row["backend"] for row in rows} >= {"mask", "gather"}
    for row in rows:
        near = row["backend"] in ("mask", "gather") and row["predicted"] / row["bytes"]
        assert 0.7 < near < 1.5 if near else row["bytes"] < 6 * MIB, row


def test_a_cell_that_would_not_fit_is_skipped_with_a_message(monkeypatch, capsys):
    monkeypatch.setattr(evidence, "LIMIT", 30 * MIB)
    rows = {(row["setting"], row["backend"]): row for row in evidence.memory()}
    assert rows["k=64", "gather"]["bytes"] is None
    assert rows["N=256", "mask"]["bytes"] > 0
    out = "".join(capsys.readouterr())
    assert re.search(r"gather at k=64: about 0\.1 GiB predicted, 0\.0 GiB allowed; skipped", out)


def test_any_number_of_tokens_makes_a_window():
    for n in (64, 128, 512, 7):
        h, w = Layer(n, 4, tokens=n).window
        assert h * w == n and h <= w


def test_k_keys_cost_a_token_the_same_in_every_window():
    """4C^2 + 2kC of windows of 16 and of 32 alike; all keys (4C + 2M^2) / C: 2288 to 752."""
    ratios = []
    for k in (64, None):
        layer = KeySemanticAttention(60, HEADS, ColumnarConfig(backend="gather"))
        large, small = (
            evidence.counted(layer, torch.empty(4096 // m**2, m**2, 60), k, m)["multiply_adds"]
            for m in (32, 16)
        )
        ratios.append(large / small)
    assert ratios == [1, pytest.approx(2288 / 752)]


def test_every_count_that_a_claim_names_is_recorded():
    recorded = set()
    for h, w, c in evidence.MAPS:
        for form, settings in evidence.FORMS.items():
            for more in settings:
                sizes = {"H": h, "W": w, "C": c, "h": HEADS} | more
                recorded.add((form, " ".join(f"{name}={size}" for name, size in sizes.items())))
    forms = [claim["measured"] for claim in read_claims() if "measured" in claim]
    cells = [cell for form in forms for cell in form.get("cells", {}).values()]
    named = {(c["model"], c["level"]) for c in cells if c.get("metric") == "multiply_adds"}
    assert len(named) > 3 and named <= recorded


def test_counted_multiply_adds_equal_the_printed_formulas(monkeypatch):
    monkeypatch.setattr(evidence, "MAPS", [(16, 16, 24)])
    forms = {"MSA": [{}], "W-MSA": [{"M": 8}], "SemanIR MSA": [{"M": 16, "k": 40}]}
    monkeypatch.setattr(evidence, "FORMS", forms)
    found = {row["form"]: row for row in evidence.complexity()}
    for form, keys in (("MSA", 256), ("W-MSA", 64), ("SemanIR MSA", 40)):
        assert found[form]["multiply_adds"] == 4 * 256 * 24**2 + 2 * keys * 256 * 24
    assert found["SemanIR MSA"]["dictionary"] == 256 * 256 * 24
    assert found["MSA"]["dictionary"] == 0
    assert found["MSA"]["bias"] == 31 * 31 * 512 * (2 + 6)
    # scores and weights [6,256,256] at least, far from 2h(HW)^2 C
    assert 2 * 6 * 256**2 <= found["MSA"]["floats"] < 6 * 6 * 256**2
