"""What is measured for Tables 1 and 12: memory of the back ends, multiply-adds of the forms."""

import re

import torch

from semanir.measure import evidence
from semanir.measure.bench import Layer
from semanir.measure.timing import peak_bytes

MIB = 2**20
SMALL = [
    {"N": 256, "k": 16, "B": 2, "setting": "N=256"},
    {"N": 512, "k": 64, "B": 1, "setting": "k=64"},
]


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
        h, w = Layer(n, 4, tokens=n).window
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
