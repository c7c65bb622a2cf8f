"""The one reader of records: JSON files -> one tidy table, a line per mean score.

python -m reports.collect results/smoke/results.csv RECORD.json ...
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from data_prep.errors import InputError, one_line_errors
from data_prep.files import replacing
from semanir.record import read_record

METRICS = (
    *("psnr", "psnr_rgb", "psnr_transweather_legacy"),
    *("ssim_matlab", "ssim_zero_padded", "ssim_matlab_3d"),
)
COLUMNS = [
    *("scale", "model", "task", "seed", "dataset", "level", "metric", "value", "images"),
    *("protocol", "network", "parameters", "k", "batch"),
    *("commit", "source", "created", "machine", "instruction_set", "threads", "torch", "record"),
]
WHOLE = ("seed", "images", "parameters", "k", "batch", "threads")


def collect(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Tidy results of some records, sorted by identity; columns are COLUMNS.

    `value` is the mean over the images of a set (inf where every pixel is equal), a count for
    cost records. Raises InputError that names a broken record.
    """
    rows: list[dict[str, Any]] = []
    for path in map(Path, paths):
        record = read_record(path)
        try:
            rows += _rows(record, path)
        except KeyError as error:
            raise InputError(f"broken record {path}: no field {error}; delete it") from None
    # whole numbers stay whole where some rows have none
    frame = pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(WHOLE, "Int64"))
    return frame.sort_values(COLUMNS[:7], ignore_index=True)


def _rows(record: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    made = record["provenance"]
    common = {
        **record["identity"],
        "network": record.get("network", ""),
        "parameters": record.get("parameters"),
        "k": record.get("config", {}).get("k"),
        "batch": record.get("batch"),
        **{key: made.get(key) for key in ("commit", "source", "created", "machine")},
        **{key: made.get(key) for key in ("instruction_set", "threads")},
        "torch": made["versions"].get("torch"),
        "record": str(path),
    }
    if record["kind"] == "memory":
        return [
            common
            | {"model": row["backend"], "level": row["setting"], "k": row["k"], "batch": row["B"]}
            | {"metric": f"memory_{kind}", "value": value}
            for row in record["rows"]
            for kind, value in ((record["device"], row["bytes"]), ("predicted", row["predicted"]))
            if value is not None
        ]
    if record["kind"] == "complexity":
        return [
            common
            | {"model": row["form"], "level": _symbols(row), "metric": name, "value": row[name]}
            for row in record["rows"]
            for name in ("multiply_adds", "bias", "dictionary", "floats")
        ]
    if record["kind"] == "count":
        return [
            common
            | {"level": row["variant"], "metric": row["metric"], "value": row["value"]}
            | {"protocol": row.get("protocol")}
            for row in record["rows"]
        ]
    if record["kind"] == "runtime":
        return [
            common
            | {"model": row["network"], "task": row["group"], "level": row["input"]}
            | {"metric": name, "value": row[name], "images": row["rounds"]}
            for row in record["rows"]
            for name in ("median_ms", "ratio")
        ]
    scores = pd.DataFrame(record["scores"])
    rows = []
    for (dataset, level), group in scores.groupby(["dataset", "level"], sort=False):
        protocol = record["protocols"][level]
        place = common | {"dataset": dataset, "level": level, "images": len(group)}
        place["protocol"] = f"{protocol['name']} v{protocol['version']}"
        rows += [
            place | {"metric": name, "value": group[name].mean()}
            for name in METRICS
            if name in group
        ]
    return rows


def _symbols(row: dict[str, Any]) -> str:
    return " ".join(f"{name}={row[name]}" for name in ("H", "W", "C", "h", "M", "k") if name in row)


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m reports.collect", description=__doc__)
    parser.add_argument("output", type=Path, help="results.csv to write")
    parser.add_argument("records", nargs="+", type=Path, help="records of runs")
    args = parser.parse_args(argv)
    with replacing(args.output) as partial:
        collect(args.records).to_csv(partial, index=False)


if __name__ == "__main__":
    main()
