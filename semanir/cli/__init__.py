"""Restore pictures with SemanIR, and see what its networks cost.

  semanir restore noisy.png -o clean.png --task denoise --sigma 25
  semanir restore photographs/ -o clean/ --weights weights.safetensors
  semanir info semanir-u --input 3x256x256
  semanir bench --threads 2
  semanir list

Exit status: 0 done; 1 some pictures of a folder could not be restored, the others were; 2 nothing
more was done, one line says why; 130 interrupted, finished pictures stay.
"""

import argparse
from collections.abc import Sequence

from semanir.cli import info, listing, restore
from semanir.errors import one_line_errors


def make_parser() -> argparse.ArgumentParser:
    """The command line of `semanir`; imports no torch."""
    from semanir import __version__

    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="semanir", description=__doc__, formatter_class=plain)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    restore.add(commands)
    info.add(commands)
    commands.add_parser(
        "bench", add_help=False, help="time the attention back ends here; bench --help"
    )
    commands.add_parser("list", help="networks, tasks, shipped weights, back ends")
    return parser


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser()
    args, rest = parser.parse_known_args(argv)
    if args.command == "bench":
        from semanir.measure.attention import main as attention

        attention(["bench", *rest])
        return
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}; see semanir {args.command} --help")
    if args.command == "restore":
        restore.run_restore(args)
    elif args.command == "info":
        info.run_info(args)
    else:
        print(listing.listing())
