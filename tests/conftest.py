"""Fixtures shared by the tests."""

import os
import sys
from pathlib import Path

import pytest
from made_records import records_of

from reports.collect import main as collect_main
from reports.layouts import layouts

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The workflow first: it takes longest, and workers take whole files (--dist loadfile)."""
    items.sort(key=lambda item: item.path.name not in ("test_workflow.py", "test_docs.py"))


def pytest_runtest_setup() -> None:
    """Random tensors are the same in every run; Hypothesis seeds the other generators."""
    if torch := sys.modules.get("torch"):  # not imported for tests that do without
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Folder of real test sets, <mirror>/<host>/<path>; without one the test is skipped.

    The environment variable SEMANIR_MIRROR names it, else it is shared/mirror beside the checkout.
    """
    folder = Path(os.environ.get("SEMANIR_MIRROR") or REPOSITORY.parent / "shared" / "mirror")
    if not folder.is_dir():
        pytest.skip(f"no mirror of the real test sets at {folder}; set SEMANIR_MIRROR to a folder")
    return folder


@pytest.fixture(scope="session")
def everything(tmp_path_factory) -> list[Path]:
    """Made-up records of all tables that are rendered."""
    folder = tmp_path_factory.mktemp("records")
    return list(dict.fromkeys(p for table in layouts() for p in records_of(folder, table)))


@pytest.fixture
def results_csv(everything, tmp_path) -> Path:
    """Their results.csv."""
    collect_main([str(tmp_path / "results.csv"), *map(str, everything)])
    return tmp_path / "results.csv"
