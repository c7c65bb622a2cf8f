"""Two results, row by row: what both measured, with differences, and what only one has."""

from typing import Any

import numpy as np
import pandas as pd

from reports.collect import METRICS, WEIGHTS
from reports.gate.compare import kind_of

ROW = ["model", "task", "dataset", "level", "metric"]
# how rows are summed up: scores of images, counts, times and memory
GROUPS = (*METRICS, "counts", "times, memory, training")
VALUES = ["one", "other", "difference", "spread", "low", "high", "images", "left_out", "side"]


def match(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """A line for every row (ROW) of either results, columns KEY and value each.

    one, other: means over seeds, then over the images that both have; difference: other less one.
    images: how many both have, 0 where a row is of no image; left_out: how many one side alone has.
    Without an image in common there is no difference.
    spread, low, high: standard deviation (NaN below two images) and ends of the differences of
    single images. side: "both", "one", "other". Rows of weights are left out: see `equal_weights`.
    """
    means = []
    for scores in (one, other):
        kept = scores[scores["metric"] != WEIGHTS]
        means.append(kept.groupby([*ROW, "image"], sort=False)["value"].mean())
    images = pd.concat(means, axis=1, keys=["one", "other"]).reset_index()
    has_one, has_other = images["one"].notna(), images["other"].notna()
    images["both"], images["of_image"] = has_one & has_other, images["image"] != ""
    # equal infinities, of images restored without any error, differ by nothing
    same = images["one"] == images["other"]
    images["difference"] = (images["other"] - images["one"]).mask(same, 0.0)

    rows = images.groupby(ROW, sort=True)
    lines = rows.agg(one=("one", "mean"), other=("other", "mean"), all=("of_image", "sum"))
    paired = images[images["both"]].groupby(ROW, sort=True)
    change = paired["difference"]
    of_pairs = paired.agg(
        one=("one", "mean"),
        other=("other", "mean"),
        difference=("difference", "mean"),
        images=("of_image", "sum"),
    )
    of_pairs = of_pairs.assign(spread=change.std(), low=change.min(), high=change.max())
    several = of_pairs["images"] > 1
    of_pairs[["spread", "low", "high"]] = of_pairs[["spread", "low", "high"]].where(several)
    # where both measured a row its means are over what both have
    lines.update(of_pairs[["one", "other"]])
    lines = lines.join(of_pairs.drop(columns=["one", "other"]))
    lines["images"] = lines["images"].fillna(0).astype(int)
    lines["left_out"] = lines["all"] - lines["images"]
    lines["side"] = "both"
    lines.loc[lines["other"].isna(), "side"] = "one"
    lines.loc[lines["one"].isna(), "side"] = "other"
    return lines.reset_index()[[*ROW, *VALUES]]


def group_of(metric: str) -> str:
    """One of GROUPS."""
    if metric in METRICS:
        return metric
    return "counts" if kind_of(metric) == "count" else GROUPS[-1]


def by_group(lines: pd.DataFrame) -> list[dict[str, Any]]:
    """What is said of each of GROUPS that occurs: how many rows both have, and how they differ.

    equal: rows without any difference. Of scores mean and largest, the difference farthest from
    zero; of counts and times ratio, the one farthest from 1 of other over one. at: the row of the
    largest or of the ratio. only_one, only_other: rows that one side alone has.
    """
    found = []
    groups = lines["metric"].map(group_of)
    for group in GROUPS:
        some = lines[groups == group]
        if some.empty:
            continue
        both = some[some["side"] == "both"]
        entry = {"group": group, "rows": len(both), "equal": int((both["difference"] == 0).sum())}
        entry |= {f"only_{side}": int((some["side"] == side).sum()) for side in ("one", "other")}
        entry |= {"mean": None, "largest": None, "ratio": None, "at": ""}
        ratio = both["other"] / both["one"].mask(both["one"] == 0)
        far = both["difference"].abs() if group in METRICS else np.log(ratio.mask(ratio <= 0)).abs()
        if far.max() > 0:
            place = far.idxmax()
            entry["at"] = name_of(both.loc[place])
            if group in METRICS:
                entry |= {"mean": both["difference"].mean(), "largest": both["difference"][place]}
            else:
                entry["ratio"] = ratio[place]
        found.append(entry)
    return found


def name_of(row: pd.Series) -> str:
    """A row as text: "semanir-u, denoise_gray-sigma25, set12 sigma25"."""
    place = " ".join(filter(None, [row["dataset"], row["level"]]))
    return ", ".join(filter(None, [row["model"], row["task"], place]))


def equal_weights(one: pd.DataFrame, other: pd.DataFrame) -> tuple[int, int]:
    """(how many trainings have bitwise equal weights, of how many that both have)."""
    key = ["model", "task", "seed"]
    weights = [
        scores[scores["metric"] == WEIGHTS].set_index(key)["value"] for scores in (one, other)
    ]
    both = pd.concat(weights, axis=1, join="inner", keys=["one", "other"])
    return int((both["one"] == both["other"]).sum()), len(both)
