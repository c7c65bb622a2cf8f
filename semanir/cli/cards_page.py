"""The model cards: `python -m semanir.cli.cards_page semanir/weights/README.md`.

Written from what the shipped weights say of themselves, and from the printed tables beside it.
Without a path the page is printed. Never imports torch.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from data_prep.datasets import share_photographs
from data_prep.tasks import families, get_task
from semanir.errors import one_line_errors
from semanir.files import write_text
from semanir.inference.shipped import facts, parameters, shipped
from semanir.plan.cells import Cell, cells, tables

HEAD = """\
<!-- Written by `python -m semanir.cli.cards_page semanir/weights/README.md`. -->

# The networks that come with the project

What `semanir restore --task ...` takes: one file a task, safetensors, with the configuration of
the network, its trainings and its scores inside (`semanir info NAME`). They are small SemanIRs,
trained for CPU hours on a few hundred photographs. **They are not the networks of the paper** (11.9
to 25.8 M parameters, days on GPUs), and their scores are no reproduction of its numbers. Input,
this network and its self-ensemble are measured, in dB PSNR as the paper's tables have it; the other
columns are what the paper prints. The self-ensemble is the mean over eight positions of the image,
flipped and turned, and takes eight times as long (`semanir restore --self-ensemble`). No printed
number is of one.

**Limits.** Each network knows its own degradation: Gaussian noise, libjpeg's JPEG, bicubic
reduction as MATLAB has it, the RGGB mosaic in eight bits. Real noise, other codecs, blur and
repeated JPEG are none of these.

**Licence.** Apache-2.0, as the code. The training photographs of BSDS500 are for non-commercial
research and education.
"""
# printed beside: others of about this size or known to everyone, and SemanIR itself
COMPARED = (
    *("Matlab", "DeepJoint", "DnCNN", "FFDNet", "QGAC", "RCAN"),
    *("SemanIR", "SemanIR-S"),
)


def page() -> str:
    """The cards, Markdown."""
    return "\n".join([HEAD, *(_card(name, path) for name, path in shipped().items())])


def _card(name: str, path: Path) -> str:
    about, task = facts(path), get_task(name)
    config = about["config"]
    dims = config.get("dims") or [config["dim"]] * config["stages"]
    layers = config["layers"] if isinstance(config["layers"], list) else [config["layers"]]
    size = f"{parameters(path):,} parameters, {path.stat().st_size / 1e6:.1f} MB"
    lines = [
        f"## {name}",
        "",
        f"SemanIR, {'U-shaped' if config['shape'] == 'ushape' else 'columnar'}, widths "
        f"{', '.join(map(str, dims))}; {', '.join(map(str, layers))} layers a stage; windows of "
        f"{config['window']}, k={config['k']}: {size}; "
        f"{'grey' if task.channels == 1 else 'colour'}.",
        "",
        "Trained by, in turn:",
        "",
        *map(_training, about["trainings"]),
        "",
        *_scores(about["scores"], task.family),
        *_seen(about),
    ]
    return "\n".join(lines) + "\n"


def _training(one: dict[str, Any]) -> str:
    levels = f" of levels {one['levels'][0]} to {one['levels'][1]}" if one["levels"] else ""
    images = " and ".join(one["datasets"])
    if reductions := one.get("reductions"):
        images += f" at {', '.join(f'{part:g}' for part in reductions)} of their size"
    return (
        f"* `{one['task']}`{levels}: {one['iterations']:,} iterations of {one['batch']} patches of "
        f"{one['patch']} of {images}, {one['loss']}, rate {one['lr']:g}, "
        f"{one['minutes']:g} minutes of one core beside other work"
    )


def _scores(scores: Iterable[dict[str, Any]], family: str) -> Iterator[str]:
    rows = list(scores)
    printed = [cell for table in tables() for cell in cells(table) if cell.task == family]
    beside = [[_printed(printed, method, row, family) for row in rows] for method in COMPARED]
    named = [(m, column) for m, column in zip(COMPARED, beside, strict=True) if any(column)]
    averaged = ["self-ensemble"] if any("self_ensemble" in row for row in rows) else []
    columns = ["test set", "level", "images", "input", "**this network**", *averaged]
    yield _line([*columns, *(method for method, _ in named)])
    yield _line(["---"] * (len(columns) + len(named)))
    for number, row in enumerate(rows):
        own = [row["dataset"], row["level"], str(row["images"]), f"{row['input']:.2f}"]
        own += [f"**{row['psnr']:.2f}**", *(f"{row['self_ensemble']:.2f}" for _ in averaged)]
        yield _line([*own, *(column[number] for _, column in named)])


def _seen(about: dict[str, Any]) -> Iterator[str]:
    """For each test set of which a training has had photographs: that, and in which trainings."""
    for test_set in dict.fromkeys(row["dataset"] for row in about["scores"]):
        trainings = [
            f"`{one['task']}`"
            for one in about["trainings"]
            if any(share_photographs(name, test_set) for name in one["datasets"])
        ]
        if trainings:
            yield ""
            yield (
                f"**Seen in training**: {test_set}, as clean photographs of "
                f"{', '.join(dict.fromkeys(trainings))}. The scores may be a little too good."
            )


def _printed(printed: Iterable[Cell], method: str, row: dict[str, Any], family: str) -> str:
    """What the paper prints for a method on the set and level of a row; of several the best."""
    names = [
        cell.value
        for cell in printed
        if cell.method == method
        and cell.metric == "PSNR"
        and cell.setting in (row["level"], "")
        and families()[family]["sets"][cell.dataset] == row["dataset"]
    ]
    return max(names, key=float, default="")


def _line(columns: Iterable[str]) -> str:
    return f"| {' | '.join(columns)} |"


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m semanir.cli.cards_page", description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, help="where the page goes")
    args = parser.parse_args(argv)
    if args.path is None:
        print(page(), end="")
    else:
        write_text(args.path, page())


if __name__ == "__main__":
    main()
