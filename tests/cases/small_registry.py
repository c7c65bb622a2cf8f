"""A registry of small datasets of each kind of source, and a mirror that a test fills."""

import io
import zipfile
from contextlib import contextmanager
from hashlib import sha256

from photographs import pixels, png_bytes

import data_prep.datasets as registry

HOST = "photographs.invalid"  # never resolves: whatever is not in the mirror fails at once
PHOTOGRAPHS = {f"{name}.png": png_bytes(pixels(24, 20, 3, seed=ord(name))) for name in "ab"}


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"photos/{name}", data)
    return out.getvalue()


def sha(data):
    return sha256(data).hexdigest()


ARCHIVE = zipped(PHOTOGRAPHS)
ENTRY = {"role": "test", "scales": ["mini"], "channels": 3, "images": 2}
ENTRY |= {"licence": "CC0", "citation": "nobody"}
LISTED = {"manifests": {"": "listed"}, "also": [f"https://{HOST}/second/{{name}}"]}
DATASETS = {
    "listed": {"sources": [LISTED]},
    "packed": {"sources": [{"packed.zip": sha(ARCHIVE)}]},
    "unsummed": {"sources": [{"u.zip": None}]},
    "either": {"sources": [{"gone.zip": "0" * 64}, LISTED]},
    "asked": {"sources": [{"by_hand": f"ask nobody@{HOST} and put a.png, b.png"}]},
    "derived": {"from": "listed", "sets": {"one": {"images": 1, "files": ["a.png"]}}},
}


def entry(sources=None, **fields):
    made = []
    for source in sources or []:
        ((name, digest), *_) = source.items()
        if name.endswith(".zip"):
            archive = {"urls": [f"https://{HOST}/{name}"]} | ({"sha256": digest} if digest else {})
            source = {"archives": {name: archive}}
        made.append(source)
    return ENTRY | ({"sources": made} if made else {}) | fields


@contextmanager
def small_registry(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEMANIR_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setattr("data_prep.fetch.ATTEMPTS", 1)
    manifests = tmp_path / "package/manifests"
    manifests.mkdir(parents=True)
    facts = [(name, len(data), sha(data)) for name, data in PHOTOGRAPHS.items()]
    lines = [f"https://{HOST}/list/{name}\t{size}\t{digest}" for name, size, digest in facts]
    (manifests / "listed.tsv").write_text("\n".join(["url\tbytes\tsha256", *lines]) + "\n")
    entries = {name: entry(**fields) for name, fields in DATASETS.items()}
    for module in ("datasets", "download", "inventory", "prepare"):
        monkeypatch.setattr(f"data_prep.{module}.datasets", lambda: entries)
    monkeypatch.setattr(registry, "HERE", tmp_path / "package")
    registry.prepared_sets.cache_clear()
    yield tmp_path
    registry.prepared_sets.cache_clear()


def serve(place, path, data):
    file = place / "mirror" / HOST / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
