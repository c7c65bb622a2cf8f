"""The registry of datasets, and prepared sets on disk.

A prepared set is data/sets/<dataset>/ with one PNG per photograph and an index.json that lists
every file with its SHA-256; the index is written last, so a set without one is not finished.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from data_prep.errors import InputError
from data_prep.files import replacing, sha256, write_json
from data_prep.images import read_image
from data_prep.names import pick

HERE = Path(__file__).parent


@cache
def datasets() -> dict[str, dict[str, Any]]:
    return yaml.safe_load((HERE / "datasets.yaml").read_text(encoding="utf-8"))


def prepare(dataset: str, out: Path) -> None:
    """Verify every source file of a dataset against its manifest, decode it, and copy it to `out`.

    Raises InputError that names the file on a wrong hash, a corrupt image or a missing one.
    """
    entry = datasets()[pick(dataset, datasets(), "dataset")]
    manifest = json.loads((HERE / entry["manifest"]).read_text(encoding="utf-8"))
    base = (HERE / entry["manifest"]).parent
    folder = Path(entry["folder"]).name
    sources = [file for file in manifest["files"] if Path(file["path"]).parent.name == folder]
    if len(sources) != entry["images"]:
        raise InputError(f"{dataset}: manifest lists {len(sources)} images, not {entry['images']}")

    index = []
    for source in sorted(sources, key=lambda file: file["path"]):
        path = base / source["path"]
        if not path.is_file():
            raise InputError(f"{dataset}: missing {path}; restore it with git checkout")
        if sha256(path) != source["sha256"]:
            raise InputError(f"{dataset}: {path} is not the file of the manifest (SHA-256 differs)")
        image = read_image(path)
        with replacing(out / path.name) as partial:
            partial.write_bytes(path.read_bytes())
        index.append({"file": path.name, "sha256": source["sha256"], "shape": list(image.shape)})
    write_json(out / "index.json", index)


def load_index(folder: Path) -> list[dict[str, Any]]:
    """The entries of a prepared or degraded set, every file present and unchanged.

    Raises InputError that names the first file that is missing or whose SHA-256 differs.
    """
    index = folder / "index.json"
    if not index.is_file():
        raise InputError(f"{folder} is not a prepared set: no index.json; run snakemake to make it")
    try:
        entries: list[dict[str, Any]] = json.loads(index.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"broken {index}: {error}; delete it and run snakemake again") from None
    for entry in entries:
        path = folder / entry["file"]
        if not path.is_file():
            raise InputError(f"missing file {path}; delete {index} and run snakemake again")
        if sha256(path) != entry["sha256"]:
            raise InputError(
                f"{path} changed since it was prepared (SHA-256 differs); "
                f"delete {folder} and run snakemake again"
            )
    return entries
