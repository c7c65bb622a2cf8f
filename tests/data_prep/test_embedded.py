"""The embedded photographs: what the manifest and ATTRIBUTION.md say is what lies in the folder."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep.datasets import HERE

EMBEDDED = HERE / "embedded"
MANIFEST = json.loads((EMBEDDED / "MANIFEST.json").read_text(encoding="utf-8"))
FILES = {file["path"]: file for file in MANIFEST["files"]}
SOURCES = {source["id"]: source for source in MANIFEST["sources"]}
# folder: photographs, side, Pillow's mode, use of their sources
FOLDERS = {
    "train_rgb": (35, 160, "RGB", "train"),
    "test_rgb": (8, 192, "RGB", "test"),
    "test_gray": (4, 192, "L", "test"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_the_one_of_the_manifest(name):
    listed, path = FILES[name], EMBEDDED / name
    data = path.read_bytes()
    assert len(data) == listed["bytes"]
    assert hashlib.sha256(data).hexdigest() == listed["sha256"]
    _, side, mode, _ = FOLDERS[path.parent.name]
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == ("PNG", mode, (side, side))
        pixels = np.asarray(image)
    assert pixels.dtype == np.uint8
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == listed["pixels_sha256"]
    assert listed["crop_xywh"][2:] == [side, side]


def test_the_folder_holds_nothing_else():
    found = {p.relative_to(EMBEDDED).as_posix() for p in EMBEDDED.rglob("*") if p.is_file()}
    assert found == {*FILES, "MANIFEST.json", "ATTRIBUTION.md"}
    assert len(FILES) == len({file["pixels_sha256"] for file in FILES.values()}) == 47


def test_training_and_test_photographs_come_from_disjoint_sources():
    used = {use: set() for use in ("train", "test")}
    for name, file in FILES.items():
        use = FOLDERS[Path(name).parent.name][3]
        used[use].add(file["source"])
        assert SOURCES[file["source"]]["use"].startswith(use), name
    assert not used["train"] & used["test"]
    assert used["train"] | used["test"] == SOURCES.keys()
    assert (len(used["train"]), len(used["test"])) == (7, 12)
    for identity in ("sha256", "file"):
        assert len({source[identity] for source in SOURCES.values()}) == 19


def test_attribution_names_every_source_with_author_licence_and_change():
    text = (EMBEDDED / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert re.search(r"reduced and cropped\*{0,2}\s+from the source", text)
    lines = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in lines[1:]]
    assert [row[0] for row in rows] == [source["id"] for source in MANIFEST["sources"]]
    for name, files, author, licence, package, changes in rows:
        source = SOURCES[name]
        assert author == source["author"]
        assert re.match(r"CC0|CC-BY-[24]\.0$|public domain", source["licence"])
        if source["licence"].startswith("CC"):
            assert licence.startswith(f"[{source['licence']}](https://creativecommons.org/")
        else:
            assert licence == source["licence"]
        assert source["file"] in package and source["package"].partition(":")[2] in package
        crops = [file for file in MANIFEST["files"] if file["source"] == name]
        scale = crops[0]["scale"]
        assert changes == ("cropped" if scale == "1/1" else f"reduced to {scale} and cropped")
        assert files.replace("0..4", "0") == crops[0]["path"]
