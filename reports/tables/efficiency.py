"""Table 3: which counter gives the printed FLOPs, where SemanIR's go, and how fast networks are."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from semanir.plan.cells import Cell
from semanir.plan.models import get_model, model_of_method

PARTS = ("rest", "attention", "dictionary")
NAMED = {"sr": "×4 super-resolution", "denoise_gray": "denoising"}


def section(cells: Sequence[Cell], results: pd.DataFrame) -> dict[str, Any]:
    """What templates/table03.html.j2 shows below the printed table."""
    return {
        "counters": counters(cells, results),
        "decomposition": decomposition(cells, results),
        "times": times(cells, results),
        "parts": PARTS,
    }


def counters(cells: Sequence[Cell], results: pd.DataFrame) -> list[dict[str, Any]]:
    """Printed FLOPs beside both conventions: {row, printed, fvcore, modules, how}, in 10^9."""
    lines = []
    for cell in cells:
        if cell.metric != "FLOPs":
            continue
        rows = results[results["model"] == model_of_method()[cell.method]]
        rows = rows[rows["level"].isin([cell.setting, cell.task])].set_index("metric")
        if "FLOPs" not in rows.index:
            continue
        line = {"row": cell.row, "printed": cell.value, "how": rows.loc["FLOPs", "protocol"]}
        for name, metric in (("fvcore", "FLOPs"), ("modules", "FLOPs_by_modules")):
            line[name] = f"{float(rows.loc[metric, 'value']) / 1e9:.2f}"
        lines.append(line)
    return lines


def decomposition(cells: Sequence[Cell], results: pd.DataFrame) -> list[dict[str, Any]]:
    """SemanIR by window and k: row, printed, setting, rest, attention, dictionary, total, nearest.

    nearest: whether no other setting of the row comes nearer to the printed count.
    """
    lines: list[dict[str, Any]] = []
    for cell in cells:
        if cell.metric != "FLOPs" or not cell.method.startswith("SemanIR"):
            continue
        own = results[results["model"] == model_of_method()[cell.method]]
        own = own[own["metric"].isin([f"FLOPs_{part}" for part in PARTS])]
        for level, rows in own.groupby("level", sort=False):
            key, _, setting = str(level).partition(" ")
            if key in (cell.setting, cell.task):
                value = rows.set_index("metric")["value"].astype(float) / 1e9
                parts = {part: value[f"FLOPs_{part}"] for part in PARTS}
                line = {"row": cell.row, "printed": cell.value, "setting": setting}
                lines.append(line | parts | {"total": sum(parts.values())})
    off = {id(line): abs(line["total"] - float(line["printed"])) for line in lines}
    for line in lines:
        rivals = [off[id(other)] for other in lines if other["row"] == line["row"]]
        line["nearest"] = off[id(line)] == min(rivals)
    return sorted(lines, key=lambda line: (line["row"], line["total"]))


def times(cells: Sequence[Cell], results: pd.DataFrame) -> list[dict[str, Any]]:
    """Networks timed in one run: {group, input, network, printed, ms, ratio, rounds, machine}.

    printed: the printed time as a ratio to SwinIR's, None where none is printed.
    """
    printed = {(c.task, c.method): float(c.value) for c in cells if c.metric == "runtime"}
    timed = results[results["metric"].isin(["median_ms", "ratio"])]
    lines: list[dict[str, Any]] = []
    for (group, name), rows in timed.groupby(["task", "model"], sort=False):
        value = rows.set_index("metric")["value"].astype(float)
        methods = get_model(str(name).partition(":")[0])["answers"]
        given = [printed[group, m] for m in methods if (group, m) in printed]
        first = rows.iloc[0]
        lines.append(
            {
                "group": NAMED.get(str(group), group),
                "input": first["level"],
                "network": name,
                "printed": given[0] / printed[group, "SwinIR"] if given else None,
                "ms": value["median_ms"],
                "ratio": value["ratio"],
                "rounds": int(first["images"]),
                "machine": first["machine"],
                "threads": first["threads"],
            }
        )
    return sorted(lines, key=lambda row: (row["group"], row["ratio"]))
