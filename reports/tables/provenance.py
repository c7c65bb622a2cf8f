"""What stands behind a cell: facts that its dialog shows, and the commands that measure it."""

from typing import Any

from reports.remedies import remedy, repeat
from reports.tables.layouts import column_of, layouts
from reports.tables.text import difference, number, printed, where
from reports.tables.verdicts import JudgedCell, in_our_favour
from semanir.plan.cells import COUNTED

OTHER_METRICS = {
    "ssim_matlab": "SSIM matlab",
    "ssim_zero_padded": "SSIM zero-padded",
    "ssim_matlab_3d": "SSIM matlab 3-D (of an RGB array)",
    "psnr_rgb": "PSNR on RGB",
    "psnr_tiled": "PSNR in tiles",
    "psnr_self_ensemble": "PSNR of the mean over eight positions",
    "psnr_grey_full_range": "PSNR, grey photographs on 0 to 255 (MATLAB scripts)",
    "psnr_transweather_legacy": "PSNR by TransWeather's own code (known bug)",
}
INTERVAL = "95 % interval over photographs"
COMMANDS = ("measured by", "as printed by")


def provenance(judged: JudgedCell, ends: tuple[float, float] | None) -> str:
    """Its name, then a fact a line, "name: value"."""
    cell = judged.cell
    unit = f" {cell.unit}" if cell.unit else ""
    shown: dict[str, Any] = {}
    if printed(judged):
        shown["printed"] = f"{printed(judged)}{unit} ({cell.source})"
    if judged.measured is not None:
        shown |= _measurement(judged, ends, unit)
    shown |= {"verdict": judged.verdict, "reason": judged.reason or None}
    shown["also measured"] = "; ".join(map(_in_short, judged.others)) or None
    if judged.near:
        shown["on other photographs"] = _in_short(judged.near)
    needed = remedy(judged)
    shown |= dict(zip(COMMANDS, (repeat(judged), needed.command() if needed else ""), strict=True))
    name = cell.method if "places" in layouts()[cell.table] else cell.row
    lines = [f"{name}, {' '.join(filter(None, column_of(cell)))}"]
    lines += [f"{name}: {value}" for name, value in shown.items() if value]
    # a line break in a machine's name would read as another fact
    return "\n".join(" ".join(line.split()) for line in lines)


def _measurement(judged: JudgedCell, ends: tuple[float, float] | None, unit: str) -> dict[str, Any]:
    facts = judged.facts
    moved = (
        "other photographs of the kind would move the mean so far; another training is not in it"
    )
    return {
        "measured": f"{judged.measured:.6g}{unit}",
        "difference": f"{difference(judged)}{unit}{_share(judged)}" if difference(judged) else None,
        INTERVAL: f"{ends[0]:.6g} to {ends[1]:.6g}{unit} ({moved})" if ends else None,
        "scale": judged.scale,
        "on": f"{facts.get('dataset')}, {facts.get('images', 0):.0f} images"
        if "dataset" in facts
        else None,
        "protocol": facts.get("protocol"),
        **{name: _score(judged, metric) for metric, name in OTHER_METRICS.items()},
        "network": _network(facts),
        "seeds": str(facts["seeds"]),
        "spread over seeds": f"{judged.spread:.3g} (standard deviation)" if judged.spread else None,
        "machine": ", ".join(
            str(facts[key]) for key in ("machine", "instruction_set") if key in facts
        ),
        "made": f"with the project, {judged.machine}" if judged.machine else "here",
        "commit": f"{facts.get('commit')}, source {facts.get('source')}",
        "records" if len(facts["records"]) > 1 else "record": "; ".join(facts["records"]),
    }


def _share(judged: JudgedCell) -> str:
    """Of a count the difference in percent, and whether that is in SemanIR's favour.

    One that differs may do so in its last digit alone.
    """
    if judged.cell.metric not in COUNTED or judged.difference is None:
        return ""
    favour = ", in SemanIR's favour" if in_our_favour(judged) else ""
    return f" ({100 * judged.difference / float(judged.cell.value):+.2f} %{favour})"


def _in_short(judged: JudgedCell) -> str:
    set_name = f" on {judged.facts['dataset']}" if "dataset" in judged.facts else ""
    return f"{number(judged)}{set_name} ({where(judged)})"


def _network(facts: dict[str, Any]) -> str | None:
    if not facts.get("network"):
        return None
    k = f", k={facts['k']:.0f}" if "k" in facts else ""
    return f"{facts['network']}, {facts['parameters']:,.0f} parameters{k}"


def _score(judged: JudgedCell, name: str) -> str | None:
    decimals = 2 if name.startswith("psnr") else 4
    return f"{judged.scores[name]:.{decimals}f}" if name in judged.scores else None
