"""Fixtures shared by the tests."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from checkout import REPOSITORY, copy_of_repository, snakemake
from filelock import FileLock
from hypothesis import HealthCheck, settings
from made_records import records_of
from mounts import mounted

from baselines.registry import COMMERCIAL
from reports.collect import write_results
from reports.tables.layouts import layouts

# whatever else the machine does: an example may take its time
settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Tests run in a worker for each core, four at most, unless -n, --dist or --pdb is given."""
    option = config.option
    controls = hasattr(option, "numprocesses") and not hasattr(config, "workerinput")
    if controls and option.numprocesses is None and option.dist == "no" and not option.usepdb:
        option.numprocesses = min(4, len(os.sched_getaffinity(0)))
        option.dist = "worksteal"


def pytest_configure() -> None:
    """One torch thread for each worker: they share the cores."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("MKL_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the finished workflow is slow, and comes first, since it takes longest."""
    needing = [item for item in items if "finished" in getattr(item, "fixturenames", ())]
    for item in needing:
        item.add_marker(pytest.mark.slow)
    items[:] = needing + [item for item in items if item not in needing]


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
def of_all_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary folder of this run of the tests, the same in each of its processes."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def finished(of_all_workers: Path) -> Path:
    """A copy in which `all` and `gate` have run, to read, not to change.

    One worker makes it, all others wait for it; where it fails every test that asks fails with
    what was said, and none tries again.
    """
    folder, told = of_all_workers / "finished", of_all_workers / "finished.told"
    with FileLock(of_all_workers / "finished.lock"):
        if not told.exists():
            folder.mkdir()
            run = snakemake(copy_of_repository(folder), "all", "gate")
            said = run.stdout[-3000:] + run.stderr[-3000:] if run.returncode else ""
            told.write_text(said, encoding="utf-8")
    fault = told.read_text(encoding="utf-8")
    assert not fault, fault
    return folder


@pytest.fixture
def own_finished(finished: Path, tmp_path: Path) -> Path:
    """A copy of it for one test, which may change it and run what locks its folder."""
    return shutil.copytree(finished, tmp_path / "finished")


@pytest.fixture(scope="session")
def everything(tmp_path_factory) -> list[Path]:
    """Made-up records of all tables that are rendered."""
    folder = tmp_path_factory.mktemp("records")
    return list(dict.fromkeys(p for table in layouts() for p in records_of(folder, table)))


@pytest.fixture
def results_csv(everything, tmp_path) -> Path:
    """Their results.csv."""
    write_results(everything, tmp_path / "results.csv")
    return tmp_path / "results.csv"


@pytest.fixture
def noncommercial(monkeypatch) -> None:
    """Whoever runs the tests has accepted licences for non-commercial use."""
    monkeypatch.setenv(COMMERCIAL, "true")


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A folder that holds 64 KB, where the tests may mount one; else the test is skipped."""
    with mounted(tmp_path / "disk", "size=64k") as folder:
        yield folder


@pytest.fixture
def read_only(tmp_path) -> Iterator[Path]:
    """A folder that cannot be written, not even by root."""
    folder = tmp_path / "closed"
    if os.geteuid():
        folder.mkdir(mode=0o555)
    with mounted(folder, "ro") if os.geteuid() == 0 else nullcontext():
        yield folder
