"""What the gate found, as a table, Markdown, JUnit XML and annotations of GitHub."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from reports.gate.paired import CELL, FAILURES, NOTES, VERDICTS, Line

HEADINGS = (*CELL, "n", "accepted", "candidate", "difference", "interval at 95 %", "verdict")


def summary(lines: Sequence[Line]) -> str:
    """The last line: passed or failed, and how many cells of each verdict."""
    counted = Counter(line.verdict for line in lines)
    told = ", ".join(f"{counted[name]} {name}" for name in VERDICTS if counted[name])
    failed = any(line.fails for line in lines)
    return f"gate {'FAILED' if failed else 'passed'}: {len(lines)} cells: {told}"


def table(lines: Iterable[Line], colour: bool = False) -> str:
    """Aligned columns for a terminal, a heading and a line per cell; empty without cells."""
    texts = [[getattr(line, name) for name in CELL] + line.numbers for line in lines]
    if not texts:
        return ""
    ends = [(line.conclusion, line.verdict) for line in lines]
    widths = [max(map(len, column)) for column in zip(HEADINGS[:-1], *texts, strict=True)]
    aligned = []
    for row, (end, verdict) in zip([HEADINGS[:-1], *texts], [("verdict", ""), *ends], strict=True):
        padded = [
            text.ljust(width) if number < len(CELL) else text.rjust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        code = "31" if verdict in FAILURES else "33" if verdict in NOTES else ""
        aligned.append(
            "  ".join([*padded, f"\033[{code}m{end}\033[0m" if colour and code else end])
        )
    return "\n".join(aligned) + "\n"


def markdown(lines: Sequence[Line], title: str) -> str:
    """A summary for people: what is worth a look in a table, the rest folded away."""
    told = [line for line in lines if line.fails or line.verdict in NOTES]
    rest = [line for line in lines if line not in told]
    parts = [f"## Gate: {_plain(title)}", summary(lines)]
    if told:
        parts.append(_markdown_table(told))
    if rest:
        folded = f"<details><summary>The other {len(rest)} cells</summary>"
        parts += [folded, _markdown_table(rest), "</details>"]
    return "\n\n".join(parts) + "\n"


def _markdown_table(lines: Sequence[Line]) -> str:
    rows = [HEADINGS, ["---"] * len(CELL) + ["---:"] * 5 + ["---"]]
    rows += [
        [*(_plain(getattr(line, name)) for name in CELL), *line.numbers, _plain(line.conclusion)]
        for line in lines
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", " ".join(text.split()))


def junit(lines: Sequence[Line], title: str) -> str:
    """JUnit XML, a test case per cell; what is not enforced is skipped."""
    failed, skipped = (
        sum(line.fails for line in lines),
        sum(line.verdict == "reported" for line in lines),
    )
    counts = {"tests": len(lines), "failures": failed, "errors": 0, "skipped": skipped}
    told = {name: str(count) for name, count in counts.items()} | {"time": "0"}
    root = ElementTree.Element("testsuites", {"name": _xml(title), **told})
    suite = ElementTree.SubElement(root, "testsuite", {"name": _xml(title), **told})
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


def detail(line: Line) -> str:
    """One line of text: the cell, its numbers, its verdict."""
    n, *numbers, between = line.numbers
    accepted, candidate, difference = (text or "none" for text in numbers)
    change = f"{candidate}, accepted {accepted} ({difference}, n = {n}"
    return f"{line.name} {change}{f', {between}' * bool(between)}): {line.conclusion}"


def annotations(lines: Iterable[Line]) -> list[str]:
    """GitHub workflow commands for what is worth a look; GitHub shows ten of a level and step."""
    commands = []
    for level, verdicts in (("error", FAILURES), ("warning", NOTES[:2]), ("notice", NOTES[2:])):
        found = [line for line in lines if line.verdict in verdicts]
        shown = found if len(found) <= 10 else found[:9]
        for line in shown:
            title = _command(f"gate: {line.verdict}").replace(":", "%3A").replace(",", "%2C")
            commands.append(f"::{level} title={title}::{_command(detail(line))}")
        if len(found) > len(shown):
            commands.append(f"::{level} title=gate::{len(found) - 9} more, see the summary")
    return commands


def _command(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
