"""The claims ledger: forms by hand, and the known contradictions found by computation."""

import re
import unicodedata

import pandas as pd
import pytest
import yaml
from checkout import REPOSITORY
from made_records import count_record, eval_record

from reports.claims import claims as ledger
from reports.claims.claims import HOLDS, frame, judge, main
from reports.claims.conclusions import Family, compare_all
from reports.claims.forms import NotMeasuredError, evaluate
from reports.collect import collect, means, read_records
from semanir.errors import InputError

EMPTY = collect([])

# what does not hold by the paper's own numbers, each with a number of its evidence; counted by
# hand from the printed tables
CONTRADICTED = {
    "state-of-the-art": "31.05 not ahead of Restormer 31.22",
    "mask-affordable": "in 5 of 7 cells",
    "from-396-to-512": "12.0 keys",
    "k-of-the-efficiency-analysis": "-1.0 values",
    "k-of-the-appendix": "443.0 values",
    "four-recent-approaches": "5 (SwinIR, CAT, HAT, Restormer, GRL)",
    "fewer-parameters-than-hat": "42.13 %",
    "swinir-slightly-faster": "1.392",
    "more-accurate-than-cat-and-hat": "SemanIR-S 28.34, HAT 28.37",
    "noise-levels-of-one-model": "1.0 levels",
    "qualities-of-one-model": "5.0 levels",
    "larger-window-better-gray": "window16 29.51, sigma25 window32 29.50",
    "restormer-was-best": "32.92 not ahead of Ren et al. 33.20",
    "blind-denoising-best-everywhere": "in 13 of 18 cells",
    "denoising-best-on-cbsd68-and-urban100": "in 3 of 6 cells",
    "outperforms-drunet-and-restormer": "28.57, Restormer 28.59",
    "weather-improvement-on-snow": "6.620",
    "second-on-raindrop": "30.82 not ahead of Quan 31.44, CCN 31.34, All-in-One 31.12",
    "demosaicking-mcmaster": "0.460 dB",
    "weather-training-images": "1000.0 images too many",
    "weather-patch": "16 times the side",
    "eq-7-window": "-9652",
    "dictionary-cost": "4096",
}
# the same among the findings
UNEQUAL = {
    "table-3-against-7-psnr": "-0.230 dB",
    "table-3-against-7-parameters": "0.030 M",
    "table-5-against-7": "31.17, SemanIR 31.18",
    "table-6-against-7": "31.75, SemanIR 31.79",
    "two-rows-of-dncnn": "McMaster sigma15: DnCNN 33.45, DnCNN 33.45",
    "two-rows-of-drunet": "in 0 of 18 cells",
    "swinir-on-raindrop": "SemanIR 30.82, SwinIR 30.82",
    "sr-base-over-small": "Urban100 x2 SSIM: SemanIR-B 0.9455, SemanIR-S 0.9472",
}


@pytest.fixture(scope="module")
def numbers():
    return frame("smoke", EMPTY)


def judged(numbers, name, results=EMPTY, by_image=EMPTY):
    claim = next(claim for claim in ledger.claims() if claim["id"] == name)
    return judge(claim, numbers, results, compare_all(by_image, ledger.claims()))


def test_there_are_claims_of_every_part_of_the_paper():
    """At least 40, each with its place, a form or a reason, and a name of its own."""
    found = ledger.claims()
    assert len(found) >= 40
    places = " ".join(claim["place"] for claim in found)
    for part in ("Abstract", "Sec. 3", "Sec. 4.1", "Sec. 4.2", "App. A", "Eq. 3", "Eq. 7"):
        assert part in places
    assert all("printed" in claim or "measured" in claim for claim in found)


def test_the_papers_own_tables_contradict_these_and_no_others(numbers):
    found = {
        claim["id"]: judge(claim, numbers, EMPTY, Family([]))
        for claim in ledger.claims()
        if "printed" in claim
    }
    failing = {name for name, one in found.items() if one.printed != HOLDS}
    assert failing == {*CONTRADICTED, *UNEQUAL}
    assert {found[name].kind for name in CONTRADICTED} == {"claim"}
    assert {found[name].kind for name in UNEQUAL} == {"finding"}
    for name, evidence in (CONTRADICTED | UNEQUAL).items():
        assert evidence in found[name].printed_detail, found[name].printed_detail


