"""Fail when PSNR dropped: measured results against the accepted ones, image by image.

`check` compares every cell (task, model, set, level, metric) of reports/accepted/<scale>.csv, or of
another such file, with the candidate. Scores of the same image and seed are subtracted, since
photographs differ by many dB where a change moves each of them alike; d is the mean of the n
differences candidate - accepted.

What involves no training involves no chance: inputs, released weights, counts, and networks whose
training gave the same weights to the last bit. Every single image must stay within the tolerance.

A network that was trained anew differs by chance: another machine rounds otherwise, and training
makes more of it. `spread` measured by how much (reports/spreads/<scale>.csv, a standard deviation s
for each cell). With S seeds the interval at 95 % is

    d - t s sqrt(2 / S) .. d + t s sqrt(2 / S)     t: 0.975 quantile of Student's t

and a drop fails where it is larger than the tolerance and than chance makes it in one cell of a
thousand (0.999 quantile). Where s was not measured the tolerance alone decides. With --redrawn, for
a change of what a seed draws, s is that of seeds.

    fails      missing     not measured, all images or some
               no number   measured as NaN
               changed     moved without training, up or down, or a count that differs
               worse       d is below -tolerance, and below what chance explains
               no gain     keeps less than LEAST_GAIN of its accepted gain over the input
    passes     better      d is above the tolerance: look at it, then accept it anew
               uncertain   d is below -tolerance, but chance may be why
               new         nothing is accepted yet
               reported    times, memory, weights, crops of single pictures: not enforced
               passed

Rates of error: docs/statistics.md.
"""

import os
import sys
from pathlib import Path

from reports.gate.accepted import find_accepted, read_accepted, read_candidate
from reports.gate.compare import compare
from reports.gate.spreads import read_spreads
from reports.gate.text import annotations, junit, markdown, summary, table
from semanir.files import write_text


def check(
    accepted: str,
    candidate: Path,
    junit_path: Path | None = None,
    markdown_path: Path | None = None,
    github: bool = False,
    redrawn: bool = False,
) -> bool:
    """Whether the candidate, a results.csv, passes; write and print what is asked for.

    accepted: a file, or a scale. github: print annotations even where GITHUB_ACTIONS is not set.
    redrawn: seeds draw other numbers than when accepted. Raises InputError for bad files.
    """
    for path in filter(None, (junit_path, markdown_path)):
        path.unlink(missing_ok=True)  # a report of an earlier run must not outlive bad input
    accepted_path = find_accepted(accepted)
    head, accepted_lines = read_accepted(accepted_path)
    scale = head.get("scale", accepted_path.stem)
    lines = compare(accepted_lines, read_candidate(candidate, scale), read_spreads(scale, redrawn))

    title = f"{scale} against {accepted_path.name}"
    page = markdown(lines, title)
    if junit_path:
        write_text(junit_path, junit(lines, title))
    if markdown_path:
        write_text(markdown_path, page)
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as file:
            file.write(page)
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(table(lines, colour), end="")
    if github or os.environ.get("GITHUB_ACTIONS") == "true":
        print("\n".join(annotations(lines)))
    print(summary(lines))
    return not any(line.fails for line in lines)
