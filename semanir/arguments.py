"""Numbers on a command line: taken, or refused with what is valid."""

import argparse
import math
import re
from collections.abc import Callable


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """For argparse: whole numbers from `least` on, up to `most` where there is one."""
    valid = f"a whole number {f'from {least} to {most}' if most else f'of at least {least}'}"

    def whole_number(text: str) -> int:
        if not re.fullmatch("[0-9]{1,19}", text) or not least <= int(text) <= (most or 2**63 - 1):
            raise argparse.ArgumentTypeError(f"must be {valid}, got {text!r}")
        return int(text)

    return whole_number


threads = whole(1, 1024)  # of the CPU
seed = whole(0, 2**63 - 1)  # what torch and numpy both take


def positive(text: str) -> float:
    """For argparse: a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value


def positives(text: str) -> list[float]:
    """For argparse: finite numbers above 0 with commas between them."""
    return [positive(part) for part in text.split(",")]
