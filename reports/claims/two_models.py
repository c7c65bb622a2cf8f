"""Claims about two models: judged by their comparisons over images and seeds."""

from typing import Any

import numpy as np

from reports.legend import FAILS, HOLDS, SCALED_DOWN, UNDECIDED, UNMEASURED, Verdict
from reports.statistics.comparison import ALPHA, Comparison
from reports.statistics.conclusions import MARGIN, Family


def judge_two_models(form: dict[str, Any], family: Family) -> tuple[Verdict, str]:
    """(the verdict, the numbers) of a claim over two models; UNMEASURED without results.

    expect: "better", "worse", or "as good": certainly not worse by `within` dB or more; that fails
    if the loss is certainly larger. Sets without an interval are named, and decide nothing where
    others have one. Networks that are trained here are scaled down unless at the paper's scale.
    """
    comparisons = family.find(form["ablation"], form["against"])
    for field in ("task", "dataset"):
        wanted = np.atleast_1d(form.get(field, []))
        comparisons = [
            one for one in comparisons if not len(wanted) or getattr(one, field) in wanted
        ]
    if not comparisons:
        return UNMEASURED, f"{form['ablation']} was not run beside {form['against']}"
    margin = form.get("within", MARGIN)
    known = [one for one in comparisons if one.known]
    unknown = [one for one in comparisons if not one.known]
    verdicts, details = set(), []
    for one in known or unknown:
        conclusion = family.conclude(one, margin)
        p = "p" if conclusion.identical else "adjusted p"
        details.append(f"{one.text}: {conclusion}")
        if one.known:
            details[-1] += f", {p} {conclusion.differs:.2g}, of equality {conclusion.equal:.2g}"
        if form["expect"] == "as good":
            verdict, found, value = _as_good(family, one, margin)
            if one.known:
                details[-1] += f"; {found} by {margin:g} dB, {p} {value:.2g}"
        else:
            expected = {form["expect"]: HOLDS, UNDECIDED.name: UNDECIDED}
            verdict = expected.get(conclusion.name, FAILS)
        verdicts.add(verdict)
    if known and unknown:
        others = (f"{one.mean:+.3f} dB on {one.dataset} {one.level}" for one in unknown)
        details.append(f"without an interval {', '.join(others)}")
    verdict = verdicts.pop() if len(verdicts) == 1 else UNDECIDED
    if {one.scale for one in comparisons} != {"paper"}:
        verdict = SCALED_DOWN.get(verdict, verdict)
    return verdict, "; ".join(details)


def _as_good(family: Family, one: Comparison, margin: float) -> tuple[Verdict, str, float]:
    """(the verdict, what is found, the p that decides)."""
    p, larger = family.p_as_good(one, margin), family.p_exceeds(one, margin)
    if p <= ALPHA:
        return HOLDS, "certainly not worse", p
    if one.mean < 0 and larger <= ALPHA:
        return FAILS, "certainly worse", larger
    return UNDECIDED, "perhaps worse", p
