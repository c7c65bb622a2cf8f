"""All tables in one CSV, a line a printed cell."""

from pathlib import Path

import pandas as pd

from reports.tables.layouts import default_tables
from reports.tables.text import FIELDS
from semanir.files import replacing

NAME = "all_tables.csv"


def write(folder: Path) -> int:
    """Write all_tables.csv of the <table>.csv that lie in a folder; how many lines it has.

    Columns as those have them (reports.tables.text.FIELDS): what was printed and measured, with
    verdict, scale and machine.
    """
    paths = [folder / f"{table}.csv" for table in default_tables()]
    # as text: a number keeps the digits that it is printed with
    there = filter(Path.is_file, paths)
    frames = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in there]
    everything = pd.concat([pd.DataFrame(columns=FIELDS), *frames], ignore_index=True)
    with replacing(folder / NAME) as partial:
        everything.to_csv(partial, index=False)
    return len(everything)
