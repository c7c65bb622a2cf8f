"""Prepared sets: data/sets/<set>/, one PNG a photograph, all of the same number of channels.

index.json lists every file with its SHA-256; it is written last, so a set without one is not
finished.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_prep.datasets import HERE, RAW, PreparedSet, datasets, get_set
from data_prep.images import read_image, write_image
from data_prep.pictures import is_plain_png
from data_prep.raw_files import images_below, load_listing
from data_prep.real_pairs import find_pairs, flat_name, resize_as_transweather
from semanir.errors import InputError, remake
from semanir.files import read_json, read_list, replacing, sha256, write_json

DATA_FILES: tuple[str, ...] = ("embedded/MANIFEST.json",)  # part of this module's source hash


def prepare(name: str, out: Path, raw: Path = RAW) -> None:
    """Verify every source file of a set, decode it and write it to `out`.

    Raises InputError that names the file on a wrong hash, a corrupt image or a missing one.
    """
    prepared = get_set(name)
    sources = clean_files(prepared, raw)
    index = []
    for target, path in tqdm(sources.items(), desc=f"prepare {name}", unit="image", delay=10):
        decoded = read_image(path, prepared.from_16_bits)
        image = convert(decoded, prepared)
        if image is decoded and is_plain_png(path):
            with replacing(out / target) as partial:
                partial.write_bytes(path.read_bytes())
        else:
            write_image(out / target, image)
        facts: dict[str, Any] = {"sha256": sha256(out / target), "shape": list(image.shape)}
        if decoded.ndim < image.ndim:
            facts["grey"] = True  # the file was; the set is in colour
        index.append({"file": target, **facts})
    write_json(out / "index.json", index)


def clean_files(prepared: PreparedSet, raw: Path = RAW) -> dict[str, Path]:
    """Name in the prepared set -> verified source file, sorted by name."""
    if "folder" in datasets()[prepared.raw]:
        return _embedded_files(prepared)
    folder = raw / prepared.raw
    listed = set(load_listing(folder).values())
    if prepared.pairs:
        sources = [clean for _, clean in pairs_of(prepared, raw)]
    else:
        sources = [path for path in images_below(folder, prepared.files) if path in listed]
    files = {f"{Path(flat_name(path.relative_to(folder))).stem}.png": path for path in sources}
    if not prepared.pairs and len(files) != prepared.images:
        raise InputError(
            f"{prepared.name}: {len(files)} images of different names in {folder}, "
            f"{prepared.images} belong to it"
        )
    return dict(sorted(files.items()))


def pairs_of(prepared: PreparedSet, raw: Path = RAW) -> list[tuple[Path, Path]]:
    """The real (degraded, clean) files of a paired set, none for the others."""
    if not prepared.pairs:
        return []
    return find_pairs(raw / prepared.raw, prepared.pairs, prepared.name, prepared.images)


def convert(image: NDArray[np.uint8], prepared: PreparedSet) -> NDArray[np.uint8]:
    """A decoded photograph [H,W] or [H,W,3] with the channels, crop and size of the set.

    The very same array where nothing changes.
    """
    if prepared.channels == 3 and image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    if prepared.crop == "kodak24":
        image = crop_kodak24(image)
    if prepared.resize == "transweather":
        image = resize_as_transweather(image)
    return image


def crop_kodak24(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The 500x500 part of a 768x512 Kodak photograph that denoising papers score (FFDNet).

    x=134, y=6 of landscape photographs, x=6, y=134 of portrait ones.
    """
    if sorted(image.shape[:2]) != [512, 768]:
        raise InputError(f"a Kodak photograph is 768x512, got {image.shape[1]}x{image.shape[0]}")
    top, left = (6, 134) if image.shape[1] == 768 else (134, 6)
    return image[top : top + 500, left : left + 500]


def load_index(folder: Path, **fields: type) -> list[dict[str, Any]]:
    """The entries of a prepared or degraded set, every file present and unchanged.

    fields: what each has to say beside its file and SHA-256. Raises InputError that names the first
    file that is missing or whose SHA-256 differs.
    """
    index = folder / "index.json"
    if not index.is_file():
        raise InputError(f"{folder} is not a prepared set: no index.json; run snakemake to make it")
    entries = read_list(index, {"file": str, "sha256": str, **fields}, remake(index))
    for entry in entries:
        path = folder / entry["file"]
        if not path.is_file():
            raise InputError(f"missing file {path}; {remake(index)}")
        if sha256(path) != entry["sha256"]:
            raise InputError(
                f"{path} changed since it was prepared (SHA-256 differs); {remake(index)}"
            )
    return entries


def _embedded_files(prepared: PreparedSet) -> dict[str, Path]:
    """The committed photographs of a set, each held against embedded/MANIFEST.json."""
    folder = HERE / datasets()[prepared.raw]["folder"]
    remedy = "restore it with git checkout"
    manifest = read_json(HERE / DATA_FILES[0], dict, remedy)
    listed = [file for file in manifest["files"] if Path(file["path"]).parent.name == folder.name]
    if len(listed) != prepared.images:
        raise InputError(
            f"{prepared.name}: manifest lists {len(listed)} images, not {prepared.images}"
        )
    files = {}
    for file in sorted(listed, key=lambda file: file["path"]):
        path = folder.parent / file["path"]
        if not path.is_file():
            raise InputError(f"{prepared.name}: missing {path}; {remedy}")
        if sha256(path) != file["sha256"]:
            raise InputError(
                f"{prepared.name}: {path} is not the file of the manifest (SHA-256 differs)"
            )
        files[path.name] = path
    return files
