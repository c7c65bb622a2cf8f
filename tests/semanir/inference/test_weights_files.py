"""Weights files: they rebuild their network, and what is passed for one is named for what it is."""

import json
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from restorable import make, photograph
from safetensors.torch import save

from semanir.errors import InputError
from semanir.inference import checkpoint
from semanir.inference.restore import restore
from semanir.inference.shipped import facts
from semanir.network import build
from semanir.network.config import configure, to_dict


def one_tensor(**metadata):
    """A safetensors file of one tensor."""
    return save({"a": torch.zeros(3)}, metadata or {"format": "pt"})


SMALL_S = ("semanir-s-tiny", {"upscale": 3, "window": 4, "k": 5})
SMALL_U = {"layout": "U1", "channels": 1, "window": 16, "attention": "cosine"}


@pytest.mark.parametrize(("name", "options"), [SMALL_S, ("semanir-u-tiny", SMALL_U)])
def test_weights_file_rebuilds_the_network(tmp_path, name, options):
    """Files of equal networks are equal: their SHA-256 goes on record."""
    network, files = make(name, **options).float(), []
    for index in range(6):
        files.append(tmp_path / "new" / f"{index}.safetensors")
        checkpoint.save(files[-1], network, task="sr-x3", fingerprint="b", more="c")
    assert len({path.read_bytes() for path in files}) == 1
    again = checkpoint.load(files[0])
    assert again.config == network.config and again.config.window == options["window"]
    assert not again.training
    assert all(map(torch.equal, again.state_dict().values(), network.state_dict().values()))
    degraded = photograph(21, 18, options.get("channels", 3))
    np.testing.assert_array_equal(restore(again, degraded), restore(network, degraded))


def test_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "weights.safetensors"
    checkpoint.save(path, build("semanir-u-tiny"))
    before = path.read_bytes()

    def fail(partial, data):
        with partial.open("wb") as file:
            file.write(data[:100])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(path, build("semanir-u-tiny"))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["weights.safetensors"]


WHOLE = one_tensor(semanir="{}")
HEADER = len(WHOLE) - 12  # bytes before those of the tensor
SMALL = json.dumps({"config": to_dict(configure("semanir-u-tiny"))})
UNREADABLE = {
    "missing": (lambda path: None, "no such weights"),
    "folder": (lambda path: path.mkdir(), "is a folder; name a file"),
    "pipe": (os.mkfifo, "a device or pipe"),
    "empty": (b"", "is empty"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    "checkpoint": (lambda path: torch.save({"params_ema": {}}, path), "a checkpoint of PyTorch"),
    "old checkpoint": (pickle.dumps({"a": 1}), "a checkpoint of PyTorch (pickle)"),
    "page": (b"\n<!DOCTYPE html><html>", "a web page"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "an HDF5 file"),
    "MATLAB": (b"MATLAB 7.3 MAT-file" + bytes(200), "a file of MATLAB"),
    "text": (b"not weights at all" * 9, "is no safetensors file"),
    "short": (b"abc", "is no safetensors file"),
    "cut in the header": (WHOLE[:30], f"30 bytes where {HEADER} belong"),
    "cut by a byte": (WHOLE[:-1], f"{len(WHOLE) - 1} bytes where {len(WHOLE)} belong"),
    "too long": (WHOLE + b"x", f"{len(WHOLE) + 1} bytes where {len(WHOLE)} belong"),
    "broken header": (WHOLE[:20] + b"\xff" + WHOLE[21:], "broken weights"),
    "broken facts": (one_tensor(semanir="{"), "does not fit"),
}
# whole files of tensors, but of no network: nothing of their facts is wrong
FOREIGN = {
    "of others": (one_tensor(), "carries no network configuration"),
    "other facts": (one_tensor(semanir="[1]"), "does not fit"),
    "no network": (one_tensor(semanir='{"config": {"shape": "round"}}'), "does not fit"),
    "other tensors": (one_tensor(semanir=SMALL), "does not fit"),
}


@pytest.mark.parametrize("kind", [*UNREADABLE, *FOREIGN])
def test_what_is_no_weights_file_is_named_for_what_it_is(tmp_path, kind):
    """In one line with its path and what to do; nobody is told to delete anything."""
    path = tmp_path / "weights.safetensors"
    content, message = (UNREADABLE | FOREIGN)[kind]
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    for read in (checkpoint.load, facts) if kind in UNREADABLE else (checkpoint.load,):
        with pytest.raises(InputError) as refused:
            read(path)
        text = str(refused.value)
        assert str(path) in text and "; " in text
        assert "\n" not in text and "delete" not in text
        assert message in text or read is facts


def test_weights_are_refused_by_the_name_of_what_is_wrong(tmp_path):
    """A folder by a file in it; a switch by its own name: the file is not blamed for it."""
    path = tmp_path / "w.safetensors"
    checkpoint.save(path, build("semanir-u-tiny"))
    (tmp_path / "._w.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=re.escape(f"for example {path}")):
        checkpoint.load(tmp_path)
    with pytest.raises(InputError, match=r"^k must be at least 1, got 0$"):
        checkpoint.load(path, k=0)


@pytest.mark.parametrize("start", [b"<", b"\x80", b"PK"])
def test_whole_weights_are_whole_however_they_begin(tmp_path, start):
    """The first bytes tell how long the header is, and may be those of other files."""
    header = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
    header = header.ljust(int.from_bytes(start, "little"))
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"x")
    assert path.read_bytes().startswith(start)
    assert facts(path) == {}
