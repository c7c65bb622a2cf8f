"""Every verdict once: its name, symbol, colours, mark in LaTeX and meaning.

Tables, their CSS and LaTeX, the index, claims, ablations and the table in docs/reports.md all read
these lists.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """How a verdict is shown, and what it means.

    symbol: stands beside the colour, for who does not see the colour. css: class on the pages.
    light, dark: the colour of that class in the two colour schemes. background: CSS of a cell;
    swatch: CSS of squares and bars where a cell has no background. latex: mark in a LaTeX table.
    measured: there is a number beside the printed one; as_printed: it is of a network at full size
    on the printed photographs.
    """

    name: str
    symbol: str
    css: str
    meaning: str = ""
    light: str = ""
    dark: str = ""
    background: str = ""
    swatch: str = ""
    latex: str = ""
    measured: bool = False
    as_printed: bool = False


NO_SWATCH = "repeating-linear-gradient(45deg, var(--line) 0 2px, var(--paper) 2px 6px)"

# of printed cells, in the order in which pages count them
VERDICTS = (
    Verdict(
        "match",
        "✓",
        "match",
        "measured at full size under the named protocol, within the cell's tolerance",
        light="#d9f0dd",
        dark="#1c4027",
        background="var(--match)",
        latex="$=$",
        measured=True,
        as_printed=True,
    ),
    Verdict(
        "differs",
        "≠",
        "differs",
        "measured at full size under the named protocol, outside the tolerance; the sign of a "
        "count says which way",
        light="#f8d9d6",
        dark="#5a2622",
        background="var(--differs)",
        latex=r"$\neq$",
        measured=True,
        as_printed=True,
    ),
    Verdict(
        "better than printed",
        "▲",
        "better",
        "outside the tolerance on the good side, as suspicious as a miss",
        light="#fbe8c3",
        dark="#54400f",
        background="var(--better)",
        latex=r"$\uparrow$",
        measured=True,
        as_printed=True,
    ),
    Verdict(
        "scaled down",
        "◔",
        "scaled",
        "measured by a network that is smaller or trained for less than the paper's, or on other "
        "photographs; never a reproduction",
        light="#dde9fa",
        dark="#1f3557",
        background="var(--scaled)",
        latex="s",
        measured=True,
    ),
    Verdict(
        "synthetic data",
        "◇",
        "synthetic",
        "measured on synthetic degradations that stand in for real pairs; not comparable",
        background="repeating-linear-gradient(135deg, var(--scaled) 0 6px, var(--paper) 6px 12px)",
        latex="d",
        measured=True,
    ),
    Verdict(
        "quoted",
        "“",
        "quoted",
        "printed value only; the cell says why",
        swatch="var(--line)",
    ),
    Verdict(
        "not run",
        "○",
        "no",
        "nothing was run that answers for it; the cell names what would",
        swatch=NO_SWATCH,
    ),
    Verdict("no weights", "◌", "no", "nobody released weights for it", swatch=NO_SWATCH),
    Verdict(
        "no hardware",
        "⊘",
        "no",
        "printed for hardware or a setting that nobody can repeat",
        swatch=NO_SWATCH,
    ),
)

HOLDS = Verdict("holds", "✓", "match", "the numbers say what the claim says")
FAILS = Verdict("does not hold", "✗", "differs", "the numbers contradict the claim")
# of a claim about networks that were trained smaller and shorter than the paper's
HOLDS_SCALED_DOWN = Verdict(
    "holds, scaled down", "✓", "scaled", "so in tiny networks, trained here for minutes or hours"
)
FAILS_SCALED_DOWN = Verdict(
    "does not hold, scaled down", "✗", "scaled", "contradicted by tiny networks trained here"
)
# of a claim about times or memory
HOLDS_ELSEWHERE = Verdict(
    "holds, other hardware",
    "✓",
    "scaled",
    "so in times or memory on other hardware than the paper's",
)
FAILS_ELSEWHERE = Verdict(
    "does not hold, other hardware", "✗", "scaled", "contradicted by those of other hardware"
)
UNDECIDED = Verdict(
    "inconclusive", "?", "quoted", "measured, and seeds and images decide it neither way"
)
BY_CONSTRUCTION = Verdict(
    "by construction", "≡", "quoted", "true of a network that was fitted to the printed number"
)
UNMEASURED = Verdict("not measured", "–", "no", "the claim says which numbers are missing")
UNPRINTED = Verdict("not printed", "–", "no", "no table of the paper decides it")
NOTHING = Verdict("nothing to measure", "–", "no", "arithmetic of the paper")
# of claims, in the order in which pages count them
CLAIM_VERDICTS = (
    *(HOLDS, FAILS, HOLDS_SCALED_DOWN, FAILS_SCALED_DOWN, HOLDS_ELSEWHERE, FAILS_ELSEWHERE),
    *(UNDECIDED, BY_CONSTRUCTION, UNMEASURED, UNPRINTED, NOTHING),
)
SCALED_DOWN = {HOLDS: HOLDS_SCALED_DOWN, FAILS: FAILS_SCALED_DOWN}
OTHER_HARDWARE = {HOLDS: HOLDS_ELSEWHERE, FAILS: FAILS_ELSEWHERE}

BETTER = Verdict("better", "▲", "match", "certainly higher than what it is compared with")
WORSE = Verdict("worse", "▼", "differs", "certainly lower")
EQUAL = Verdict("equal", "=", "scaled", "certainly within the margin, up or down")
# of two models compared over seeds and images
CONCLUSIONS = (BETTER, WORSE, EQUAL, UNDECIDED)

OF_CELL = {verdict.name: verdict for verdict in VERDICTS}
MEASURED = tuple(verdict.name for verdict in VERDICTS if verdict.measured)
AS_PRINTED = tuple(verdict.name for verdict in VERDICTS if verdict.as_printed)

BY_NAME = {verdict.name: verdict for verdict in (*CLAIM_VERDICTS, *CONCLUSIONS, *VERDICTS)}


def css_classes(verdicts: Iterable[Verdict], field: str) -> dict[str, str]:
    """Class -> the value that its verdicts have in a field, where they have one."""
    return {v.css: getattr(v, field) for v in verdicts if getattr(v, field)}


def markdown() -> str:
    """The verdicts of printed cells as a table, for docs/reports.md."""
    from tabulate import tabulate

    rows = [(verdict.symbol, verdict.name, verdict.meaning) for verdict in VERDICTS]
    return tabulate(rows, ("", "verdict", "meaning"), "github")
