"""What stands around every page: the links of the site, how to cite, and which code rendered it."""

from functools import cache
from pathlib import Path
from typing import Any

from reports.tables.layouts import default_tables, layouts, table_name
from semanir.files import read_yaml
from semanir.paths import ROOT
from semanir.plan.record import provenance

DATA_FILES: tuple[str, ...] = ("../../CITATION.cff",)


def navigation(page: Path) -> dict[str, Any]:
    """pages: file -> label; tables: file -> (number, title). That of speed where it was made.

    page: the file that has the links, which lies beside the others.
    """
    tables = default_tables()
    speed = page.with_name("speed.html")
    return {
        "pages": {
            "claims.html": "Claims",
            "ablations.html": "Ablations",
            "visual.html": "Pictures",
            "figure04.html": "Figure 4",
            **({speed.name: "Speed"} if page == speed or speed.exists() else {}),
        },
        "tables": {
            f"{table}.html": (table_name(table).removeprefix("Table "), layouts()[table]["title"])
            for table in tables
        },
    }


@cache
def citation() -> str:
    """The paper and this software as BibTeX, from CITATION.cff."""
    software = read_yaml(ROOT / "CITATION.cff")
    paper = software["preferred-citation"]
    entries = (
        ("inproceedings{semanir", paper, {"booktitle": paper["collection-title"]}),
        ("software{semanir_reproduced", software, {"version": software["version"]}),
    )
    return "\n".join(_bibtex(*entry) for entry in entries)


def _bibtex(key: str, entry: dict[str, Any], more: dict[str, Any]) -> str:
    # a name in braces has no parts
    names = [
        f"{{{one['name']}}}" if "name" in one else f"{one['family-names']}, {one['given-names']}"
        for one in entry["authors"]
    ]
    fields = {"author": " and ".join(names), "title": entry["title"], **more}
    fields |= {"year": entry["year"]} if "year" in entry else {}
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items()]
    return f"@{key},\n" + ",\n".join(lines) + "\n}"


@cache
def rendered_by() -> dict[str, str]:
    """commit and source hash of the code that renders pages."""
    made = provenance("pages")
    return {name: made[name] for name in ("commit", "source")}
