"""The page of all command lines: python -m semanir.cli.page docs/command-line.md

A section for every module that has a `main` and is called by `semanir` or `python -m`, from its
parser. Without a path the page is printed.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from semanir.errors import one_line_errors
from semanir.files import replacing
from semanir.paths import ROOT

PACKAGES = ("semanir", "data_prep", "baselines", "reports")
HEAD = """\
<!-- Written by `python -m semanir.cli.page docs/command-line.md` from the parsers. -->

# The command line

Every command and its arguments. [The tutorial](tutorial.md) and [the workflow](workflow.md) show
them at work. All take `--help`, and end with exit status 2 and a message where something given to
them is wrong.

`semanir` restores and informs. The `python -m` forms are the jobs of the workflow and what writes
pages and data; each can be run by hand from the root of the project.
"""


# of a verb that gives its arguments to another command
FORWARDED = """\
Its arguments are those of [`python -m semanir.measure.attention bench`](#python--m-semanirattention-bench).
"""


class _MadeError(Exception):
    """A parser is complete: it was about to parse."""


def page() -> str:
    """The page, Markdown."""
    return "\n".join([HEAD, *(section for name in modules() for section in _sections(name))])


def modules() -> list[str]:
    """The modules that have a command line, `semanir` first."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "\ndef main(argv" in path.read_text(encoding="utf-8"):
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                found.append(name.removesuffix(".__init__"))
    return sorted(found, key=lambda name: name != "semanir.cli")


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser that a module's `main` makes. It is stopped before it parses anything."""

    def stop(parser: argparse.ArgumentParser, *given: Any, **options: Any) -> None:
        raise _MadeError(parser)

    with patch.object(argparse.ArgumentParser, "parse_known_args", stop):
        try:
            import_module(name).main([])
        except _MadeError as made:
            parser: argparse.ArgumentParser = made.args[0]
            return parser
    raise TypeError(f"the main of {name} makes no parser")


def _sections(name: str) -> Iterator[str]:
    parser = parser_of(name)
    yield f"## `{parser.prog}`\n\n{_first_paragraph(parser.description or '')}\n"
    choices = {action.dest: action for action in parser._actions}.get("command")
    if choices is None or len(parser._actions) > 2:  # more than help and the verbs
        yield _arguments(parser)
    if choices is None:
        return
    told = {entry.dest: entry.help or "" for entry in choices._choices_actions}  # type: ignore[attr-defined]
    for verb, command in choices.choices.items():  # type: ignore[union-attr]
        yield f"### `{parser.prog} {verb}`\n\n{_sentence(told[verb])}\n"
        yield _arguments(command) if command.add_help else FORWARDED


def _arguments(parser: argparse.ArgumentParser) -> str:
    rows = [
        (_spelling(action), _told(action))
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
    ]
    return _table(("argument", "meaning"), rows) if rows else "It takes no arguments.\n"


def _spelling(action: argparse.Action) -> str:
    value = action.metavar or action.dest
    value = value if isinstance(value, str) else " ".join(value)
    if action.nargs == 0:
        return f"`{', '.join(action.option_strings)}`"
    value = value.upper() if action.option_strings and not action.metavar else value
    value = f"{value} ..." if action.nargs in ("*", "+") else value
    return f"`{', '.join(action.option_strings)} {value}`".replace("` ", "`")


def _told(action: argparse.Action) -> str:
    said = "print the version" if isinstance(action, argparse._VersionAction) else action.help or ""
    parts = [said.replace("<", "&lt;")] if said else []
    if action.option_strings and action.required:
        parts.append("required")
    if action.choices:
        parts.append(f"one of {', '.join(f'`{choice}`' for choice in action.choices)}")
    shown = isinstance(action.default, str | int | float) and action.nargs != 0
    if shown and action.default not in ("", argparse.SUPPRESS) and "default" not in said.lower():
        parts.append(f"default `{action.default}`")
    return "; ".join(parts)


def _first_paragraph(text: str) -> str:
    return _sentence(" ".join(text.strip().partition("\n\n")[0].split()))


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "`")) else ".")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = ([cell.replace("|", "\\|") or " " for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m semanir.cli.page", description=__doc__)
    parser.add_argument(
        "path", nargs="?", type=Path, help="where the page goes, for example docs/command-line.md"
    )
    args = parser.parse_args(argv)
    if args.path is None:
        print(page(), end="")
    else:
        with replacing(args.path) as partial:
            partial.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
