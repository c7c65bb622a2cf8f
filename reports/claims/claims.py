"""Render the claims ledger: which sentences of the paper hold, by its own tables and by ours.

python -m reports.claims.claims --scale smoke --results results/smoke/results.csv --out reports

A claim (reports/claims/*.yaml) quotes the paper and has a form over cells (reports.claims.forms),
which is evaluated twice, on the printed values and on the measured ones; a claim over ablations is
judged by reports.claims.conclusions. An entry with a text of ours in place of the quotation is a finding:
what tables, released networks and our own kernels say that no sentence does. No verdict is written
by hand.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd

from reports.claims.conclusions import Family, compare_all, judge_claim
from reports.claims.forms import NotMeasuredError, evaluate, needs_values
from reports.collect import accepted_evidence, means, read_results
from reports.tables.tables import environment
from reports.tables.verdicts import judge_table
from semanir.errors import InputError, one_line_errors
from semanir.files import read_yaml, replacing, visible, write_text
from semanir.plan.cells import cells, tables
from semanir.plan.models import get_scale

HERE = Path(__file__).parent
HOLDS, FAILS, OPEN = "holds", "does not hold", "inconclusive"
UNMEASURED, UNPRINTED = "not measured at this scale", "not printed"
NOTHING = "nothing to measure"  # arithmetic of the paper
VERDICTS = (HOLDS, FAILS, OPEN, UNMEASURED, UNPRINTED, NOTHING)
AS_PRINTED = ("match", "differs", "better than printed")  # measured at full size, own photographs


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
def claims() -> tuple[dict[str, Any], ...]:
    """Every claim, in the order of the files and of the paper. InputError names a broken one."""
    schema = read_yaml(HERE / "schema.yaml")
    validator = jsonschema.Draft202012Validator(schema)
    found: list[dict[str, Any]] = []
    for path in visible(HERE.glob("[0-9]-*.yaml")):
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
        found += entries
    repeated = [name for name, n in Counter(claim["id"] for claim in found).items() if n > 1]
    if repeated:
        raise InputError(f"two claims are called {repeated[0]}")
    return tuple(found)


def frame(scale: str, results: pd.DataFrame) -> pd.DataFrame:
    """All printed numbers: the fields of the cells, printed, measured (NaN) and their verdict."""
    rows = []
    for table in tables():
        for judged in judge_table(cells(table), scale, results):
            if judged.cell.kind == "number":
                measured = judged.measured if judged.verdict in AS_PRINTED else None
                values: dict[str, Any] = {"printed": float(judged.cell.value), "measured": measured}
                values |= {"verdict": judged.verdict, "decimals": judged.decimals}
                rows.append(asdict(judged.cell) | values)
    return pd.DataFrame(rows).astype({"measured": float})


def judge(
    claim: dict[str, Any], numbers: pd.DataFrame, results: pd.DataFrame, compared: Family
) -> Judged:
    """Both verdicts of a claim. results: means; compared: ablations, judged together."""
    printed, printed_detail = UNPRINTED, ""
    if "printed" in claim:
        holds, printed_detail = evaluate(claim["printed"], numbers, "printed", results)
        printed = HOLDS if holds else FAILS
    form = claim.get("measured", claim.get("printed"))
    if form is None or "reason" in form:
        verdict, detail = UNMEASURED, form["reason"] if form else ""
    elif "ablation" in form:
        verdict, detail = judge_claim(form, compared)
        verdict = {"": UNMEASURED, "yes": HOLDS, "no": FAILS, "open": OPEN}[verdict]
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
    return Judged(*facts, printed, printed_detail, verdict, detail, claim.get("note", ""))


# --- pages -----------------------------------------------------------------------------------


def render(scale: str, by_image: pd.DataFrame, out: Path, source: str = "") -> list[Judged]:
    """Write claims.html and claims.csv.

    source: where results come from that were not made here.
    """
    results = means(by_image)
    numbers = frame(scale, results)
    everywhere = pd.concat([results, *accepted_evidence()])
    compared = compare_all(by_image, claims())
    ledger = [judge(claim, numbers, everywhere, compared) for claim in claims()]
    with replacing(out / "claims.csv") as partial:
        pd.DataFrame(map(asdict, ledger)).to_csv(partial, index=False)
    context = {
        "stamp": get_scale(scale)["stamp"],
        "scale": scale,
        "source": source,
        "claims": [one for one in ledger if one.kind == "claim"],
        "findings": [one for one in ledger if one.kind == "finding"],
        "printed": _tally(one.printed for one in ledger if one.kind == "claim"),
        "measured": _tally(one.verdict for one in ledger if one.kind == "claim"),
    }
    write_text(out / "claims.html", environment().get_template("claims.html.j2").render(**context))
    return ledger


def _tally(verdicts: Any) -> dict[str, int]:
    counted = Counter(verdicts)
    return {name: counted[name] for name in VERDICTS if counted[name]}


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m reports.claims.claims",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scale", default="smoke")
    parser.add_argument("--results", type=Path, required=True, help="results.csv of the scale")
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder")
    args = parser.parse_args(argv)
    ledger = render(args.scale, read_results(args.results), args.out)
    for title, attribute in (("by the paper's own tables", "printed"), ("measured", "verdict")):
        counted = _tally(getattr(one, attribute) for one in ledger if one.kind == "claim")
        print(f"{title}: {', '.join(f'{n} {name}' for name, n in counted.items())}")


if __name__ == "__main__":
    main()
