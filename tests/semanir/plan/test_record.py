"""Records of runs: round trip, provenance, and which code makes which results stale."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from checkout import REPOSITORY

from semanir.errors import InputError
from semanir.plan import record
from semanir.plan.record import SOURCES, provenance, read_record, source_hash, write_record

IDENTITY = {"scale": "smoke", "task": "sr-x2", "model": "semanir-s", "seed": 0}
# python files that change no number: paths, names, error messages, the record itself
WITHOUT_NUMBERS = {
    "data_prep/__init__.py",
    "data_prep/__main__.py",
    "semanir/arguments.py",
    "data_prep/download.py",
    "semanir/errors.py",
    "data_prep/fetch.py",
    "semanir/files.py",
    "data_prep/inventory.py",
    "semanir/memory.py",
    "data_prep/mirror.py",
    "semanir/names.py",
    "data_prep/unpack.py",
    "semanir/__init__.py",
    "semanir/__main__.py",
    "semanir/plan/machine.py",
    "semanir/cli/__init__.py",
    "semanir/cli/info.py",
    "semanir/cli/listing.py",
    "semanir/cli/page.py",
    "semanir/cli/places.py",
    "semanir/cli/restore.py",
    "semanir/inference/shipped.py",
    "data_prep/pictures/__init__.py",
    "semanir/measure/price.py",
    "semanir/plan/record.py",
}


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
from semanir.record import provenance
facts = provenance("tables")
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


# --- staleness -------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A copy of the code whose files a test may change; hashes are not remembered."""
    for package in ("semanir", "data_prep", "baselines", "reports"):
        shutil.copytree(
            REPOSITORY / package,
            tmp_path / package,
            ignore=shutil.ignore_patterns("__pycache__", "*.png", "*.html", "*.tex"),
        )
    monkeypatch.setattr(record, "ROOT", tmp_path)
    source_hash.cache_clear()
    yield tmp_path
    source_hash.cache_clear()


def hashes():
    source_hash.cache_clear()
    return {stage: source_hash(stage) for stage in SOURCES}


EVERY_NETWORK = {"train", "evaluate", "count", "runtime", "activation", "visual", "attention"}
EVERY_IMAGE = {"degrade", "train", "evaluate", "activation", "visual"}
STALE = {
    "data_prep/datasets.py": EVERY_IMAGE | {"prepare", "tables"},
    "data_prep/embedded/MANIFEST.json": EVERY_IMAGE | {"prepare"},
    "data_prep/prepare.py": EVERY_IMAGE | {"prepare"},
    "data_prep/pictures/decode.py": EVERY_IMAGE | {"prepare"},
    "data_prep/datasets.yaml": {"tables"},  # a new entry retrains nothing
    "data_prep/degradations.py": EVERY_IMAGE,
    "data_prep/degrade.py": EVERY_IMAGE,
    "data_prep/resize.py": EVERY_IMAGE,
    "data_prep/synthetic.py": EVERY_IMAGE,
    "data_prep/tasks.yaml": EVERY_IMAGE | {"tables"},
    "semanir/network/columnar.py": EVERY_NETWORK,
    "semanir/attention/gather.py": EVERY_NETWORK,
    "semanir/inference/checkpoint.py": EVERY_NETWORK - {"attention"},
    "semanir/train/training.py": {"train"},
    "semanir/train/patches.py": {"train", "evaluate", "visual", "activation"},
    "semanir/train/losses.py": {"train"},
    "semanir/train/recipe.py": {"train"},
    "semanir/train/optimizers.py": {"train"},
    "semanir/evaluate/evaluation.py": {"evaluate", "visual"},
    "semanir/inference/restore.py": {"train", "evaluate", "visual"},
    "semanir/evaluate/metrics.py": {"train", "evaluate", "visual"},
    "semanir/measure/networks.py": {"count", "runtime"},
    "semanir/network/flops.py": {"count", "evaluate", "visual", "attention"},
    "semanir/network/shapes.py": {"count", "evaluate", "visual", "attention"},
    "semanir/measure/timing.py": {"runtime", "attention"},
    "semanir/evaluate/activation.py": {"activation"},
    "semanir/evaluate/visual.py": {"visual"},
    "reports/figures/figure04.py": {"tables"},
    "semanir/plan/models.yaml": {"count", "tables"},
    "semanir/plan/scales.yaml": {"runtime", "tables"},
    "semanir/plan/runs.py": {"tables"},
    "baselines/classical.py": {"evaluate", "visual", "count", "runtime"},
    "baselines/models.yaml": {"evaluate", "visual", "count", "runtime", "tables"},
    "reports/tables/verdicts.py": {"tables"},
    "reports/tables/layouts.yaml": {"tables"},
    "reports/templates/style.css.j2": {"tables"},
    "reports/paper/table10.csv": {"tables"},
    "semanir/plan/config.schema.yaml": set(),
    "semanir/rules.smk": set(),
    "data_prep/embedded/ATTRIBUTION.md": set(),
    "semanir/names.py": set(),
}


