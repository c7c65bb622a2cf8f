"""What people pass for weights: each file is named for what it is, with the next step."""

import json
import os
import pickle
import re

import pytest
import torch
from safetensors.torch import save

from semanir.errors import InputError
from semanir.inference import checkpoint
from semanir.inference.shipped import facts
from semanir.network import build
from semanir.network.config import configure, to_dict


def made(told=None):
    """A safetensors file of one tensor, with an entry `semanir` of its metadata."""
    return save({"a": torch.zeros(3)}, None if told is None else {"semanir": told})


WHOLE = made("{}")
HEADER = len(WHOLE) - 12  # bytes before those of the tensor
SMALL = json.dumps({"config": to_dict(configure("semanir-u-tiny"))})
ALIENS = {
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
    "broken facts": (made("{"), "does not fit"),
}
# whole files of tensors, but of no network: nothing of their facts is wrong
FOREIGN = {
    "of others": (made(), "carries no network configuration"),
    "other facts": (made("[1]"), "does not fit"),
    "no network": (made('{"config": {"shape": "round"}}'), "does not fit"),
    "other tensors": (made(SMALL), "does not fit"),
}


@pytest.mark.parametrize("kind", [*ALIENS, *FOREIGN])
def test_what_is_no_weights_file_is_named_for_what_it_is(tmp_path, kind):
    """In one line with its path and what to do; nobody is told to delete anything."""
    path = tmp_path / "weights.safetensors"
    content, message = (ALIENS | FOREIGN)[kind]
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    for read in (checkpoint.load, facts) if kind in ALIENS else (checkpoint.load,):
        with pytest.raises(InputError) as refused:
            read(path)
        told = str(refused.value)
        assert str(path) in told and "; " in told
        assert "\n" not in told and "delete" not in told
        assert message in told or read is facts


def test_a_folder_of_weights_names_one_of_them(tmp_path):
    checkpoint.save(tmp_path / "w.safetensors", build("semanir-u-tiny"))
    (tmp_path / "._w.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=re.escape(f"for example {tmp_path}/w.safetensors")):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize("start", [b"<", b"\x80", b"PK"])
def test_whole_weights_are_whole_however_they_begin(tmp_path, start):
    """The first bytes tell how long the header is, and may be those of other files."""
    header = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
    header = header.ljust(int.from_bytes(start, "little"))
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"x")
    assert path.read_bytes().startswith(start)
    assert facts(path) == {}


def test_switches_of_weights_are_refused_by_their_own_name(tmp_path):
    """The file is not blamed for what the caller asks of it."""
    path = tmp_path / "w.safetensors"
    checkpoint.save(path, build("semanir-u-tiny"))
    with pytest.raises(InputError, match=r"^k must be at least 1, got 0$"):
        checkpoint.load(path, k=0)
