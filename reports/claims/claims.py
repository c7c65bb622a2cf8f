"""The claims ledger: which sentences of the paper hold, by its own tables and by ours.

A claim (reports/claims/entries/) quotes the paper and has a form over cells (reports.claims.forms),
which is evaluated twice, on the printed values and on the measured ones; a claim over ablations is
judged by comparisons. An entry with a text of ours in place of the quotation is a finding: what
tables, released networks and our own kernels say that no sentence does. No verdict is written by
hand.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd

from reports.claims.forms import NotMeasuredError, evaluate, judge_two_models, needs_values
from reports.collect import accepted_evidence
from reports.evidence import Evidence, judge_cells, of_ablations, pooled
from reports.legend import (
    AS_PRINTED,
    CLAIM_VERDICTS,
    FAILS,
    HOLDS,
    NOTHING,
    SCALED_DOWN,
    UNMEASURED,
    UNPRINTED,
)
from reports.pages.template import write_page
from reports.statistics.conclusions import Family, compare_all
from semanir.errors import InputError
from semanir.files import read_yaml, replacing, visible
from semanir.plan.cells import cells, tables
from semanir.plan.models import get_scale

DATA_FILES: tuple[str, ...] = ("entries", "schema.yaml")
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Judged:
    """An entry with both verdicts. `printed`: by the paper's own tables; `verdict`: by ours.

    kind: "claim", whose `text` is quoted from the paper, or "finding", whose text is ours.
    """

    id: str
    kind: str
    place: str
    text: str
    printed: str
    printed_detail: str
    verdict: str
    detail: str
    note: str


@cache
def read_claims() -> tuple[dict[str, Any], ...]:
    """Every claim, in the order of the files and of the paper. InputError names a broken one."""
    schema = read_yaml(HERE / "schema.yaml")
    validator = jsonschema.Draft202012Validator(schema)
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
        claims += entries
    repeated = [name for name, n in Counter(claim["id"] for claim in claims).items() if n > 1]
    if repeated:
        raise InputError(f"two claims are called {repeated[0]}")
    return tuple(claims)


def frame(evidence: Sequence[Evidence]) -> pd.DataFrame:
    """All printed numbers: the fields of the cells, printed, measured (NaN) and their verdict."""
    rows = []
    for table in tables():
        for judged in judge_cells(cells(table), evidence):
            if judged.cell.kind == "number":
                measured = judged.measured if judged.verdict in AS_PRINTED else None
                values: dict[str, Any] = {"printed": float(judged.cell.value), "measured": measured}
                values |= {"verdict": judged.verdict, "decimals": judged.decimals}
                rows.append(asdict(judged.cell) | values)
    return pd.DataFrame(rows).astype({"measured": float})


def judge(
    claim: dict[str, Any],
    numbers: pd.DataFrame,
    results: pd.DataFrame,
    compared: Family,
    scale: str,
) -> Judged:
    """Both verdicts of a claim. results: means; compared: ablations, judged together.

    Ablations are of networks trained here, scaled down unless the scale is that of the paper.
    """
    printed, printed_detail = UNPRINTED, ""
    if "printed" in claim:
        holds, printed_detail = evaluate(claim["printed"], numbers, "printed", results)
        printed = HOLDS if holds else FAILS
    form = claim.get("measured", claim.get("printed"))
    if form is None or "reason" in form:
        verdict, detail = UNMEASURED, form["reason"] if form else ""
    elif "ablation" in form:
        verdict, detail = judge_two_models(form, compared)
        verdict = verdict if scale == "paper" else SCALED_DOWN.get(verdict, verdict)
    elif not needs_values(form):
        verdict, detail = NOTHING, ""
    else:
        try:
            holds, detail = evaluate(form, numbers, "measured", results)
            verdict = HOLDS if holds else FAILS
        except NotMeasuredError as error:
            verdict, detail = UNMEASURED, str(error)
    kind = "claim" if "quote" in claim else "finding"
    facts = (claim["id"], kind, claim["place"], claim.get("quote") or claim["text"])
    note = claim.get("note", "")
    return Judged(*facts, printed.name, printed_detail, verdict.name, detail, note)


# --- the page --------------------------------------------------------------------------------


def render(evidence: Sequence[Evidence], out: Path) -> list[Judged]:
    """Write claims.html and claims.csv, of the best evidence there is."""
    numbers = frame(evidence)
    everywhere = pd.concat([pooled(evidence), *accepted_evidence()])
    compared_in = of_ablations(evidence)
    scale, source = compared_in.scale, compared_in.source
    compared = compare_all(compared_in.by_image, read_claims())
    ledger = [judge(claim, numbers, everywhere, compared, scale) for claim in read_claims()]
    with replacing(out / "claims.csv") as partial:
        pd.DataFrame(map(asdict, ledger)).to_csv(partial, index=False)
    write_page(
        out / "claims.html",
        "claims.html.j2",
        stamp=get_scale(scale)["stamp"],
        scale=scale,
        source=source,
        claims=[one for one in ledger if one.kind == "claim"],
        findings=[one for one in ledger if one.kind == "finding"],
        printed=tally(one.printed for one in ledger if one.kind == "claim"),
        measured=tally(one.verdict for one in ledger if one.kind == "claim"),
    )
    return ledger


def tally(verdicts: Iterable[str]) -> dict[str, int]:
    """Verdict -> how often it occurs, in the order of CLAIM_VERDICTS."""
    counted = Counter(verdicts)
    return {
        verdict.name: counted[verdict.name] for verdict in CLAIM_VERDICTS if counted[verdict.name]
    }


def summary(ledger: Iterable[Judged]) -> str:
    """How many claims have each verdict, a line by the paper's own tables and one by ours."""
    claims = [one for one in ledger if one.kind == "claim"]
    lines = (
        ("by the paper's own tables", tally(one.printed for one in claims)),
        ("measured", tally(one.verdict for one in claims)),
    )
    return "\n".join(
        f"{title}: {', '.join(f'{count} {name}' for name, count in counted.items())}"
        for title, counted in lines
    )
