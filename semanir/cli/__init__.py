"""Restore pictures with SemanIR, and answer for every number that its paper prints.

  semanir restore noisy.png -o clean.png --task denoise --sigma 25
  semanir restore photographs/ -o clean/ --weights weights.safetensors
  semanir info semanir-u --input 3x256x256
  semanir train --task sr-x2 --model semanir-s --scale smoke

The whole reproduction is one command of another program: snakemake --cores 4 all

Exit status: 0 done; 1 some pictures of a folder could not be restored, the others were; 2 nothing
more was done, one line says why; 130 interrupted, finished files stay.
"""

import argparse
from collections.abc import Sequence

from semanir.cli import (
    bench,
    data,
    evaluate,
    gate,
    info,
    listing,
    measure,
    price,
    report,
    restore,
    train,
    verify,
    weights,
)
from semanir.errors import one_line_errors
from semanir.memory import keep_freed_memory

# in the order of `semanir --help`; every module has `add(commands)`, which sets `run` of the verb
VERBS = (
    *(restore, info, listing),
    *(train, evaluate, measure, price, bench),
    *(data, weights, report, verify, gate),
)


def make_parser() -> argparse.ArgumentParser:
    """The command line of `semanir`; imports neither torch nor pandas."""
    from semanir import __version__

    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="semanir", description=__doc__, formatter_class=plain)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="VERB", required=True)
    for verb in VERBS:
        verb.add(commands)
    return parser


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser()
    args, rest = parser.parse_known_args(argv)
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}; see semanir {args.command} --help")
    keep_freed_memory()
    args.run(args)
