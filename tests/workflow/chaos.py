"""Kill a small workflow at random moments, and hold what it makes against an undisturbed run.

  python -m tests.workflow.chaos --kills 300 --seed 0

Kills go to all processes, to one job, to a process that prepares patches, to Snakemake, in every
stage from download to accept. The same command is then typed again, after `snakemake --unlock`
where the documents say so. After each kill every file under its final name has to be whole;
whenever the workflow ends, all of them have to be those of the undisturbed run.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cases"))

from campaign import Campaign, FaultError


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=300, help="default 300, about an hour")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work there, and leave it there")
    args = parser.parse_args()
    if args.keep:
        args.keep.mkdir(parents=True)
        return campaign(args.keep, args)
    with tempfile.TemporaryDirectory(prefix="chaos-") as place:
        return campaign(Path(place), args)


def campaign(place: Path, args: argparse.Namespace) -> int:
    """The exit code; prints every kill and the table of all."""
    kills, fault = None, ""
    try:
        kills = Campaign(place, args.seed)
        kills.kill(args.kills, report=True)
    except (FaultError, TimeoutError) as error:
        fault = str(error)
    except KeyboardInterrupt:
        fault = "interrupted; no fault until then"
    if kills:
        print("\n".join(kills.table()))
    if fault:
        print(f"error: {fault}", file=sys.stderr)
    return bool(fault)


if __name__ == "__main__":
    sys.exit(main())
