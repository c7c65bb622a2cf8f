"""The claims ledger: which sentences of the paper hold, by its own tables and by ours.

A claim (reports/claims/entries/) quotes the paper and has a form over cells (reports.claims.forms),
which is evaluated twice, on the printed values and on the measured ones; a claim over ablations is
judged by comparisons. An entry with a text of ours in place of the quotation is a finding: what
tables, released networks and our own kernels say that no sentence does. No verdict is written by
hand.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd

from reports.claims import groups
from reports.claims.forms import (
    NotMeasuredError,
    cells_of,
    evaluate,
    needs_values,
    of_other_hardware,
    of_small_networks,
    results_of,
)
from reports.claims.links import Link, links
from reports.claims.numbers import frame
from reports.claims.two_models import judge_two_models
from reports.collect import accepted_evidence
from reports.evidence import Evidence, by_rank, of_ablations
from reports.legend import (
    BY_CONSTRUCTION,
    FAILS,
    HOLDS,
    NOTHING,
    OTHER_HARDWARE,
    SCALED_DOWN,
    UNMEASURED,
    UNPRINTED,
    Verdict,
)
from reports.pages.template import write_page
from reports.statistics.conclusions import Family, compare_all
from semanir.errors import InputError
from semanir.files import read_yaml, replacing, visible
from semanir.plan.models import get_scale

DATA_FILES: tuple[str, ...] = ("entries", "schema.yaml")
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Judged:
    """An entry with both verdicts. `printed`: by the paper's own tables; `verdict`: by ours.

    kind: "claim", whose `text` is quoted from the paper, or "finding", whose text is ours and which
    has no topic. links: to the numbers that decide it.
    """

    id: str
    kind: str
    topic: str
    place: str
    text: str
    printed: str
    printed_detail: str
    verdict: str
    detail: str
    note: str
    links: tuple[Link, ...] = ()


@cache
def read_claims() -> tuple[dict[str, Any], ...]:
    """Every claim, in the order of the files and of the paper. InputError names a broken one."""
    validator = jsonschema.Draft202012Validator(_schema())
    claims: list[dict[str, Any]] = []
    for path in visible((HERE / "entries").glob("*.yaml")):
        entries = read_yaml(path, list)
        problem = jsonschema.exceptions.best_match(validator.iter_errors(entries))
        if problem is not None:
            place = ".".join(map(str, problem.absolute_path))
            raise InputError(f"{path.name}, {place}: {problem.message}")
        for claim in entries:
            if ("quote" in claim) == ("text" in claim):
                raise InputError(
                    f"{path.name}, {claim['id']}: either quote, words of the paper, or "
                    "text, what a finding says"
                )
            if ("quote" in claim) != ("topic" in claim):
                raise InputError(
                    f"{path.name}, {claim['id']}: a claim of the paper has a topic, a finding none"
                )
        claims += entries
    repeated = [name for name, n in Counter(claim["id"] for claim in claims).items() if n > 1]
    if repeated:
        raise InputError(f"two claims are called {repeated[0]}")
    return tuple(claims)


@cache
def _schema() -> dict[str, Any]:
    return read_yaml(HERE / "schema.yaml")


def topics() -> list[str]:
    """The topics of claims, in the order of the page."""
    return list(_schema()["items"]["properties"]["topic"]["enum"])


def judge(
    claim: dict[str, Any],
    numbers: pd.DataFrame,
    runs: Sequence[pd.DataFrame],
    compared: Family,
) -> Judged:
    """Both verdicts of a claim.

    runs: means of the results of runs, the best first; compared: ablations, judged together.
    """
    printed, printed_detail = UNPRINTED, ""
    if "printed" in claim:
        holds, printed_detail = evaluate(claim["printed"], numbers, "printed", runs)
        printed = HOLDS if holds else FAILS
    form = claim.get("measured", claim.get("printed"))
    if form is None or "reason" in form:
        verdict, detail = UNMEASURED, form["reason"] if form else ""
    elif "ablation" in form:
        verdict, detail = judge_two_models(form, compared)
    elif not needs_values(form):
        verdict, detail = NOTHING, ""
    else:
        verdict, detail = _judge_measured(form, numbers, runs)
    kind = "claim" if "quote" in claim else "finding"
    facts = (claim["id"], kind, claim.get("topic", ""), claim["place"])
    said = (claim.get("quote") or claim["text"], printed.name, printed_detail, verdict.name, detail)
    return Judged(*facts, *said, claim.get("note", ""), links(claim, numbers))


def _judge_measured(
    form: dict[str, Any], numbers: pd.DataFrame, runs: Sequence[pd.DataFrame]
) -> tuple[Verdict, str]:
    """A form on measured numbers, and what its networks or its hardware make of the verdict."""
    try:
        holds, detail = evaluate(form, numbers, "measured", runs)
    except NotMeasuredError as error:
        return UNMEASURED, str(error)
    verdict = HOLDS if holds else FAILS
    rows = results_of(form, runs).values()
    if any(map(of_small_networks, rows)):
        return SCALED_DOWN[verdict], detail
    if any(map(of_other_hardware, rows)):
        return OTHER_HARDWARE[verdict], detail
    named = cells_of(form, numbers)
    fitted = ", ".join(dict.fromkeys(named.loc[named["fitted"], "method"]))
    if fitted:
        verdict = BY_CONSTRUCTION if holds else FAILS
        detail += f"; {fitted}: fitted to the printed counts"
    return verdict, detail


# --- the page --------------------------------------------------------------------------------


def render(evidence: Sequence[Evidence], out: Path) -> list[Judged]:
    """Write claims.html and claims.csv, of the best evidence there is."""
    numbers = frame(evidence)
    runs = [one.results for one in by_rank(evidence)] + accepted_evidence()
    compared_in = of_ablations(evidence)
    scale, source = compared_in[0].scale, compared_in[0].source
    compared = compare_all(compared_in, read_claims())
    ledger = [judge(claim, numbers, runs, compared) for claim in read_claims()]
    with replacing(out / "claims.csv") as partial:
        lines = [asdict(one) | {"links": " ".join(to.href for to in one.links)} for one in ledger]
        pd.DataFrame(lines).to_csv(partial, index=False)
    write_page(
        out / "claims.html",
        "claims.html.j2",
        stamp=get_scale(scale)["stamp"],
        scale=scale,
        source=source,
        groups=groups.by_topic(ledger, topics()),
        sentences=groups.sentences(ledger),
        counts=groups.counts(ledger),
        tallies=groups.tallies(ledger),
    )
    return ledger


def summary(ledger: list[Judged]) -> str:
    """How many claims have each verdict, a line by the paper's own tables and one by ours."""
    return "\n".join(
        f"{title}: {', '.join(f'{count} {name}' for name, count in counted.items())}"
        for title, counted in groups.tallies(ledger).values()
    )
