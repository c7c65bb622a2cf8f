"""Fail when PSNR dropped: measured results against reports/accepted/<scale>.csv.

python -m reports.gate --scale smoke --results results/smoke/results.csv

A line of the accepted file names a run, its accepted PSNR in dB, the tolerance in dB and the least
gain in dB over the degraded input. The gate fails if a run is missing, falls below accepted -
tolerance, or gains less than min_gain; a run above accepted + tolerance is named, so that somebody
looks at it and accepts it anew.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from data_prep.errors import InputError, one_line_errors
from reports.collect import means, read_results
from reports.index import gains

ACCEPTED = Path(__file__).parent / "accepted"
KEY = ["task", "model", "dataset", "level"]


def check(results: pd.DataFrame, accepted: pd.DataFrame) -> tuple[list[str], list[str]]:
    """(failures, remarks), a line each; no failure means the gate is passed."""
    found = gains(results).set_index(KEY)
    failures, remarks = [], []
    for line in accepted.itertuples():
        name = f"{line.model} on {line.task}, {line.dataset} {line.level}"
        key = (line.task, line.model, line.dataset, line.level)
        if key not in found.index:
            failures.append(f"{name}: not measured")
            continue
        value, gain = found.loc[key, "value"], found.loc[key, "gain"]
        change = value - line.accepted
        told = f"{name}: {value:.3f} dB, accepted {line.accepted:.3f} ({change:+.3f})"
        if not change >= -line.tolerance:
            failures.append(f"{told}, below the tolerance of {line.tolerance} dB")
        elif change > line.tolerance:
            remarks.append(f"{told}, above the tolerance of {line.tolerance} dB: accept it anew?")
        if not gain >= line.min_gain:
            failures.append(f"{name}: gains {gain:.3f} dB over its input, must be {line.min_gain}")
    return failures, remarks


def read_accepted(path: Path) -> pd.DataFrame:
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in ACCEPTED.glob("*.csv")))
        raise InputError(f"no accepted results {path}; there are: {known}")
    accepted = pd.read_csv(path, comment="#")
    missing = {*KEY, "accepted", "tolerance", "min_gain"} - set(accepted.columns)
    if missing or accepted.empty:
        what = f"no column {', '.join(sorted(missing))}" if missing else "no lines"
        raise InputError(f"{path} has {what}; a gate without references would always pass")
    return accepted


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m reports.gate", description=__doc__)
    parser.add_argument("--scale", default="smoke")
    parser.add_argument("--results", type=Path, required=True, help="results.csv of the scale")
    args = parser.parse_args(argv)
    accepted = read_accepted(ACCEPTED / f"{args.scale}.csv")
    failures, remarks = check(means(read_results(args.results)), accepted)
    for line in remarks:
        print(f"note: {line}")
    for line in failures:
        print(f"FAIL: {line}")
    print(f"gate: {len(accepted)} runs, {len(failures)} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
