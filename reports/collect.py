"""The one reader of records: JSON files -> one tidy table, a line per score of an image.

python -m reports.collect results/smoke/results.csv RECORD.json ...
"""

import argparse
import gzip
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from semanir.errors import InputError, one_line_errors, remake
from semanir.files import replacing, visible
from semanir.plan.record import broken_record, read_record

METRICS = (
    *("psnr", "psnr_rgb", "psnr_transweather_legacy", "psnr_tiled", "psnr_grey_full_range"),
    *("ssim_matlab", "ssim_zero_padded", "ssim_matlab_3d"),
)
WEIGHTS = "weights"  # of a training: the first 32 bits of their SHA-256, to tell them apart
TEXT = ["level", "image", "network"]
BROKEN = (
    *(pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError),
    *(gzip.BadGzipFile, zlib.error, EOFError),
)
EVIDENCE = Path(__file__).parent / "accepted" / "evidence"
COLUMNS = [
    *("scale", "model", "task", "seed", "dataset", "level", "metric", "image", "value", "images"),
    *("protocol", "network", "parameters", "k", "batch"),
    *("commit", "source", "created", "machine", "instruction_set", "threads", "torch", "record"),
]
WHOLE = ("seed", "images", "parameters", "k", "batch", "threads")


def read_records(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Tidy results of some records, sorted by identity; columns are COLUMNS.

    `value` is the score of an image (inf where every pixel is equal), or a count or time, whose
    `image` is empty. Raises InputError that names a broken record.
    """
    rows: list[dict[str, Any]] = []
    for path in dict.fromkeys(map(Path, paths)):
        record = read_record(path)
        try:
            rows += _rows(record, path)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise broken_record(path, error) from None
    try:
        return typed(pd.DataFrame(rows, columns=COLUMNS)).sort_values(
            COLUMNS[:8], ignore_index=True
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"a record holds text where numbers belong: {error}") from None


def read_results(path: Path) -> pd.DataFrame:
    """What read_records gave when a results.csv was written. InputError names a broken file."""
    try:
        # a set may be called "nan", and shows as that
        # and images called 01, 02, ... are no numbers
        names = dict.fromkeys(TEXT, "str")
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=names)
    except FileNotFoundError:
        raise InputError(f"no results {path}; run snakemake, or reports.collect") from None
    except BROKEN as error:
        raise InputError(f"broken results {path}: {error}; {remake(path)}") from None
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise InputError(f"{path} has no column {missing[0]}; reports.collect writes such files")
    try:
        return typed(frame[COLUMNS])
    except (TypeError, ValueError) as error:
        raise InputError(f"broken results {path}: {error}; {remake(path)}") from None


def accepted_evidence() -> list[pd.DataFrame]:
    """The committed results of machines that few people have, a GPU."""
    return [read_results(path) for path in visible(EVIDENCE.glob("*.csv"))]


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers stay whole where some rows have none; what rows are found by is text.

    Raises ValueError or TypeError for text where numbers belong.
    """
    frame[TEXT] = frame[TEXT].astype("object").fillna("").astype("str")
    pd.to_numeric(frame["value"])  # refuses text
    return frame.astype(dict.fromkeys(WHOLE, "Int64"))


def means(results: pd.DataFrame) -> pd.DataFrame:
    """A line per set instead of image: `value` the mean, `images` their number, `image` empty."""
    identity = [name for name in COLUMNS if name not in ("image", "value", "images")]
    of_images = results["image"] != ""
    groups = results[of_images].groupby(identity, dropna=False, sort=False)["value"]
    averaged = groups.agg(["mean", "size"]).reset_index()
    averaged = averaged.rename(columns={"mean": "value", "size": "images"}).assign(image="")
    parts = [part for part in (averaged[COLUMNS], results[~of_images]) if len(part)]
    frame = pd.concat(parts) if parts else results
    return frame.astype(results.dtypes).sort_values(COLUMNS[:8], ignore_index=True)


def collect(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Mean scores of some records: what tables are rendered from."""
    return means(read_records(paths))


def _rows(record: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    made = record["provenance"]
    gpu = made.get("accelerator")
    common = {
        **record["identity"],
        "network": record.get("network", ""),
        "parameters": record.get("parameters"),
        "k": record.get("config", {}).get("k"),
        "batch": record.get("batch"),
        **{key: made.get(key) for key in ("commit", "source", "created")},
        "machine": made["machine"] if gpu in (None, "none") else gpu,
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
    if record["kind"] == "bench":
        return [
            common
            | {"model": name, "level": f"N={row['N']} k={row['K']}", "k": row["K"]}
            | {"metric": f"{what}_ms", "value": milliseconds}
            for row in record["layers"]
            for what in ("forward", "forward_backward")
            for name, milliseconds in row[what].items()
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
    if record["kind"] == "visual":
        # names of their own: a mean over the images of a set must not take in a crop of one
        protocol = f"{record['protocol']['name']} v{record['protocol']['version']}"
        place = {name: record[name] for name in ("dataset", "level", "image")}
        rows = [
            common | place | {"metric": name, "value": value, "protocol": protocol}
            for name, value in record["scores"].items()
        ]
        alien = {"network": "", "parameters": None, "metric": "psnr_crop", "protocol": protocol}
        return rows + [
            common | place | alien | {"model": other["model"], "value": other["psnr_crop"]}
            for other in record["beside"]
        ]
    if record["kind"] == "train":
        steps, taken = record["iterations_this_time"], record["seconds_this_time"]
        # of the whole training, where it went on from an earlier one
        whole = taken / steps * record["recipe"]["iterations"] if steps else None
        weights = int(record.get("tensors_sha256", "0")[:8], 16)
        told = {WEIGHTS: weights, "train_seconds": whole}
        rows = [common | {"metric": name, "value": value} for name, value in told.items() if value]
        return rows + [
            common
            | {"level": f"{level} step={point['step']}"}
            | {"metric": "holdout_psnr", "value": psnr}
            for point in record["history"]
            for level, psnr in point["psnr"].items()
        ]
    if record["kind"] == "runtime":
        return [
            common
            | {"model": row["network"], "task": row["group"], "level": row["input"]}
            | {"metric": name, "value": row[name], "images": row["rounds"]}
            for row in record["rows"]
            for name in ("median_ms", "ratio")
        ]
    rows = []
    for score in record["scores"]:
        place = common | {name: score[name] for name in ("dataset", "level", "image")}
        protocol = record["protocols"][score["level"]]
        place["protocol"] = f"{protocol['name']} v{protocol['version']}"
        rows += [place | {"metric": m, "value": score[m]} for m in METRICS if m in score]
    if "counted" in record:
        counted = record["counted"]
        row = {"level": counted["input"], "metric": "eval_multiply_adds"}
        rows.append(common | row | {"value": counted["multiply_adds"]})
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
        read_records(args.records).to_csv(partial, index=False)


if __name__ == "__main__":
    main()
