"""The page of the other systems: `python -m semanir.cli.systems_page docs/systems.md`.

How each is run, and where its authors' test scripts say so, from baselines/models.yaml. Without a
path the page is printed. Never imports torch.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from baselines.inference_settings import InferenceSettings, inference_settings
from baselines.registry import systems, weights_for
from semanir.errors import one_line_errors
from semanir.files import replacing
from semanir.plan.cells import cells, tables

HEAD = """\
<!-- Written by `python -m semanir.cli.systems_page docs/systems.md` from baselines/models.yaml. -->

# The other systems

How each network is built and run here: as the test script of its authors does it, at the lines
that are linked. New pixels are padded below and to the right. No printed cell is a self-ensemble,
and no script has one switched on. A weights file without a sum is held against its first download.
"""
COLUMNS = (
    *("variant", "options", "picture", "padding"),
    *("split into", "condition", "range", "script"),
)
CONDITIONS = {
    "": "nothing",
    "sigma": "sigma, 0..255",
    "sigma_map": "a map of sigma / 255",
    "quality_map": "a map of (100 - QF) / 100",
}
SPLITS = {
    "overlapping_tiles": "tiles of {tile} that overlap by {overlap}, averaged",
    "overlapping_quarters": "four corners, sides multiples of {multiple}",
    "recursive_quarters": "four corners, {shave} beyond the middle, until below {min_size} pixels",
    "partitions": "equal parts up to {side}, margin {shave}, {mode} to multiples of {multiple}",
    "overlapping_crops": "crops of {side}, a quarter of it apart, middles averaged",
}
TABLE_NAMES = {
    "extra_denoise": "denoising in the paper's README",
    "extra_jpeg_gray": "grey JPEG in the paper's README",
    "extra_sr_x3": "x3 in the paper's README",
}


def page() -> str:
    """The page, Markdown."""
    entries = systems().items()
    parts = [_system(name, entry) for name, entry in entries if "inference" in entry]
    return "\n".join([HEAD, *parts])


def _system(name: str, entry: dict[str, Any]) -> str:
    code = entry["code"]
    lines = [
        f"## {entry['answers'][-1]} (`{name}`)",
        "",
        f"{entry['citation']}. Licence: {entry['licence']}.",
        "",
        f"* Network `{entry['network']}`, run as in [{code}]({_address(code)}).",
        f"* Printed: {', '.join(_tables(entry['answers']))}.",
        *(
            f"* {entry[note].strip()}"
            for note in ("printed", "note", "flops_note")
            if note in entry
        ),
        "",
    ]
    lines += _table(COLUMNS, (_variant(name, entry, variant) for variant in entry["variants"]))
    lines += ["", f"Weights: {_source(entry['weights'])}.", ""]
    lines += _table(("task", "file", "SHA-256"), _files(name, entry["weights"]["files"]))
    return "\n".join([*lines, ""])


def _variant(name: str, entry: dict[str, Any], variant: str) -> list[str]:
    settings = inference_settings(name, variant)
    options = ", ".join(
        f"{key} {_value(value)}" for key, value in entry["variants"][variant].items()
    )
    return [
        f"`{variant}`",
        options or "as the class has it",
        _picture(settings),
        _padding(settings),
        _split(settings),
        CONDITIONS[settings.condition],
        f"0..{settings.range}{', clipped' if settings.clip else ''}",
        "<br>".join(_link(place) for place in settings.script),
    ]


def _picture(settings: InferenceSettings) -> str:
    channels = "1 channel" if settings.channels == 1 else f"{settings.channels} channels"
    return f"{channels}, sides from {settings.min_side}" if settings.min_side > 1 else channels


def _split(settings: InferenceSettings) -> str:
    texts = [SPLITS[name].format(**numbers) for name, numbers in settings.split.items()]
    return "; ".join(texts) or "nothing"


def _padding(settings: InferenceSettings) -> str:
    if not settings.pad:
        return "none"
    flags = [flag for flag in ("always", "inside") if flag in settings.pad]
    return ", ".join([f"{settings.pad['mode']} to {settings.multiple}", *flags])


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + " ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else str(value)


def _files(name: str, files: dict[str, Any]) -> Iterator[list[str]]:
    for task in files:
        weights = weights_for(name, task)
        assert weights is not None
        digest = f"`{weights.sha256}`" if weights.sha256 else ""
        yield [task, f"`{Path(weights.path).name}`", digest]


def _source(weights: dict[str, Any]) -> str:
    if "url" in weights:
        return f"<{weights['url']}>"
    if "wheel" in weights:
        return f"in the package {weights['wheel']}"
    return f"by hand from {weights['by_hand'].strip()}"


def _tables(methods: Iterable[str]) -> list[str]:
    names = [t for t in tables() if any(cell.method in methods for cell in cells(t))]
    return [TABLE_NAMES.get(name) or f"Table {int(name.removeprefix('table'))}" for name in names]


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
    parser = argparse.ArgumentParser(prog="python -m semanir.cli.systems_page", description=__doc__)
    parser.add_argument(
        "path", nargs="?", type=Path, help="where the page goes, for example docs/systems.md"
    )
    args = parser.parse_args(argv)
    if args.path is None:
        print(page(), end="")
    else:
        with replacing(args.path) as partial:
            partial.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