def test_the_documents_count_them_right():
    root = REPOSITORY
    text = " ".join((root / "docs" / "reports.md").read_text(encoding="utf-8").split())
    quoted = [claim for claim in ledger.claims() if "quote" in claim]
    assert f"{len(quoted)} statements" in text
    assert f"{len(ledger.claims()) - len(quoted)} findings" in text
    assert f"{len(CONTRADICTED)} of them do not hold by the paper's own tables" in text
    short = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    counted = f"**{len(CONTRADICTED)} of {len(quoted)}** statements of the paper do not hold"
    assert f"{counted} by the paper's own tables" in short


def letters(text):
    """Without spaces, line breaks and hyphens, which a PDF's text has where lines end."""
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    return re.sub(r"[\s\-\u2010-\u2015\u00ad]", "", text).casefold()


def test_every_claim_quotes_the_paper():
    """Its words, in their order, in one sentence of its place; no sentence is left over."""
    sentences = yaml.safe_load((REPOSITORY / "reports/paper/sentences.yaml").read_text("utf-8"))
    used = set()
    for claim in ledger.claims():
        if "quote" not in claim:
            continue
        words = ".*".join(re.escape(letters(part)) for part in claim["quote"].split("..."))
        found = [
            number
            for number, sentence in enumerate(sentences)
            if sentence["place"] in claim["place"] and re.search(words, letters(sentence["text"]))
        ]
        assert found, claim["id"]
        used.update(found)
    assert used == set(range(len(sentences)))


