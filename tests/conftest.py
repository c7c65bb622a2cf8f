"""Fixtures shared by the tests."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Folder of real test sets, <mirror>/<host>/<path>; without one the test is skipped.

    The environment variable SEMANIR_MIRROR names it, else it is shared/mirror beside the checkout.
    """
    folder = Path(os.environ.get("SEMANIR_MIRROR") or REPOSITORY.parent / "shared" / "mirror")
    if not folder.is_dir():
        pytest.skip(f"no mirror of the real test sets at {folder}; set SEMANIR_MIRROR to a folder")
    return folder
