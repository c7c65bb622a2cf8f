"""Files that are dated in the future, because the clock of a machine went back.

Snakemake refuses a file that is older than what it was made of and deletes it, a finished training
too; and a file that is made again gets an older date than what had been made of it, which hides it.
"""

import os
import re
import sys
import time
from pathlib import Path

from semanir import paths

AHEAD = 60  # seconds that clocks of one file system may differ
MADE = (
    *(paths.RAW, paths.CLEAN, paths.DEGRADED, paths.RELEASED, paths.VGG),
    *(paths.WEIGHTS, paths.TRAINING, paths.SCORES, paths.ACTIVATION, paths.VISUAL),
    *(paths.COUNT, paths.RUNTIME, paths.ATTENTION, paths.PRICE, paths.RESULTS, paths.SYSTEMS),
    *(f"reports/*.{ending}" for ending in ("html", "csv", "md", "tex", "svg")),
    "reports/*/*.html",
)


def date_now(folder: Path) -> int:
    """Date files of the workflow below `folder` that are of the future now, in their order.

    Returns how many. Those made later are newer than all of them.
    """
    now = time.time_ns()
    patterns = dict.fromkeys(re.sub(r"\{\w+\}", "*", template) for template in MADE)
    dates = {path: path.stat().st_mtime_ns for each in patterns for path in folder.glob(each)}
    ahead = {path: date for path, date in dates.items() if date > now + AHEAD * 10**9}
    order = sorted(set(ahead.values()), reverse=True)
    for path, date in ahead.items():
        moment = now - order.index(date) * 10**6
        os.utime(path, ns=(moment, moment))
    if ahead:
        print(f"{len(ahead)} files dated ahead of this clock are dated now", file=sys.stderr)
    return len(ahead)