def test_no_verdict_is_written_in_a_claim():
    """A note may explain; words of verdicts come from evaluation alone."""
    for path in ledger.HERE.glob("[0-9]*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert "does not hold" not in text and "inconclusive" not in text


def test_without_results_nothing_is_measured(numbers):
    for claim in ledger.claims():
        assert judge(claim, numbers, EMPTY, Family([])).verdict in (
            ledger.UNMEASURED,
            ledger.NOTHING,
        )


@pytest.fixture(scope="module")
def without_results(tmp_path_factory):
    """claims.csv of a scale that has measured nothing yet."""
    folder = tmp_path_factory.mktemp("claims")
    ledger.render("smoke", EMPTY, folder)
    return pd.read_csv(folder / "claims.csv").set_index("id")


@pytest.mark.parametrize(
    ("name", "verdict", "number"),
    [
        ("our-triton-is-faster", "holds", "0.2962 of the mask's time"),
        ("our-triton-saves-memory", "holds", "0.01791 of the mask's memory"),
        ("triton-grows-with-k", "holds", "1.5 times as much"),
    ],
)
def test_what_a_gpu_measured_is_known_at_every_scale(name, verdict, number, without_results):
    """The ratios worked out from reports/accepted/evidence/ by hand."""
    assert without_results.loc[name, "verdict"] == verdict
    assert without_results.loc[name, "detail"].startswith(number)


# --- forms -----------------------------------------------------------------------------------

ROWS = [
    # method, dataset, setting, metric, printed, measured, single_model
    ("A", "x", "s1", "PSNR", 30.0, 30.01, False),
    ("B", "x", "s1", "PSNR", 29.0, 31.0, False),
    ("A", "y", "s1", "PSNR", 25.0, None, False),
    ("B", "y", "s1", "PSNR", 26.0, 26.0, False),
    ("C", "y", "s1", "PSNR", 40.0, 40.0, True),
    ("A", "x", "s2", "PSNR", 28.0, 28.0, False),
    ("A", "x", "s10", "PSNR", 27.0, 29.0, False),
    ("A", "z", "s3", "PSNR", 24.0, None, False),
    ("D", "z", "s3", "PSNR", 24.0, None, False),
]


@pytest.fixture
def small():
    names = ["method", "dataset", "setting", "metric", "printed", "measured", "single_model"]
    rows = pd.DataFrame(ROWS, columns=names).assign(table="t", task="", decimals=2)
    close = (rows["printed"] - rows["measured"]).abs() < 0.02
    return rows.assign(verdict=close.map({True: "match", False: "differs"})).astype(
        {"measured": float}
    )


CELL_A = {"table": "t", "method": "A", "dataset": "x", "setting": "s1"}


@pytest.mark.parametrize(
    ("form", "holds", "detail"),
    [
        ({"value": "a - 1", "cells": {"a": CELL_A}, "equals": "29.0"}, True, "29.00, stated 29.0"),
        ({"value": "a - 1.1", "cells": {"a": CELL_A}, "equals": "29.0"}, False, "28.90, stated"),
        (
            {"value": "a / b", "cells": {"a": CELL_A, "b": 10}, "above": 3},
            False,
            "3, stated above 3",
        ),
        ({"value": "a / b", "cells": {"a": CELL_A, "b": 10}, "below": 4, "unit": "m"}, True, "3 m"),
        (
            {"rank": 1, "cells": {"method": "A", "setting": "s1"}},
            False,
            "in 1 of 2 cells; not in y s1: 25.00 not ahead of B 26.00",
        ),
        ({"rank": 2, "cells": {"method": "A", "setting": "s1"}}, True, "in all 2 cells"),
        ({"rank": 1, "cells": {"method": "A", "setting": "s1"}, "most": True}, False, "in 1 of 2"),
        (
            {"rank": 2, "cells": {"method": "A", "dataset": "y"}, "across_groups": True},
            False,
            "not ahead of C 40.00, B 26.00",
        ),
        ({"rank": 1, "cells": {"method": "A", "dataset": "y"}, "smaller": True}, True, "in all 1"),
        (
            {"left": {"method": "A"}, "relation": ">", "right": {"method": "B"}},
            False,
            "in 1 of 2 cells; not in y s1: A 25.00, B 26.00",
        ),
        (
            {"left": {"method": "A", "dataset": "x"}, "relation": "!=", "right": {"method": "B"}},
            True,
            "in all 1",
        ),
        ({"rank": 1, "cells": {"method": "D"}}, False, "24.00 not ahead of A 24.00"),
        ({"count": {"table": "t"}, "of": "method", "equals": "4"}, True, "4 (A, B, C, D)"),
        (
            {"count": {"table": "t"}, "of": "method", "other_than": "D", "equals": "4"},
            False,
            "3 (A",
        ),
        ({"trend": "down", "cells": {"method": "A", "dataset": "x"}}, True, "in all 2 steps"),
        ({"trend": "up", "cells": {"method": "A", "dataset": "x"}}, False, "in 0 of 2 steps"),
    ],
)
def test_forms_on_printed_numbers(small, form, holds, detail):
    if "rank" in form:
        form = {**form, "ours": form["cells"].get("method")}
    found, text = evaluate(form, small, "printed", EMPTY)
    assert found is holds
    assert detail in text


def test_the_same_forms_on_measured_numbers(small):
    """30.01 and 29.00 at s10 turn the trend around; a missing number is named, not left out."""
    trend = {"trend": "down", "cells": {"method": "A", "dataset": "x"}}
    found, text = evaluate(trend, small, "measured", EMPTY)
    assert found is False and "s2 28.00, s10 29.00" in text
    with pytest.raises(
        NotMeasuredError, match=r"1 of 2 numbers measured at full size .*; not A y s1"
    ):
        evaluate({"rank": 1, "cells": {"method": "A", "setting": "s1"}}, small, "measured", EMPTY)
    equal = {"left": {"method": "A", "dataset": "x", "setting": "s1"}, "relation": "=="}
    equal |= {"right": {"method": "B", "dataset": "x"}}
    assert evaluate(equal, small, "measured", EMPTY)[0] is False
    reproduced = {"reproduced": {"method": ["A", "B"], "dataset": "x"}}
    found, text = evaluate(reproduced, small, "measured", EMPTY)
    assert not found and text.startswith("in 2 of 4 numbers; not in B x s1 29.00, measured 31.000")


def test_values_come_from_results_too(small, tmp_path):
    record = eval_record(tmp_path, "sr-x2", "semanir-s", [("set", "x2", 30, 0.9, 0.92)] * 2)
    by_image = read_records([record])
    form = {"value": "b - a", "equals": "0.02", "cells": {}}
    for name, metric in (("a", "ssim_matlab"), ("b", "ssim_zero_padded")):
        form["cells"][name] = {"model": "semanir-s", "metric": metric}
    assert evaluate(form, small, "measured", means(by_image)) == (True, "0.020, stated 0.02")
    form["cells"]["a"] = {"model": "semanir-b", "metric": "ssim_matlab"}
    with pytest.raises(NotMeasuredError, match="no result of semanir-b, ssim_matlab"):
        evaluate(form, small, "measured", means(by_image))


def test_a_form_that_picks_nothing_is_an_error(small):
    with pytest.raises(InputError, match=r"no printed number has \{'method': 'Z'\}"):
        evaluate({"rank": 1, "cells": {"method": "Z"}}, small, "printed", EMPTY)


def test_expressions_compute_and_nothing_else(small):
    """A claim is data: it cannot call or reach into Python."""
    for text in ("__import__('os').getcwd()", "a.__class__", "open('x')"):
        form = {"value": text, "cells": {"a": CELL_A}, "equals": "1"}
        with pytest.raises(Exception, match=r"not|support|valid|allowed|defined"):
            evaluate(form, small, "printed", EMPTY)


# --- measured verdicts -------------------------------------------------------------------------


def test_counts_give_a_measured_verdict(tmp_path):
    """SemanIR-B x4 of the made records is not what is printed."""
    results = collect([count_record(tmp_path, name) for name in ("semanir-s", "semanir-b")])
    found = judged(frame("smoke", results), "parameters-of-semanir", results)
    assert (found.verdict, found.printed) == ("does not hold", "not printed")
    assert found.detail == "in 3 of 4 numbers; not in SemanIR-B x4 params 20.04, measured 20.000"


def test_scaled_down_numbers_answer_for_no_claim_about_print(tmp_path):
    """A tiny network's PSNR on a stand-in set is no measurement of a rank in a table."""
    record = eval_record(
        tmp_path, "demosaick-rggb", "semanir-u", [("embedded_rgb", "rggb", 60, 1, 1)]
    )
    results = collect([record])
    found = judged(frame("smoke", results), "demosaicking-best", results)
    assert found.verdict == "not measured at this scale"


def ablation_records(folder, psnr, seeds=(0, 1, 2)):
    """psnr: model -> gain over 30 dB; ten images that differ by decibels."""
    found = []
    for model, gain in psnr.items():
        for seed in seeds:
            values = [25 + n + gain + 0.001 * (n % 3) * (seed + 1) for n in range(10)]
            listed = [("set12", "sigma25", value, 0.9, 0.9) for value in values]
            found.append(eval_record(folder, "denoise_gray-sigma25", model, listed, seed=seed))
    return found


@pytest.mark.parametrize(
    ("gain", "seeds", "verdict"),
    [(0.2, (0, 1, 2), "holds"), (-0.2, (0, 1, 2), "does not hold"), (0.2, (0,), "inconclusive")],
)
def test_ablations_give_a_measured_verdict(tmp_path, numbers, gain, seeds, verdict):
    paths = ablation_records(tmp_path, {"semanir-u-window32": gain, "semanir-u-window8": 0}, seeds)
    found = judged(numbers, "larger-window-better-gray", EMPTY, read_records(paths))
    assert (found.printed, found.verdict) == ("does not hold", verdict)
    assert f"{gain:+.3f} dB" in found.detail and "10 images" in found.detail


@pytest.mark.parametrize(("fixed_loss", "verdict"), [(1.0, "holds"), (0.02, "does not hold")])
def test_stability_is_a_loss_beside_another(tmp_path, numbers, fixed_loss, verdict):
    """Random k loses 0.2 dB at the smallest k; what fixed k loses there decides."""
    gains = {"semanir-u": 0.5, "semanir-u-at-k8": 0.3}
    gains |= {"semanir-u-fixed": 0.6, "semanir-u-fixed-at-k8": 0.6 - fixed_loss}
    found = judged(numbers, "random-stable", EMPTY, read_records(ablation_records(tmp_path, gains)))
    assert found.verdict == verdict
    assert f"{fixed_loss - 0.2:+.3f} dB" in found.detail


def test_a_claim_may_name_its_tasks_and_sets(tmp_path, numbers):
    """Set5 counts, Set12 does not."""
    records = []
    for model, gain in (("semanir-b-fixed", 0.3), ("semanir-b", 0)):
        for seed in (0, 1, 2):
            scores = [("set5", "x2", 30 + n + gain + 0.001 * n * seed, 0.9, 0.9) for n in range(5)]
            scores += [("set14", "x2", 30 + n - gain, 0.9, 0.9) for n in range(14)]
            records.append(eval_record(tmp_path, "sr-x2", model, scores, seed=seed))
    found = judged(numbers, "fixed-best-on-set5-and-manga109", EMPTY, read_records(records))
    assert found.verdict == "holds"
    assert "set14" not in found.detail


# --- files and pages ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {id: a, text: t}", "'place' is a required property"),
        ("- {id: a, place: p}", "1-broken.yaml, a: either quote"),
        ("- {id: a, place: p, text: t, quote: q}", "1-broken.yaml, a: either quote"),
        ("- {id: a, place: p, text: t, verdict: holds}", "'verdict' was unexpected"),
        ("- {id: a, place: p, text: t, printed: {value: 1, cells: {}}}", "not valid under any"),
        ("- {id: a, place: p, text: t}\n- {id: a, place: p, text: t}", "two claims are called a"),
    ],
)
def test_broken_claims_are_refused(tmp_path, monkeypatch, text, message):
    (tmp_path / "1-broken.yaml").write_text(text)
    (tmp_path / "schema.yaml").write_bytes((ledger.HERE / "schema.yaml").read_bytes())
    monkeypatch.setattr(ledger, "HERE", tmp_path)
    ledger.claims.cache_clear()
    with pytest.raises(InputError, match=message):
        ledger.claims()
    monkeypatch.undo()
    ledger.claims.cache_clear()


