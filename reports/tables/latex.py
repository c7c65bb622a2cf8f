"""A table as LaTeX (booktabs), to be put into a paper; it keeps the number it has in the paper.

The paper prints the best value of a column in red and the second best in blue; here they are bold
and underlined, which prints in black and reads without colours.
"""

import re
from typing import Any

from reports.legend import VERDICTS
from reports.tables.layouts import Head
from reports.tables.text import difference, notes_of, number, of_scale, printed, stamp_of
from reports.tables.verdicts import JudgedCell

MARKS = {verdict.name: verdict.latex for verdict in VERDICTS if verdict.measured}
# a table wider than the text shrinks to it, a narrow one keeps its size
FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"

_TEX = {"σ": r"$\sigma$", "×": r"$\times$", "†": r"\dag ", "–": "--", "ö": r"\"o", "#": r"\#"}
_TEX |= {"_": r"\_", "%": r"\%", "&": r"\&", "$": r"\$", "{": r"\{", "}": r"\}"}
_TEX |= {"^": r"\textasciicircum{}", "~": r"\~{}", "\\": r"\textbackslash{}"}
_TEX |= {"<": r"\textless{}", ">": r"\textgreater{}", "²": "$^2$", "·": r"$\cdot$", "±": r"$\pm$"}


def tex(text: str) -> str:
    """Plain text with every character that LaTeX would act on escaped."""
    return "".join(_TEX.get(character, character) for character in text)


def as_latex(context: dict[str, Any]) -> str:
    """A table environment; the comment at its head names the packages it needs."""
    columns = len(context["columns"])
    legend = "A cell reads printed / measured (difference), with "
    legend += ", ".join(f"{mark} {name}" for name, mark in MARKS.items())
    legend += ", and the scale of what is not as printed; printed alone where nothing was measured."
    legend += " Printed: best bold, second underlined."
    note = tex(" ".join(notes_of(context)))
    number, title = _numbered(context["title"])
    caption = [f"{tex(title)}.", tex(stamp_of(context)), f"{tex(context['coverage'])}."]
    return "\n".join(
        [
            f"% {stamp_of(context)}",
            f"% {context['coverage']}",
            r"% \usepackage{booktabs,graphicx,multirow}",
            r"\begin{table}\centering\scriptsize",
            FIT,
            r"\begin{tabular}{l" + "r" * columns + "}",
            r"\toprule",
            *_header(context["header"], context["corner"]),
            *_rows(context, columns),
            r"\bottomrule",
            r"\end{tabular}}",
            *([rf"\renewcommand{{\thetable}}{{{number}}}"] if number else []),
            rf"\caption{{{' '.join(filter(None, [*caption, legend, note]))}}}",
            r"\end{table}",
            "",
        ]
    )


def _numbered(title: str) -> tuple[str, str]:
    """("7", "Color denoising") of "Table 7: color denoising"; ("", title) of an extra table."""
    numbered = re.fullmatch("Table ([0-9]+): (.*)", title)
    return (numbered[1], numbered[2][:1].upper() + numbered[2][1:]) if numbered else ("", title)


def _header(lines: list[list[Head]], corner: str) -> list[str]:
    """Lines of the header; a rule below every label that spans columns."""
    width = sum(head.columns for head in lines[0])
    written = []
    for line in lines:
        # a label over all lines leaves its places below empty
        first = line is lines[0]
        waiting = set() if first else {head.column for head in lines[0] if head.lines > 1}
        entries = [_tall(corner, len(lines)) if first else ""]
        rules, place, heads = [], 0, iter(line)
        while place < width:
            if place in waiting:
                entries.append("")
                place += 1
                continue
            head = next(heads)
            # 2: the first column holds the rows' names, and LaTeX counts from 1
            if head.columns > 1:
                rules.append(rf"\cmidrule(lr){{{place + 2}-{place + head.columns + 1}}}")
            name = _tall(head.label, head.lines)
            entries.append(rf"\multicolumn{{{head.columns}}}{{c}}{{{name}}}")
            place += head.columns
        written.append(" & ".join(entries) + r" \\" + "".join(rules))
    return written


def _tall(label: str, lines: int) -> str:
    return rf"\multirow{{{lines}}}{{*}}{{{tex(label)}}}" if lines > 1 else tex(label)


def _rows(context: dict[str, Any], columns: int) -> list[str]:
    lines = []
    for group in context["groups"]:
        lines.append(r"\midrule")
        if group.label:
            lines.append(rf"\multicolumn{{{columns + 1}}}{{l}}{{\emph{{{tex(group.label)}}}}} \\")
        for row in group.rows:
            entries = [tex(row.label), *(_cell(judged, context) for judged in row.cells)]
            lines.append(" & ".join(entries) + r" \\")
    return lines


def _cell(judged: JudgedCell | None, context: dict[str, Any]) -> str:
    if judged is None:
        return ""
    value = tex(printed(judged))
    # the printed formulas are LaTeX's own notation
    if re.fullmatch(r"[0-9A-Za-z^+() ]*\^[0-9A-Za-z^+() ]*", printed(judged)):
        value = f"${printed(judged)}$"
    shape = ("{}", r"\textbf{{{}}}", r"\underline{{{}}}")[context["ranks"].get(judged.cell, 0)]
    value = shape.format(value)
    if context["names_methods"]:
        value = f"{tex(judged.cell.method)} {value}"
    if judged.verdict not in MARKS:
        return value
    change = f" ({difference(judged)})" if judged.difference is not None else ""
    mark = rf"\textsuperscript{{{MARKS[judged.verdict]}{of_scale(judged)}}}"
    return f"{value} / {number(judged)}{change}{mark}"
