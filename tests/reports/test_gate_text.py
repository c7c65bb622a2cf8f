"""The gate's reports: JUnit XML, Markdown, annotations of GitHub, colours and columns."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
from gate_cases import CELL, WORSE, compared, lines_of

from reports.gate import compare, text

pytest_plugins = "gate_cases"

STRANGE = "se<t>&\"a'|`*_\x07 β,:%\n"


@pytest.fixture
def check(results, command):
    """Run `semanir gate check` on results of which one of 13 cells got worse; its lines."""
    command("accept", "--results", results())
    path = results(WORSE)
    return lambda *options: command("check", "--candidate", path, *options)[1]


@pytest.fixture
def strange_lines():
    line = compared([30, 31, 32], [29, 30, 31])
    strange = {"model": STRANGE, "dataset": STRANGE, "reason": STRANGE}
    return [replace(line, **strange), replace(line, **strange, verdict="reported")]


def test_junit_holds_a_case_per_cell(check, tmp_path):
    check("--junit", tmp_path / "gate.xml")
    root = ElementTree.parse(tmp_path / "gate.xml").getroot()
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    for element in (root, suite):
        counts = [element.get(name) for name in ("tests", "failures", "errors", "skipped")]
        assert counts == ["13", "1", "0", "0"]
    cases = suite.findall("testcase")
    assert len(cases) == len({case.get("name") for case in cases}) == 13
    assert all(case.get("classname") and case.get("time") == "0" for case in cases)
    (failed,) = [case for case in cases if case.find("failure") is not None]
    assert failed.get("name") == CELL and failed.get("classname") == "gate.denoise_gray-blind"
    failure = failed.find("failure")
    assert failure.attrib == {"type": "worse", "message": "worse (tolerance 0.05)"}
    numbers = "27.0875, accepted 27.1875 (-0.1000, n = 4, -0.1173 .. -0.0827)"
    assert failure.text == f"{CELL} {numbers}: worse (tolerance 0.05)"


def test_reports_survive_any_name(strange_lines):
    """What XML cannot hold at all is replaced, the rest comes back as it was."""
    root = ElementTree.fromstring(text.junit(strange_lines, STRANGE).encode())
    name = STRANGE.replace("\x07", "\ufffd")
    failed, skipped = root.iter("testcase")
    assert failed.find("failure").get("message") == f"worse ({name})"
    assert failed.get("name") == f"{name} on denoise_gray-blind, {name} sigma50: psnr"
    assert skipped.find("skipped") is not None and root[0].get("skipped") == "1"
    rows = text.markdown(strange_lines, STRANGE).splitlines()
    row = next(row for row in rows if "worse" in row and row.startswith("|"))
    assert len(re.findall(r"(?<!\\)\|", row)) == len(text.HEADINGS) + 1
    assert r"se\<t\>&" in row and r"\|\`\*\_" in row
    first, *others = text.annotations(strange_lines)
    assert others == [] and first.startswith("::error title=gate%3A worse::")
    assert "\n" not in first and "%25%0A" in first


def test_markdown_shows_what_is_worth_a_look_and_folds_the_rest(check, tmp_path):
    check("--markdown", tmp_path / "gate.md")
    shown, folded = (tmp_path / "gate.md").read_text().split("<details>")
    assert "gate FAILED: 13 cells: 1 worse, 12 passed" in shown
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert len(rows) == 3
    assert {row.count("|") for row in rows} == {len(text.HEADINGS) + 1}
    cells = [cell.strip() for cell in rows[2].split("|")]
    assert cells[-3:-1] == ["-0.1173 .. -0.0827", "worse (tolerance 0.05)"]
    assert len([line for line in folded.splitlines() if line.startswith("|")]) == 2 + 12


def test_annotations_are_workflow_commands():
    line, better = (compared([30, 31, 32], [n, n + 1, n + 2]) for n in (29, 31))
    new = compare.compare(lines_of([]).reindex(columns=[*compare.KEY, "value"]), lines_of([3]))
    levels = [line.split(" ")[0] for line in text.annotations([better, *new])]
    assert levels == ["::warning", "::notice"]
    assert len(text.annotations([line] * 10)) == 10
    many = text.annotations([line] * 30)
    assert len(many) == 10 and many[-1] == "::error title=gate::21 more, see the summary"


def test_annotations_come_by_option_and_on_github(check, tmp_path, monkeypatch):

    def commands(*options):
        return [line for line in check(*options) if line.startswith("::")]

    assert commands() == [] and len(commands("--github")) == 1
    (tmp_path / "step.md").write_text("before\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    (error,) = commands()
    assert error.startswith(f"::error title=gate%3A worse::{CELL} 27.0875, accepted 27.1875")
    assert (tmp_path / "step.md").read_text().startswith("before\n## Gate: smoke against smoke.csv")


@pytest.mark.parametrize(
    ("terminal", "no_color", "coloured"),
    [(True, None, True), (True, "", True), (True, "1", False), (False, None, False)],
)
def test_colour_on_a_terminal_alone(check, monkeypatch, terminal, no_color, coloured):
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    out = check()
    assert ("\033[31mworse" in out[1]) is coloured
    assert not any("\033" in line for line in out[2:])


def test_columns_of_the_terminal_are_aligned(check):
    out = check()
    heading = " ".join([*compare.CELL, "n accepted candidate difference interval at 95 % verdict"])
    assert " ".join(out[0].split()) == heading
    at = out[0].index("verdict")
    assert all(line[at - 2 : at] == "  " and line[at] != " " for line in out[1:-1])
    end = out[0].index("accepted") + len("accepted")
    assert all(line[end - 1].isdigit() and line[end] == " " for line in out[1:-1])
