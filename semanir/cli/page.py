"""docs/command-line.md, written from the parser: python -m semanir.cli.page docs/command-line.md

Without a path the page is printed.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from semanir.cli import make_parser
from semanir.errors import one_line_errors
from semanir.files import write_text

HEAD = """\
<!-- Written by `python -m semanir.cli.page docs/command-line.md` from the parsers. -->

# The command line

Every verb of `semanir` and its arguments. [The tutorial](tutorial.md) and
[the workflow](workflow.md) show them at work. All take `--help`, and end with exit status 2 and a
message where something given to them is wrong. The rules of the workflow call the same verbs, as
`python -m semanir VERB`, from the root of the project.
"""


def page() -> str:
    """The page, Markdown."""
    return "\n".join([HEAD, *_sections(make_parser())])


def verbs(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """(one-line help, parser) of every verb of a parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {entry.dest: entry.help or "" for entry in action._choices_actions}
            for name, verb in action.choices.items():
                yield summaries[name], verb


def _sections(parser: argparse.ArgumentParser, level: int = 2) -> Iterator[str]:
    for summary, verb in verbs(parser):
        text = (verb.description or "").strip().partition("\n\n")[0]
        yield f"{'#' * level} `{verb.prog}`\n\n{_sentence(' '.join(text.split()) or summary)}\n"
        kinds = list(_sections(verb, level + 1))
        if arguments := _arguments(verb):
            yield arguments
        elif not kinds:
            yield "It takes no arguments.\n"
        yield from kinds


def _arguments(parser: argparse.ArgumentParser) -> str:
    rows = [
        (_spelling(action), _meaning(action))
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
    ]
    return _table(("argument", "meaning"), rows) if rows else ""


def _spelling(action: argparse.Action) -> str:
    value = action.metavar or action.dest
    value = value if isinstance(value, str) else " ".join(value)
    if action.nargs == 0:
        return f"`{', '.join(action.option_strings)}`"
    value = value.upper() if action.option_strings and not action.metavar else value
    value = f"{value} ..." if action.nargs in ("*", "+") else value
    return f"`{', '.join(action.option_strings)} {value}`".replace("` ", "`")


def _meaning(action: argparse.Action) -> str:
    summary = action.help or ""
    parts = [summary.replace("<", "&lt;")] if summary else []
    if action.option_strings and action.required:
        parts.append("required")
    if action.choices:
        parts.append(f"one of {', '.join(f'`{choice}`' for choice in action.choices)}")
    shown = isinstance(action.default, str | int | float) and action.nargs != 0
    if shown and action.default not in ("", argparse.SUPPRESS) and "default" not in summary.lower():
        parts.append(f"default `{action.default}`")
    return "; ".join(parts)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "`")) else ".")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = ([cell.replace("|", "\\|") or " " for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    """Write the page to the path of the command line, or print it."""
    names = sys.argv[1:] if argv is None else argv
    if names:
        write_text(Path(names[0]), page())
    else:
        print(page(), end="")


if __name__ == "__main__":
    main()
