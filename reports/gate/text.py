"""The verdicts of the gate as a table, Markdown, JUnit XML and annotations of GitHub."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from tabulate import tabulate

from reports.gate.compare import FAILURES, NOTES, NOTICES, VERDICTS, WARNINGS, ComparedCell
from reports.gate.spreads import CELL

HEADINGS = (*CELL, "n", "accepted", "candidate", "difference", "interval at 95 %", "verdict")
ALIGNMENT = (*["left"] * len(CELL), *["right"] * 5, "left")


def summary(lines: Sequence[ComparedCell]) -> str:
    """The last line: passed or failed, and how many cells of each verdict."""
    counted = Counter(line.verdict for line in lines)
    counts = ", ".join(f"{counted[name]} {name}" for name in VERDICTS if counted[name])
    failed = any(line.fails for line in lines)
    return f"gate {'FAILED' if failed else 'passed'}: {len(lines)} cells: {counts}"


def table(lines: Iterable[ComparedCell], colour: bool = False) -> str:
    """Aligned columns for a terminal, a heading and a line per cell; empty without cells."""
    rows = []
    for line in lines:
        code = "31" if line.fails else "33" if line.verdict in NOTES else ""
        end = f"\033[{code}m{line.conclusion}\033[0m" if colour and code else line.conclusion
        rows.append([*(getattr(line, name) for name in CELL), *line.numbers, end])
    return _aligned(rows, "plain") + "\n" if rows else ""


def _aligned(rows: Iterable[Sequence[str]], form: str) -> str:
    return tabulate(rows, HEADINGS, form, colalign=ALIGNMENT, disable_numparse=True)


def markdown(lines: Sequence[ComparedCell], title: str) -> str:
    """A summary for people: what is worth a look in a table, the rest folded away."""
    shown = [line for line in lines if line.fails or line.verdict in NOTES]
    rest = [line for line in lines if line not in shown]
    parts = [f"## Gate: {_plain(title)}", summary(lines)]
    if shown:
        parts.append(_markdown_table(shown))
    if rest:
        folded = f"<details><summary>The other {len(rest)} cells</summary>"
        parts += [folded, _markdown_table(rest), "</details>"]
    return "\n\n".join(parts) + "\n"


def _markdown_table(lines: Sequence[ComparedCell]) -> str:
    rows = [
        [*(_plain(getattr(line, name)) for name in CELL), *line.numbers, _plain(line.conclusion)]
        for line in lines
    ]
    return _aligned(rows, "pipe")


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", " ".join(text.split()))


def junit(lines: Sequence[ComparedCell], title: str) -> str:
    """JUnit XML, a test case per cell; what is not enforced is skipped."""
    failed = sum(line.fails for line in lines)
    skipped = sum(line.verdict == "reported" for line in lines)
    counts = {"tests": len(lines), "failures": failed, "errors": 0, "skipped": skipped}
    attributes = {name: str(count) for name, count in counts.items()} | {"time": "0"}
    root = ElementTree.Element("testsuites", {"name": _xml(title), **attributes})
    suite = ElementTree.SubElement(root, "testsuite", {"name": _xml(title), **attributes})
    for line in lines:
        # readers tell cases apart by name alone, so it holds all of the cell
        where = {"classname": _xml(f"gate.{line.task or 'counts'}"), "name": _xml(line.name)}
        case = ElementTree.SubElement(suite, "testcase", {**where, "time": "0"})
        text = _xml(detail(line))
        if line.fails:
            failure = {"type": line.verdict, "message": _xml(line.conclusion)}
            ElementTree.SubElement(case, "failure", failure).text = text
        elif line.verdict == "reported":
            ElementTree.SubElement(case, "skipped", {"message": "reported, not enforced"})
        if not line.fails:
            ElementTree.SubElement(case, "system-out").text = text
    ElementTree.indent(root)
    xml: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml.decode() + "\n"


def _xml(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold, escaped or not."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def detail(line: ComparedCell) -> str:
    """One line of text: the cell, its numbers, its verdict."""
    n, *numbers, between = line.numbers
    accepted, candidate, difference = (text or "none" for text in numbers)
    change = f"{candidate}, accepted {accepted} ({difference}, n = {n}"
    return f"{line.name} {change}{f', {between}' * bool(between)}): {line.conclusion}"


def annotations(lines: Iterable[ComparedCell]) -> list[str]:
    """GitHub workflow commands for what is worth a look; GitHub shows ten of a level and step."""
    commands = []
    for level, verdicts in (("error", FAILURES), ("warning", WARNINGS), ("notice", NOTICES)):
        chosen = [line for line in lines if line.verdict in verdicts]
        shown = chosen if len(chosen) <= 10 else chosen[:9]
        for line in shown:
            title = _command(f"gate: {line.verdict}").replace(":", "%3A").replace(",", "%2C")
            commands.append(f"::{level} title={title}::{_command(detail(line))}")
        if len(chosen) > len(shown):
            commands.append(f"::{level} title=gate::{len(chosen) - 9} more, see the summary")
    return commands


def _command(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
