"""How far trainings are: a line for each, from their logs, while they run or after.

  semanir train status
  semanir train status results/paper
  semanir train status results/smoke --plot reports/courses.svg
  semanir train status results/smoke --tensorboard runs

Steps, patches a second, PSNR on held-out photographs in dB (mean over levels), time left at that
rate, and device. A training that has not finished counts as stopped where nothing was written for
three minutes and for five times as long as its log usually pauses; the same command resumes it.
"""

# torch and matplotlib are imported where they are used: help answers at once
import argparse
from pathlib import Path
from typing import Any, Protocol

from semanir.cli import options
from semanir.errors import InputError
from semanir.files import write_text
from semanir.plan.progress import Progress, entries, progress


class Writer(Protocol):
    """What is used of TensorBoard's SummaryWriter."""

    def add_scalar(self, tag: str, value: float, step: int) -> None: ...


def add(commands: Any) -> None:
    """The arguments of `semanir train status`."""
    command = options.verb(
        commands, "status", run_status, "how far trainings are, a line for each", __doc__
    )
    command.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("results"),
        help="of a training, or of many (default results)",
    )
    command.add_argument("--plot", type=Path, metavar="SVG", help="draw loss, rate and PSNR")
    command.add_argument(
        "--tensorboard", type=Path, metavar="FOLDER", help="write the logs as TensorBoard's events"
    )


def run_status(args: argparse.Namespace) -> None:
    """Print a line for each training; draw or export their logs where asked."""
    from data_prep.inventory import columns

    if args.plot and args.plot.suffix != ".svg":
        raise InputError(f"--plot writes SVG, {args.plot} is another kind; name a file.svg")
    found = progress(args.folder)
    if not found:
        print(f"No training below {args.folder}.")
        return
    lines = [["training", "state", "step", "of", "patches/s", "PSNR", "left", "device"]]
    lines += [_line(one, args.folder) for one in found]
    print(columns(lines))
    logs = {_name(one, args.folder): entries(one.folder) for one in found}
    if args.plot:
        from reports.figures.course import drawn

        write_text(args.plot, drawn(logs))
        print(f"\nDrawn: {args.plot}")
    if args.tensorboard:
        for name, lines_of_log in logs.items():
            _write_events(lines_of_log, _writer(args.tensorboard / name))
        print(f"\nEvents: {args.tensorboard}")


def _name(one: Progress, root: Path) -> str:
    name = one.folder.relative_to(root).as_posix()
    return one.folder.resolve().name if name == "." else name.removeprefix("train/")


def _line(one: Progress, root: Path) -> list[str]:
    return [
        _name(one, root),
        one.state,
        f"{one.step:,}",
        f"{one.iterations:,}" if one.iterations else "?",
        f"{one.images_per_s:.3g}" if one.images_per_s else "",
        f"{one.psnr:.2f}" if one.psnr is not None else "",
        "" if one.state == "finished" else _time(one.seconds_left),
        one.device,
    ]


def _time(seconds: float | None) -> str:
    """Seconds as people read them: 12 min, 3.4 h, 5.6 d."""
    if seconds is None:
        return "?"
    for unit, length in (("d", 86400), ("h", 3600)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds / 60:.0f} min"


def _writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "--tensorboard needs the package tensorboard; pip install tensorboard, or use --plot"
        ) from None
    return SummaryWriter(str(folder))


def _write_events(lines: list[dict[str, Any]], writer: Writer) -> None:
    """Every number of a log under its name, PSNR under that of its level."""
    for line in lines:
        step = line["step"]
        for name, value in line.items():
            of = value.items() if isinstance(value, dict) else [("", value)]
            for level, number in of:
                if name != "step" and isinstance(number, int | float):
                    writer.add_scalar(f"{name}/{level}" if level else name, number, step)
    if hasattr(writer, "close"):
        writer.close()
