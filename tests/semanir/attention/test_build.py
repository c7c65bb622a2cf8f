"""The library of CPU kernels: compiled once, checked before it is loaded, done without else."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from attention_cases import CASES, make

from semanir.attention import attend
from semanir.attention.cpu import build
from semanir.errors import InputError


@pytest.fixture
def failing(monkeypatch):
    """Let the library fail to load with an error."""

    def fail(error):
        monkeypatch.setattr(build, "_library", Mock(side_effect=error))
        build.kernels.cache_clear()

    yield fail
    build.kernels.cache_clear()


def test_without_a_compiler_there_is_one_line_and_the_mask(failing, caplog):
    failing(OSError("no c++"))
    tensors, table, dictionary, window = make(CASES[0], torch.float32)
    expected = attend(*tensors, dictionary, table, window, backend="mask")
    for _ in range(2):
        assert torch.equal(attend(*tensors, dictionary, table, window), expected)
    assert len(caplog.records) == 1 and "no c++" in caplog.text
    with pytest.raises(InputError, match=r"no c\+\+; or pass backend='mask'"):
        attend(*tensors, dictionary, table, window, backend="fused")


@pytest.mark.parametrize(
    ("error", "missing", "reason"),
    [
        (PermissionError(13, "Permission denied"), "", "{cache} (Permission denied); set"),
        (OSError(30, "Read-only"), "", "{cache} (Read-only); set TORCH_EXTENSIONS_DIR"),
        (OSError(28, "No space left on device"), "", "{cache} (No space left on device)"),
        (RuntimeError("ld: No space left on device"), "", "{cache} (no space left); set TORCH"),
        (RuntimeError("failed"), "no-such-c++", "no compiler no-such-c++; install"),
        (RuntimeError("failed"), "ninja", "no ninja; pip install ninja"),
        (RuntimeError("failed\nat length"), "", "failed"),
    ],
)
def test_why_there_are_no_kernels(tmp_path, monkeypatch, failing, error, missing, reason):
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-c++ -v" if "c++" in missing else sys.executable)
    monkeypatch.setattr(build.shutil, "which", lambda tool: None if tool == missing else tool)
    failing(error)
    assert build.kernels() is None
    assert reason.format(cache=tmp_path) in build.why_unavailable()


@pytest.mark.skipif(build.kernels() is None, reason="no C++ compiler or no ninja")
@pytest.mark.parametrize("harm", ["cut", "foreign", "empty", "no sum", "no library"])
def test_a_library_that_is_not_whole_is_built_again(tmp_path, monkeypatch, harm):
    """Loading one would end the process."""
    library = build._library()
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    monkeypatch.setattr(build, "_compile", lambda flags, path: path.write_bytes(b"built again"))
    copy = tmp_path / library.parent.name / library.name
    copy.parent.mkdir()
    whole, checksum = library.read_bytes(), copy.with_suffix(".sha256")
    copy.write_bytes(whole)
    checksum.write_bytes(library.with_suffix(".sha256").read_bytes())
    assert build._library() == copy and copy.read_bytes() == whole
    if harm.startswith("no"):
        (checksum if harm == "no sum" else copy).unlink()
    else:
        copy.write_bytes({"cut": whole[:20_000], "foreign": whole[::-1], "empty": b""}[harm])
    assert build._library() == copy and copy.read_bytes() == b"built again"


def test_one_process_compiles_and_the_others_wait(tmp_path, monkeypatch):
    """Four ask at once for kernels that nobody has: each library is that of the one compiler."""
    compiled = []

    def compiler(*, name, build_directory, **options):
        compiled.append(options["extra_cflags"])
        time.sleep(0.2)  # long enough for all to have asked
        (Path(build_directory) / f"{name}.so").write_bytes(b"compiled")

    monkeypatch.setattr("torch.utils.cpp_extension.load", compiler)
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    with ThreadPoolExecutor(4) as several:
        (library,) = set(several.map(lambda _: build._library(), range(4)))
    assert library.read_bytes() == b"compiled" and len(compiled) == 1
    capability = torch.backends.cpu.get_cpu_capability().lower()
    assert library.parent.name.startswith(f"semanir-{capability}-")
    assert not [path for path in library.parent.iterdir() if path.is_dir()]
    # another source is another library
    monkeypatch.setattr(build, "FLAGS", [*build.FLAGS, "-DOTHER"])
    assert build._library() != library and len(compiled) == 2