@pytest.mark.parametrize("name", STALE)
def test_a_change_makes_exactly_its_stages_stale(tree, name):
    """A comment at the end of a file; undone, all hashes are what they were."""
    before = hashes()
    path = tree / name
    text = path.read_bytes()
    path.write_bytes(text + b"\n# a comment\n")
    after = hashes()
    path.write_bytes(text)
    assert {stage for stage in SOURCES if before[stage] != after[stage]} == STALE[name]
    assert hashes() == before


def test_stages_have_hashes_of_their_own(tree):
    assert len(set(hashes().values())) == len(SOURCES) == 10
    assert all(re.fullmatch(r"[0-9a-f]{12}", value) for value in hashes().values())


def test_a_rendered_table_makes_nothing_stale(tree):
    """Output lies beside the code of the reports, and must not render itself again."""
    before = hashes()
    for ending in ("html", "csv", "md", "tex"):
        (tree / f"reports/table10.{ending}").write_text("rendered")
    assert hashes() == before


def test_compiled_files_make_nothing_stale(tree):
    before = hashes()
    (tree / "semanir/network/__pycache__").mkdir()
    (tree / "semanir/network/__pycache__/columnar.pyc").write_bytes(b"compiled")
    assert hashes() == before


def test_renaming_a_file_makes_its_stages_stale(tree):
    before = hashes()
    (tree / "semanir/attention/gather.py").rename(tree / "semanir/attention/gathered.py")
    assert {stage for stage in SOURCES if before[stage] != hashes()[stage]} == EVERY_NETWORK


def test_every_listed_source_exists():
    """And holds at least one file that is hashed."""
    for stage, names in SOURCES.items():
        for name in names:
            path = REPOSITORY / name
            assert path.is_file() or any(path.rglob("*.*")), f"{stage}: {name}"


def test_every_python_file_belongs_to_a_stage():
    """A new file is listed in record.SOURCES, or above among those that change no number."""
    listed = set()
    for name in {name for names in SOURCES.values() for name in names}:
        path = REPOSITORY / name
        files = [path] if path.is_file() else path.rglob("*.py")
        listed |= {file.relative_to(REPOSITORY).as_posix() for file in files}
    present = {
        file.relative_to(REPOSITORY).as_posix()
        for package in ("semanir", "data_prep", "baselines", "reports")
        for file in (REPOSITORY / package).rglob("*.py")
    }
    assert present - listed == WITHOUT_NUMBERS


def test_every_file_a_table_is_made_from_belongs_to_its_stage():
    """Printed cells, templates and all settings in YAML."""
    tables = [REPOSITORY / name for name in SOURCES["tables"]]
    for pattern in (
        "reports/paper/*.csv",
        "reports/templates/*.j2",
        "reports/*.yaml",
        "reports/claims/*",
    ):
        for file in REPOSITORY.glob(pattern):
            assert file in tables or file.parent in tables, file
