"""Records of runs: round trip, provenance, and which code makes which results stale."""

import hashlib
import json
import math
import os
import re
import sys
from datetime import UTC, datetime

import pytest
import torch
from checkout import python

from semanir.errors import InputError
from semanir.plan import record
from semanir.plan.record import provenance, read_record, write_record
from semanir.plan.source_hash import source_hash

IDENTITY = {"scale": "smoke", "task": "sr-x2", "model": "semanir-s", "seed": 0}


def test_a_record_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "results" / "seed0.json"
    scores = [{"image": "a.png", "psnr": 28.123456789012345, "ssim_matlab": 0.1 + 0.2}]
    write_record(path, "eval", IDENTITY, "evaluate", scores=scores, batch=1, note="σ ×2")
    read = read_record(path)
    assert read.pop("provenance")
    body = {"scores": scores, "batch": 1, "note": "σ ×2"}
    assert read == {"schema": 1, "kind": "eval", "identity": IDENTITY} | body
    assert [file.name for file in path.parent.iterdir()] == ["seed0.json"]


def test_an_infinite_psnr_is_kept(tmp_path):
    write_record(tmp_path / "a.json", "eval", IDENTITY, "evaluate", scores=[{"psnr": math.inf}])
    assert read_record(tmp_path / "a.json")["scores"] == [{"psnr": math.inf}]


BROKEN = dict.fromkeys(("", '{"schema": 1, "kind": "ev', "[]", "null"), "broken record")
BROKEN |= {
    "\udcff\udcfe{}": r"broken record .*seed7\.json",
    '{"kind": "eval"}': "broken record .*'schema'",
    '{"schema": 2}': "seed7.json has record schema 2, this version reads 1",
    '{"schema": null}': "seed7.json has record schema None, this version reads 1",
    None: r"no such record: .*seed7\.json; run snakemake",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_or_missing_record_is_named(tmp_path, text):
    path = tmp_path / "seed7.json"
    if text is not None:
        path.write_bytes(os.fsencode(text))
    with pytest.raises(InputError, match=BROKEN[text]):
        read_record(path)


def test_provenance_says_what_was_measured_where_and_when():
    before = datetime.now(UTC).replace(microsecond=0)
    facts = provenance("evaluate")
    # "+" marks uncommitted changes; a folder without git has an unknown commit
    assert re.fullmatch(r"[0-9a-f]{12}\+?|unknown", facts["commit"])
    assert facts["source"] == source_hash("evaluate")
    assert before <= datetime.fromisoformat(facts["created"]) <= datetime.now(UTC)
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    packages = "torch numpy scikit-image opencv-python-headless pillow"
    assert set(facts["versions"]) == set(packages.split())
    assert facts["versions"]["torch"] == torch.__version__
    assert facts["machine"] and facts["system"]
    assert facts["cores"] == os.cpu_count()
    assert facts["threads"] == torch.get_num_threads()
    assert facts["instruction_set"] == torch.backends.cpu.get_cpu_capability()
    assert (facts["accelerator"] == "none") == (not torch.cuda.is_available())
    assert facts["device"] == ("cuda" if torch.cuda.is_available() else "cpu")
    assert (facts["driver"] == "none") == (not torch.cuda.is_available())
    assert facts["cuda"] == (torch.version.cuda or "none")
    known = facts["commit"] != "unknown"
    assert facts["dirty"] == (facts["commit"].endswith("+") if known else None)
    assert facts["ranks"] == 1 and facts["data"] == {}
    assert json.loads(json.dumps(facts)) == facts


def test_provenance_names_its_data_and_its_ranks(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    for name in "ab":
        (tmp_path / name).write_text(name)
    one, both, other = (
        provenance("degrade", [tmp_path / name for name in names]) for names in ("a", "ab", "ba")
    )
    digests = [hashlib.sha256(name.encode()).hexdigest() for name in "ab"]
    assert one["data"] == {str(tmp_path / "a"): digests[0]}
    assert list(both["data"].values()) == digests and both["ranks"] == 4
    assert both["data_sha256"] == other["data_sha256"] != one["data_sha256"]
    write_record(tmp_path / "r.json", "eval", IDENTITY, "evaluate", data=[tmp_path / "a"], batch=1)
    assert read_record(tmp_path / "r.json")["provenance"]["data"] == one["data"]
    with pytest.raises(InputError, match=f"no {tmp_path / 'c'}; run snakemake"):
        provenance("degrade", [tmp_path / "c"])


def test_the_driver_is_read_from_the_kernel(tmp_path, monkeypatch):
    said = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Tue\nGCC version: 12"
    monkeypatch.setattr(record, "Path", lambda name: tmp_path / "version")
    assert record._driver() == "unknown"
    (tmp_path / "version").write_text(said)
    assert record._driver() == "570.86.15"


def test_provenance_without_torch_imports_none():
    program = """import sys
from semanir.plan.record import provenance
facts = provenance("degrade")
assert "torch" not in sys.modules
assert facts["versions"]["numpy"][0].isdigit()
assert not {"threads", "instruction_set", "accelerator"} & set(facts)
"""
    python(program, check=True)


def test_what_cannot_be_known_is_said_so(tmp_path, monkeypatch):
    assert record._version("no-such-package") == "not installed"
    monkeypatch.setattr(record, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert record._commit() == "unknown"
