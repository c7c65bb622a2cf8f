"""What lies in a folder of raw files, data/raw/<entry>/; imports nothing that downloads."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from data_prep.datasets import IMAGES
from semanir.errors import InputError
from semanir.files import is_hidden, read_list, sha256


def load_listing(folder: Path) -> dict[str, Path]:
    """The raw files of an entry, name -> path, every file present and unchanged.

    Raises InputError that names the first file that is missing or whose SHA-256 differs.
    """
    listing = folder / "files.json"
    remedy = f"delete {listing} and run semanir data download {folder.name}"
    try:
        entries = read_list(listing, {"file": str, "bytes": int, "sha256": str}, remedy)
    except FileNotFoundError:
        raise InputError(
            f"{folder.name} is not downloaded: run semanir data download {folder.name}"
        ) from None
    files = {}
    for entry in tqdm(entries, desc=f"verify {folder.name}", unit="file", delay=10):
        path = folder / entry["file"]
        if not path.is_file():
            raise InputError(f"missing file {path}; {remedy}")
        if path.stat().st_size != entry["bytes"] or sha256(path) != entry["sha256"]:
            raise InputError(f"{path} changed since it was downloaded (SHA-256 differs); {remedy}")
        files[entry["file"]] = path
    return files


def images_below(folder: Path, globs: Sequence[str] = ("**/*",)) -> list[Path]:
    """Image files below a folder that one of the globs names, sorted, without hidden ones."""
    paths = {
        path
        for pattern in globs
        for path in folder.glob(pattern)
        if path.suffix.lower() in IMAGES and path.is_file()
    }
    return sorted(path for path in paths if not any(map(is_hidden, path.relative_to(folder).parts)))
