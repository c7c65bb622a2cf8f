"""The one reader of records: JSON files -> one tidy table, a line per score of an image."""

import gzip
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from semanir.errors import InputError, remake
from semanir.files import replacing, visible
from semanir.paths import ROOT
from semanir.plan.record import broken_record, read_record, training_seconds

DATA_FILES: tuple[str, ...] = ("accepted/evidence",)

METRICS = (
    *("psnr", "psnr_rgb", "psnr_transweather_legacy", "psnr_tiled", "psnr_self_ensemble"),
    "psnr_grey_full_range",
    *("ssim_matlab", "ssim_zero_padded", "ssim_matlab_3d"),
)
WEIGHTS = "weights"  # of a training: the first 32 bits of their SHA-256, to tell them apart
TEXT = ["level", "image", "network"]
BROKEN = (
    *(pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError),
    *(gzip.BadGzipFile, zlib.error, EOFError),
)
ACCEPTED = ROOT / "reports" / "accepted"
EVIDENCE = ACCEPTED / "evidence"
COLUMNS = [
    *("scale", "model", "task", "seed", "dataset", "level", "metric", "image", "value", "images"),
    *("protocol", "network", "parameters", "k", "batch"),
    *("commit", "source", "created", "machine", "instruction_set", "threads", "torch", "record"),
]
WHOLE = ("seed", "images", "parameters", "k", "batch", "threads")

Row = dict[str, Any]


