"""Whether a results.csv says what the records say that it was made of."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from reports.collect import COLUMNS, read_records, read_results
from semanir import paths
from semanir.errors import InputError

KEY = [*COLUMNS[:8], "record"]
SHOWN = 5  # lines that are named of one file


def results_below(root: Path) -> list[Path]:
    """The results.csv of all scales in a folder, which is one of results/, or holds some."""
    name = Path(paths.RESULTS).name
    return sorted(path for path in root.rglob(name) if not path.is_dir())


def disagreements(path: Path) -> list[str]:
    """How a results.csv differs from the records beside it, a line each.

    Lines whose records are not there are not looked at: results are copied without them, too.
    """
    try:
        results = read_results(path)
        root = path.resolve().parents[len(Path(paths.RESULTS).parts) - 1]
        there = {name: root / name for name in results["record"] if (root / name).is_file()}
        records = read_records(there.values())
    except InputError as error:
        return [str(error)]
    records["record"] = records["record"].map({str(file): name for name, file in there.items()})
    both = results[results["record"].isin(there)].merge(
        records, on=KEY, how="outer", suffixes=("", "_recorded"), indicator=True
    )
    # text does not give every number back to the last bit
    equal = np.isclose(both["value"], both["value_recorded"], rtol=1e-12, atol=0)
    equal &= both["_merge"] == "both"
    wrong = list(_told(both[~equal]))
    more = [f"and {len(wrong) - SHOWN} more lines"] if len(wrong) > SHOWN else []
    return wrong[:SHOWN] + more


def _told(lines: pd.DataFrame) -> Iterator[str]:
    for line in lines.to_dict("records"):
        names = (line[name] for name in ("model", "task", "dataset", "level", "metric", "image"))
        place = " ".join(str(name) for name in names if str(name) not in ("", "nan"))
        said = {
            "left_only": f"{line['value']}, which the record does not have",
            "right_only": f"nothing, the record has {line['value_recorded']}",
        }.get(line["_merge"], f"{line['value']}, the record {line['value_recorded']}")
        yield f"{line['record']}, {place}: {said}"
