"""The page of the other systems: `python -m baselines.card docs/systems.md`.

How each is called, and where its authors' test scripts say so, from models.yaml. Without a path the
page is printed. Never imports torch.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from baselines.called import Called, called
from semanir.errors import one_line_errors
from semanir.files import replacing
from semanir.plan import models
from semanir.plan import runs as plan

HEAD = """\
<!-- Written by `python -m baselines.card docs/systems.md` from baselines/models.yaml. -->

# The other systems

How each network is built and called here: as the test script of its authors calls it, at the lines
that are linked. New pixels are padded below and to the right. No printed cell is a self-ensemble,
and no script has one switched on. A weights file without a sum is held against its first download.
"""
TOLD = {
    "": "nothing",
    "sigma": "sigma, 0..255",
    "sigma_map": "a map of sigma / 255",
    "quality_map": "a map of (100 - QF) / 100",
}
CUT = {
    "averaged": "tiles of {tile} that overlap by {overlap}, averaged",
    "quarters": "four corners, sides multiples of {field}",
    "quartered": "four corners, {shave} beyond the middle, until below {below} pixels",
    "partitions": "equal parts of at most {side}, margin {shave}, {mode} to multiples of {to}",
    "crops": "crops of {side}, a quarter of it apart, middles averaged",
}
NAMES = {
    "extra_denoise": "denoising in the paper's README",
    "extra_jpeg_gray": "grey JPEG in the paper's README",
    "extra_sr_x3": "x3 in the paper's README",
}


def card() -> str:
    """The page, Markdown."""
    entries = models.baseline_models()
    parts = [_system(name, entry) for name, entry in entries.items() if "called" in entry]
    return "\n".join([HEAD, *parts])


def _system(name: str, entry: dict[str, Any]) -> str:
    code = entry["code"]
    lines = [
        f"## {entry['answers'][-1]} (`{name}`)",
        "",
        f"{entry['citation']}. Licence: {entry['licence']}.",
        "",
        f"* Network `{entry['network']}`, called as in [{code}]({_address(code)}).",
        f"* Printed: {', '.join(_tables(entry['answers']))}.",
        *(
            f"* {entry[note].strip()}"
            for note in ("printed", "note", "flops_note")
            if note in entry
        ),
        "",
    ]
    head = ("variant", "setting", "picture", "padding", "cut into", "told", "range", "script")
    lines += _table(head, (_variant(name, entry, variant) for variant in entry["variants"]))
    lines += ["", f"Weights: {_source(entry['weights'])}.", ""]
    lines += _table(("task", "file", "SHA-256"), _files(name, entry["weights"]["files"]))
    return "\n".join([*lines, ""])


def _variant(name: str, entry: dict[str, Any], variant: str) -> list[str]:
    how = called(name, variant)
    options = ", ".join(
        f"{key} {_value(value)}" for key, value in entry["variants"][variant].items()
    )
    return [
        f"`{variant}`",
        options or "as the class has it",
        _picture(how),
        _padding(how),
        "; ".join(CUT[cut].format(**numbers) for cut, numbers in how.cut.items()) or "nothing",
        TOLD[how.told],
        f"0..{how.range}{', clipped' if how.clip else ''}",
        "<br>".join(_link(place) for place in how.script),
    ]


def _picture(how: Called) -> str:
    channels = "1 channel" if how.channels == 1 else f"{how.channels} channels"
    return f"{channels}, sides from {how.least}" if how.least > 1 else channels


def _padding(how: Called) -> str:
    if not how.pad:
        return "none"
    also = [text for key, text in (("always", "always"), ("inside", "inside")) if key in how.pad]
    return ", ".join([f"{how.pad['mode']} to {how.unit}", *also])


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + " ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else str(value)


def _files(name: str, files: dict[str, Any]) -> Iterator[list[str]]:
    for task in files:
        found = models.weights_for(name, task)
        assert found is not None
        yield [task, f"`{Path(found.path).name}`", f"`{found.sha256}`" if found.sha256 else ""]


def _source(weights: dict[str, Any]) -> str:
    if "url" in weights:
        return f"<{weights['url']}>"
    if "wheel" in weights:
        return f"in the package {weights['wheel']}"
    return f"by hand from {weights['by_hand'].strip()}"


def _tables(methods: Iterable[str]) -> list[str]:
    found = [t for t in plan.tables() if any(cell.method in methods for cell in plan.cells(t))]
    return [NAMES.get(table) or f"Table {int(table.removeprefix('table'))}" for table in found]


def _address(code: str) -> str:
    repository, _, commit = code.partition("@")
    return f"https://github.com/{repository}/tree/{commit}"


def _link(place: str) -> str:
    code, path, lines = place.rsplit(":", 2)
    first, _, last = lines.partition("-")
    anchor = f"L{first}-L{last}" if last else f"L{first}"
    address = _address(code).replace("/tree/", "/blob/")
    return f"[{path.rpartition('/')[2]}:{lines}]({address}/{path.replace(' ', '%20')}#{anchor})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell or ' ' for cell in line)} |" for line in lines]


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m baselines.card", description=__doc__)
    parser.add_argument(
        "path", nargs="?", type=Path, help="where the page goes, for example docs/systems.md"
    )
    args = parser.parse_args(argv)
    if args.path is None:
        print(card(), end="")
    else:
        with replacing(args.path) as partial:
            partial.write_text(card(), encoding="utf-8")


if __name__ == "__main__":
    main()