def test_page_and_csv_say_the_same(tmp_path, capsys):
    paths = ablation_records(tmp_path, {"semanir-u-window32": 0.2, "semanir-u-window8": 0})
    read_records(paths).to_csv(tmp_path / "results.csv", index=False)
    main(["--scale", "mini", "--results", str(tmp_path / "results.csv"), "--out", str(tmp_path)])
    table = pd.read_csv(tmp_path / "claims.csv", keep_default_na=False)
    assert list(table["id"]) == [claim["id"] for claim in ledger.claims()]
    page = (tmp_path / "claims.html").read_text()
    for row in table.itertuples():
        assert (
            f'<tr id="{row.id}" data-printed="{row.printed}" data-measured="{row.verdict}">' in page
        )
    assert "by the paper's own tables: " in capsys.readouterr().out
    assert get_row(table, "larger-window-better-gray").verdict == "holds"
    assert "<script>alert" not in page and not re.search(r"""(src|href)=["']?http""", page)


def get_row(table, name):
    return next(row for row in table.itertuples() if row.id == name)


def test_text_of_claims_is_escaped(tmp_path, monkeypatch):
    claim = {"id": "a", "place": "<b>p</b>", "text": "<script>alert(1)</script>", "note": "M^2 < k"}
    claim |= {"printed": {"value": "1", "equals": "1"}}
    monkeypatch.setattr(ledger, "claims", lambda: (claim,))
    ledger.render("smoke", read_records(ablation_records(tmp_path, {"semanir-u": 0})), tmp_path)
    page = (tmp_path / "claims.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "<b>p</b>" not in page
    assert "M^2 &lt; k" in page
