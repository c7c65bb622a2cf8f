"""Records of runs: round trip, provenance, and which code makes which results stale."""

import json
import math
import os
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from checkout import REPOSITORY

from semanir.errors import InputError
from semanir.plan import record
from semanir.plan.record import provenance, read_record, write_record
from semanir.plan.source_hash import source_hash

IDENTITY = {"scale": "smoke", "task": "sr-x2", "model": "semanir-s", "seed": 0}

# --- round trip ------------------------------------------------------------------------------


def test_a_record_comes_back_as_it_was_written(tmp_path):
    """Numbers to the last bit, identity, kind and schema; the folder is made."""
    path = tmp_path / "results" / "seed0.json"
    scores = [{"image": "a.png", "psnr": 28.123456789012345, "ssim_matlab": 0.1 + 0.2}]
    write_record(path, "eval", IDENTITY, "evaluate", scores=scores, batch=1, note="σ ×2")
    read = read_record(path)
    assert read.pop("provenance")
    assert read == {
        "schema": 1,
        "kind": "eval",
        "identity": IDENTITY,
        "scores": scores,
        "batch": 1,
        "note": "σ ×2",
    }
    assert [file.name for file in path.parent.iterdir()] == ["seed0.json"]


def test_an_infinite_psnr_is_kept(tmp_path):
    """Equal images have one; a run that measured it must not fail while writing it."""
    write_record(tmp_path / "a.json", "eval", IDENTITY, "evaluate", scores=[{"psnr": math.inf}])
    assert read_record(tmp_path / "a.json")["scores"] == [{"psnr": math.inf}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "broken record"),
        ('{"schema": 1, "kind": "ev', "broken record"),
        ("[]", "broken record"),
        ("null", "broken record"),
        ('{"kind": "eval"}', "broken record .*'schema'"),
        ('{"schema": 2}', r"has record schema 2, this version reads 1"),
        ('{"schema": null}', r"has record schema None, this version reads 1"),
    ],
    ids=["empty", "cut", "list", "null", "no schema", "newer", "null schema"],
)
def test_a_broken_record_is_named(tmp_path, text, message):
    path = tmp_path / "seed7.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_record(path)
    assert "seed7.json" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_record_of_other_bytes_is_named(tmp_path):
    (tmp_path / "seed7.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(InputError, match=r"broken record .*seed7\.json"):
        read_record(tmp_path / "seed7.json")


def test_a_missing_record_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no such record: .*gone\.json; run snakemake"):
        read_record(tmp_path / "gone.json")


# --- provenance ------------------------------------------------------------------------------


def test_provenance_says_what_was_measured_where_and_when():
    import torch

    before = datetime.now(UTC).replace(microsecond=0)
    facts = provenance("evaluate")
    # "+" marks uncommitted changes; a folder without git has an unknown commit
    assert re.fullmatch(r"[0-9a-f]{12}\+?|unknown", facts["commit"])
    assert facts["source"] == source_hash("evaluate")
    assert re.fullmatch(r"[0-9a-f]{12}", facts["source"])
    assert before <= datetime.fromisoformat(facts["created"]) <= datetime.now(UTC)
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert set(facts["versions"]) == {
        *("torch", "numpy", "scikit-image", "opencv-python-headless", "pillow")
    }
    assert facts["versions"]["torch"] == torch.__version__
    assert facts["machine"] and facts["system"]
    assert facts["cores"] == os.cpu_count()
    assert facts["threads"] == torch.get_num_threads()
    assert facts["instruction_set"] == torch.backends.cpu.get_cpu_capability()
    assert (facts["accelerator"] == "none") == (not torch.cuda.is_available())
    assert json.loads(json.dumps(facts)) == facts


def test_provenance_without_torch_imports_none():
    """Facts of torch are given only where the process has loaded it."""
    program = """
import sys
from semanir.plan.record import provenance
facts = provenance("degrade")
assert "torch" not in sys.modules
assert facts["versions"]["numpy"][0].isdigit()
assert not {"threads", "instruction_set", "accelerator"} & set(facts)
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_a_package_that_is_not_installed_is_said_so():
    assert record._version("no-such-package") == "not installed"


def test_a_folder_without_git_has_an_unknown_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert record._commit() == "unknown"
