"""The page of speed: bars against dense attention, share of the peak, growth, of every machine.

Written are speed.html, speed.csv (every number of its figures) and growth.svg, of the first
machine that has it.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from reports import collect
from reports.figures import plots, speed
from reports.pages.template import write_page
from semanir.errors import InputError, remake
from semanir.files import replacing, visible, write_text
from semanir.plan.record import read_record

KINDS = ("bench", "growth")
Record = dict[str, Any]


class Machine(NamedTuple):
    """What was measured on one machine; of what a record does not say the text is empty."""

    name: str
    device: str
    instruction_set: str
    threads: str
    commit: str
    date: str
    bench: Record | None
    growth: Record | None


def machine(name: str, bench: Record | None, growth: Record | None) -> Machine:
    """name: what it is called; behind it the processor that its records name, if any."""
    records = [record for record in (bench, growth) if record]
    made: Record = {}
    for record in reversed(records):
        made |= record.get("provenance", {})
    said = records[0]
    on_cpu = said.get("device", "cpu") == "cpu"
    return Machine(
        name=f"{name} ({made['machine']})" if "machine" in made else name,
        device="CPU" if on_cpu else str(said["device"]),
        instruction_set=str(said.get("instructions", "")),
        threads=str(said.get("threads", "")),
        commit=made.get("commit", ""),
        date=made.get("created", "")[:10],
        bench=bench,
        growth=growth,
    )


def accepted() -> list[Machine]:
    """Machines whose records come with the project: NAME-bench.json and NAME-growth.json.

    They are records, or what `semanir bench --json` prints. Raises InputError for a broken one.
    """
    found: dict[str, dict[str, Record]] = {}
    for kind in KINDS:
        for path in visible(collect.EVIDENCE.glob(f"*-{kind}.json")):
            name = path.name.removesuffix(f"-{kind}.json")
            found.setdefault(name, {})[kind] = _read(path)
    return [
        machine(name, records.get("bench"), records.get("growth"))
        for name, records in sorted(found.items())
    ]


def _read(path: Path) -> Record:
    try:
        read: Record = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"broken record {path}: {error}; {remake(path)}") from None
    return read


def render(bench: Path | None, growth: Path | None, out: Path) -> list[Machine]:
    """Write the page of this machine's records, where there are any, and of accepted ones.

    Raises InputError for a record that is broken or lacks what is shown, and without any at all.
    """
    own = [read_record(path) if path else None for path in (bench, growth)]
    machines = ([machine("this machine", own[0], own[1])] if any(own) else []) + accepted()
    if not machines:
        raise InputError("no record of any machine; semanir bench --scale SCALE writes one")
    try:
        parts = [part(one, number) for number, one in enumerate(machines)]
        table = pd.DataFrame([row for one in machines for row in rows(one)])
    except (LookupError, TypeError) as error:
        raise InputError(
            f"a record of speed is not whole: {type(error).__name__} {error}; "
            "semanir bench writes whole ones"
        ) from None
    with replacing(out / "speed.csv") as partial:
        table.to_csv(partial, index=False)
    grown = next((shown["pictures"] for shown in parts if shown["pictures"]), "")
    svg = grown or plots.message("Growth was not measured")
    write_text(out / "growth.svg", plots.alone(svg))
    write_page(
        out / "speed.html",
        "speed.html.j2",
        parts=parts,
        here=any(own),
        linear=round(100 * speed.LINEAR),
    )
    return machines


def part(one: Machine, number: int) -> dict[str, Any]:
    """What the template shows of a machine: itself and its figures, "" where it has no numbers.

    number: of the machine on the page; titles of figures differ by it.
    """
    of = f"{one.name}, {one.device}" + (f" ({number + 1})" if number else "")
    shown: dict[str, Any] = {"machine": one, "faster": "", "share": ""}
    shown |= {"pictures": "", "layers": "", "lines": []}
    if one.bench:
        faster = {what: speed.times_faster(one.bench, what) for what in speed.WHAT}
        share = {what: speed.shares(one.bench, what) for what in speed.WHAT}
        title = _plain(f"Times faster than dense window attention, {of}")
        shown["faster"] = speed.bars(faster, title, "times faster than dense", base=1)
        shown["share"] = speed.bars(share, _plain(f"Share of the peak, {of}"), "share of the peak")
    if one.growth:
        shown["pictures"] = speed.pictures(one.growth, _plain(f"Growth with the picture, {of}"))
        shown["layers"] = speed.layers(one.growth, _plain(f"Growth of a layer, {of}"))
        shown["lines"] = [
            row | {"linear": abs(row["time_ratio"] - 1) <= speed.LINEAR}
            for row in one.growth["pictures"]
        ]
    return shown


def _plain(title: str) -> str:
    """A title that an attribute of HTML can hold."""
    return title.translate(str.maketrans("", "", "<>&\"'"))


def rows(one: Machine) -> Iterator[dict[str, Any]]:
    """Every number of a machine's figures: facts of the machine, figure, case, system, value."""
    facts = {name: getattr(one, name) for name in Machine._fields if name not in KINDS}

    def line(figure: str, case: str, system: str, value: float) -> dict[str, Any]:
        return facts | {"figure": figure, "case": case, "system": system, "value": value}

    if one.bench:
        for what, called in speed.WHAT.items():
            for figure, values in (
                ("times faster than dense", speed.times_faster(one.bench, what)),
                ("share of the peak", speed.shares(one.bench, what)),
            ):
                for case, group in values.items():
                    for system, value in group.items():
                        yield line(f"{figure}, {called}", case, system, value)
    if one.growth:
        network = one.growth["network"]
        for row in one.growth["pictures"]:
            for name in ("seconds", "time_ratio", "bytes", "memory_ratio"):
                if row[name] is not None:
                    yield line(f"restoring, {name}", f"{row['megapixels']} MP", network, row[name])
        for sweep, settings in speed.sweeps(one.growth).items():
            for setting in settings:
                yield from _ratios(line, sweep, setting)


def _ratios(line: Any, sweep: str, setting: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    case = f"{speed.SIZES[sweep]}={setting['size']}"
    for name in ("time", "formula", "counted"):
        for form, value in setting[name].items():
            yield line(f"layer over {sweep}, {name} against the first", case, form, value)


def summary(machines: list[Machine]) -> str:
    """The machines of the page, a line each."""
    return "\n".join(
        f"{one.name}, {one.device}: "
        + " and ".join(kind for kind in KINDS if getattr(one, kind) is not None)
        for one in machines
    )
