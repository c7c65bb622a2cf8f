"""A copy of the project with the smallest workflow that goes through every stage.

Two archives from a mirror, one network of a few iterations, two tables, claims, an accepted file.
"""

import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from checkout import REPOSITORY, copy_of_repository
from PIL import Image

TABLES = ("table02", "table11")
PAGES = (*(f"reports/{table}.html" for table in TABLES), "reports/claims.html")
RESULTS = "results/smoke/results.csv"
ACCEPTED = "reports/accepted/smoke.csv"
TRAINING = "results/smoke/train/deblur-motion/semanir-u/seed0"

# set: its role, how many photographs of data_prep/embedded/, side
SETS = {
    "ponds": ("train", "train_rgb/[lsw]*_[01].png", 64),
    "lakes": ("test", "test_rgb/c*.png", 112),
}
RECIPE = {"datasets": ["ponds"], "holdout": "wine", "iterations": 12, "batch": 1, "patch": 32}
RECIPE |= {"validate_every": 6, "save_every": 3, "log_every": 1}


def command(cores: int = 2) -> str:
    """What is typed, and typed again after a kill."""
    return (
        f"snakemake --cores {cores} {' '.join(PAGES)} --config mirror=mirror"
        f" && semanir gate accept --scale smoke --results {RESULTS}"
    )


def micro(folder: Path) -> Path:
    """The copy, in which nothing has been made yet."""
    copy_of_repository(folder)
    for committed in [*(folder / "semanir/weights").glob("*"), *_accepted(folder)]:
        committed.unlink()
    entries = "".join(_set(folder, name) for name in SETS)
    with (folder / "data_prep/datasets.yaml").open("a", encoding="utf-8") as file:
        file.write(entries)
    tables_alone(folder, TABLES)
    with _entries(folder / "semanir/plan/scales.yaml") as scales:
        smoke = scales["smoke"]
        smoke |= {
            "ablations": [],
            "workers": 1,
            "stand_in": smoke["stand_in"] | {"deblur": "lakes"},
        }
        smoke |= {"recipe": smoke["recipe"] | RECIPE, "recipes": {}}
    return folder


def tables_alone(folder: Path, names: Collection[str]) -> Path:
    """The copy, whose workflow makes no other tables unless they are asked for by name."""
    with _entries(folder / "reports/tables/layouts.yaml") as layouts:
        for name, layout in layouts.items():
            layout["on_demand"] = name not in names
    return folder


@contextmanager
def _entries(path: Path) -> Iterator[dict[str, Any]]:
    """The entries of a YAML file of the copy; written again as the block leaves them."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    yield entries
    path.write_text(yaml.safe_dump(entries, sort_keys=False), encoding="utf-8")


def _accepted(folder: Path) -> list[Path]:
    return [path for path in (folder / "reports/accepted").glob("*") if path.is_file()]


def _set(folder: Path, name: str) -> str:
    """An archive in the mirror of the copy, and the entry of datasets.yaml that asks for it."""
    role, pattern, side = SETS[name]
    place = folder / f"mirror/example.org/{name}.zip"
    place.parent.mkdir(parents=True, exist_ok=True)
    photographs = sorted((REPOSITORY / "data_prep/embedded").glob(pattern))
    with zipfile.ZipFile(place, "w") as archive:
        for path in photographs:
            with Image.open(path) as image, archive.open(f"{name}/{path.name}", "w") as file:
                image.crop((0, 0, side, side)).save(file, "PNG")
    entry = {"role": role, "scales": ["smoke"], "channels": 3, "images": len(photographs)}
    entry |= {"megapixels": round(side * side / 1e6, 3), "licence": "CC0", "citation": "none"}
    urls = {"urls": [f"https://example.org/{name}.zip"], "about_bytes": 100000}
    entry["sources"] = [{"archives": {f"{name}.zip": urls}}]
    return "\n" + yaml.safe_dump({name: entry}, sort_keys=False)
