"""The registry: where photographs come from (datasets.yaml) and the prepared sets made of them."""

import csv
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema

from semanir import paths
from semanir.errors import InputError
from semanir.files import read_yaml
from semanir.names import known_name

HERE = Path(__file__).parent
RAW = Path(paths.RAW).parents[1]  # data/raw, a folder an entry
IMAGES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class PreparedSet:
    """One folder data/sets/<name>/; fields as in datasets.yaml.

    raw: the entry whose files it is made of; pairs: rules of data_prep.real_pairs, none for a set
    of clean photographs alone; megapixels: of one photograph, on average.
    """

    name: str
    raw: str
    role: str
    channels: int
    images: int
    megapixels: float = 0.25
    files: tuple[str, ...] = ("**/*",)
    pairs: tuple[dict[str, Any], ...] = ()
    crop: str = ""
    resize: str = ""
    from_16_bits: str = ""


@dataclass(frozen=True)
class Remote:
    """A file to fetch: where it goes below the entry's folder, its addresses, bytes and SHA-256."""

    path: str
    urls: tuple[str, ...]
    bytes: int | None = None
    sha256: str | None = None


@cache
def datasets() -> dict[str, dict[str, Any]]:
    """All entries by name. Raises InputError that names the entry and the field that is wrong."""
    # not one of DATA_FILES: jobs get the definition of their set as a parameter of Snakemake, and
    # downloads are held against their sums
    entries = read_yaml(HERE / "datasets.yaml")
    schema = read_yaml(HERE / "datasets.schema.yaml")
    problem = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(schema).iter_errors(entries)
    )
    if problem is not None:
        place = ".".join(map(str, problem.absolute_path))
        raise InputError(f"datasets.yaml, {place or 'top level'}: {problem.message}")
    return entries


@cache
def prepared_sets() -> dict[str, PreparedSet]:
    """All prepared sets by name; an entry without `sets` is one set of its own name."""
    sets = {}
    for name, entry in datasets().items():
        default = {name: {"images": entry["images"]}}
        for set_name, fields in entry.get("sets", default).items():
            options = {key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()}
            base = {key: entry[key] for key in ("role", "channels", "megapixels") if key in entry}
            if set_name in sets:
                raise InputError(f"datasets.yaml: two sets are called {set_name}")
            sets[set_name] = PreparedSet(set_name, entry.get("from", name), **(base | options))
    return sets


def get_set(name: str) -> PreparedSet:
    """Prepared set by name; UnknownNameError names the nearest valid ones."""
    return prepared_sets()[known_name(name, prepared_sets(), "dataset")]


def entry_of(set_name: str) -> str:
    """The entry of datasets.yaml that a prepared set belongs to."""
    get_set(set_name)
    return next(
        name for name, entry in datasets().items() if set_name in entry.get("sets", {name: None})
    )


def in_scale(set_name: str, scale: str) -> bool:
    """Whether datasets.yaml says that a scale uses the set."""
    return scale in datasets()[entry_of(set_name)]["scales"]


def share_photographs(one: str, other: str) -> bool:
    """Whether two prepared sets have photographs in common, whole or in crops, by datasets.yaml.

    Another publisher's copies are not known here: CBSD68 and BSD100 are part of bsds500_val.
    """
    whole = [datasets()[entry_of(name)].get("crops_of", name) for name in (one, other)]
    first, second = map(get_set, whole)
    if first.raw != second.raw:
        return False
    if first.pairs or second.pairs:
        return first.pairs == second.pairs
    return any(fnmatch(a, b) or fnmatch(b, a) for a in first.files for b in second.files)


def downloads(scale: str) -> list[str]:
    """The entries that have to be fetched for a scale, in the order of datasets.yaml."""
    named = dict.fromkeys(name for entry in datasets().values() for name in entry["scales"])
    known_name(scale, named, "scale")
    return [
        name
        for name, entry in datasets().items()
        if scale in entry["scales"] and "sources" in entry
    ]


def remote_files(source: dict[str, Any]) -> list[Remote]:
    """What one source of an entry consists of; empty where a person has to get it."""
    files = []
    for folder, manifest in source.get("manifests", {}).items():
        path = HERE / "manifests" / f"{manifest}.tsv"
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file, delimiter="\t"):
                name = unquote(line["url"].rpartition("/")[2])
                further = [address.format(name=name) for address in source.get("also", [])]
                place = f"{folder}/{name}" if folder else name
                urls = (line["url"], *further)
                files.append(Remote(place, urls, int(line["bytes"]), line["sha256"]))
    for name, archive in source.get("archives", {}).items():
        urls = tuple(archive["urls"])
        files.append(Remote(name, urls, archive.get("bytes"), archive.get("sha256")))
    return files