def read_records(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Tidy results of some records, sorted by identity; columns are COLUMNS.

    `value` is the score of an image (inf where every pixel is equal), or a count or time, whose
    `image` is empty. Raises InputError that names a broken record.
    """
    rows: list[Row] = []
    for path in dict.fromkeys(map(Path, paths)):
        record = read_record(path)
        if record.get("kind") == "own":
            raise InputError(f"{path} is a training on someone's own photographs, of no scale")
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


def write_results(paths: Iterable[str | Path], out: Path) -> None:
    """Write the results.csv of some records."""
    with replacing(out) as partial:
        read_records(paths).to_csv(partial, index=False)


def read_results(path: Path, scale: str = "") -> pd.DataFrame:
    """What read_records gave when a results.csv was written. InputError names a broken file.

    scale: what results of another scale are refused for.
    """
    try:
        # a set may be called "nan", and shows as that
        # and images called 01, 02, ... are no numbers
        names = dict.fromkeys(TEXT, "str")
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=names)
    except FileNotFoundError:
        raise InputError(f"no results {path}; run snakemake, or semanir report results") from None
    except BROKEN as error:
        raise InputError(f"broken results {path}: {error}; {remake(path)}") from None
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise InputError(
            f"{path} has no column {missing[0]}; semanir report results writes such files"
        )
    try:
        results = typed(frame[COLUMNS])
    except (TypeError, ValueError) as error:
        raise InputError(f"broken results {path}: {error}; {remake(path)}") from None
    if scale:
        check_scale(results, scale, path)
    return results


def check_scale(results: pd.DataFrame, scale: str, path: Path | None = None) -> None:
    """Raise InputError where results of another scale are among those of a file.

    path: the file; left out, the error names the record of such a result.
    """
    for other in results[results["scale"] != scale].head(1).itertuples():
        raise InputError(
            f"{path or other.record} holds results of the {other.scale} scale, {scale} is asked for"
        )


def origin(results: pd.DataFrame) -> dict[str, str]:
    """Where results come from: machine, torch, commit, and the date of the newest."""
    machines = results[["machine", "instruction_set"]].dropna().drop_duplicates()
    return {
        "machine": "; ".join(f"{m.machine}, {m.instruction_set}" for m in machines.itertuples()),
        "torch": "; ".join(results["torch"].dropna().unique()),
        "commit": "; ".join(results["commit"].dropna().unique()),
        "date": results["created"].dropna().max()[:10],
    }


def accepted_evidence() -> list[pd.DataFrame]:
    """The accepted results of machines that few people have, a GPU."""
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


# --- the rows of a record, by its kind -------------------------------------------------------


def _rows(record: dict[str, Any], path: Path) -> list[Row]:
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
    rows_of = ROWS_OF.get(record["kind"], _scores)
    return [common | row for row in rows_of(record)]


def _scores(record: dict[str, Any]) -> list[Row]:
    rows = []
    for score in record["scores"]:
        place = {name: score[name] for name in ("dataset", "level", "image")}
        protocol = record["protocols"][score["level"]]
        place["protocol"] = f"{protocol['name']} v{protocol['version']}"
        rows += [place | {"metric": m, "value": score[m]} for m in METRICS if m in score]
    if "counted" in record:
        counted = record["counted"]
        row = {"level": counted["input"], "metric": "eval_multiply_adds"}
        rows.append(row | {"value": counted["multiply_adds"]})
    return rows


def _training(record: dict[str, Any]) -> list[Row]:
    weights = int(record.get("tensors_sha256", "0")[:8], 16)
    facts = {WEIGHTS: weights, "train_seconds": training_seconds(record)}
    rows = [{"metric": name, "value": value} for name, value in facts.items() if value]
    return rows + [
        {"level": f"{level} step={point['step']}", "metric": "holdout_psnr", "value": psnr}
        for point in record["history"]
        for level, psnr in point["psnr"].items()
    ]


def _crops(record: dict[str, Any]) -> list[Row]:
    # names of their own: a mean over the images of a set must not take in a crop of one
    protocol = f"{record['protocol']['name']} v{record['protocol']['version']}"
    other = {"network": "", "parameters": None, "metric": "psnr_crop"}
    rows = []
    for shown in record["shown"]:
        place = {name: record[name] for name in ("dataset", "level")}
        place |= {"image": shown["image"], "protocol": protocol}
        rows += [place | {"metric": name, "value": v} for name, v in shown["scores"].items()]
        rows += [
            place | other | {"model": system["model"], "value": system["psnr_crop"]}
            for system in shown["beside"]
        ]
    return rows


def _counts(record: dict[str, Any]) -> list[Row]:
    return [
        {"level": row["variant"], "metric": row["metric"], "value": row["value"]}
        | {"protocol": row.get("protocol")}
        for row in record["rows"]
    ]


def _times(record: dict[str, Any]) -> list[Row]:
    return [
        {"model": row["network"], "task": row["group"], "level": row["input"]}
        | {"metric": name, "value": row[name], "images": row["rounds"]}
        for row in record["rows"]
        for name in ("median_ms", "ratio")
    ]


def _memory(record: dict[str, Any]) -> list[Row]:
    return [
        {"model": row["backend"], "level": row["setting"], "k": row["k"], "batch": row["B"]}
        | {"metric": f"memory_{kind}", "value": value}
        for row in record["rows"]
        for kind, value in ((record["device"], row["bytes"]), ("predicted", row["predicted"]))
        if value is not None
    ]


def _back_ends(record: dict[str, Any]) -> list[Row]:
    return [
        {"model": name, "level": f"N={row['N']} k={row['K']}", "k": row["K"]}
        | {"metric": f"{what}_ms", "value": milliseconds}
        for row in record["layers"]
        for what in ("forward", "forward_backward")
        for name, milliseconds in row[what].items()
    ]


def _growth(record: dict[str, Any]) -> list[Row]:
    of_pictures = [
        {"model": record["network"], "level": f"{row['megapixels']} MP"}
        | {"metric": f"restore_{name}", "value": row[name]}
        for row in record["pictures"]
        for name in ("seconds", "bytes")
        if row[name] is not None
    ]
    return of_pictures + [
        {"model": form, "level": " ".join(f"{size}={row[size]}" for size in "HWChMk")}
        | {"k": row["k"], "metric": "layer_ms", "value": milliseconds}
        for row in record["layers"]
        for form, milliseconds in row["milliseconds"].items()
    ]


def _complexity(record: dict[str, Any]) -> list[Row]:
    symbols = ("H", "W", "C", "h", "M", "k")
    return [
        {"model": row["form"], "metric": name, "value": row[name]}
        | {"level": " ".join(f"{symbol}={row[symbol]}" for symbol in symbols if symbol in row)}
        for row in record["rows"]
        for name in ("multiply_adds", "bias", "dictionary", "floats")
    ]


ROWS_OF: dict[str, Callable[[dict[str, Any]], list[Row]]] = {
    "eval": _scores,
    "train": _training,
    "visual": _crops,
    "count": _counts,
    "runtime": _times,
    "memory": _memory,
    "bench": _back_ends,
    "growth": _growth,
    "complexity": _complexity,
}
