"""The CPU kernels: compiled for this machine's instruction set on first use, and stored.

They lie in $TORCH_EXTENSIONS_DIR or ~/.cache/torch_extensions, one folder for each version of their
source, of torch and of Python and for each instruction set. Loading one that was cut short would
end the process, so the SHA-256 beside each is looked at first.
"""

import errno
import hashlib
import importlib.util
import logging
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

import torch
from filelock import FileLock

from semanir.errors import FULL
from semanir.files import sha256, visible

log = logging.getLogger("semanir")

DATA_FILES = ("kernels",)
SOURCES = Path(__file__).parent / "kernels"
# what torch's own kernels are compiled with; plain C++ where it names no instruction set
INSTRUCTIONS = {
    "AVX512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"],
    "AVX2": ["-mavx2", "-mfma"],
}
CHECKSUM = ".sha256"  # ending of the file beside a library
UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, *FULL)
FLAGS = ["-O3", "-fopenmp", "-fno-math-errno", "-fno-trapping-math"]


_failure = ""


def why_unavailable() -> str:
    """Why `kernels()` gave None, and what to do about it."""
    return _failure


@cache
def kernels() -> ModuleType | None:
    """The compiled kernels; None, after one line in the log, where they cannot be had.

    ATEN_CPU_CAPABILITY=avx2 or default chooses another instruction set, as it does for torch.
    """
    global _failure
    try:
        return _load(_library())
    except (OSError, ImportError, RuntimeError, subprocess.SubprocessError) as error:
        _failure = _explain(error)
        log.warning(
            "no fused CPU kernels: %s. Attention goes through SDPA with a mask, which is several "
            "times slower",
            _failure,
        )
        return None


def _explain(error: Exception) -> str:
    full = "No space left" in str(error)  # as compilers say it
    if full or (isinstance(error, OSError) and error.errno in UNWRITABLE):
        reason = getattr(error, "strerror", None) or "no space left"
        return f"cannot write to {_root()} ({reason}); set TORCH_EXTENSIONS_DIR to another folder"
    compiler = shlex.split(os.environ.get("CXX") or "c++")[0]
    if shutil.which(compiler) is None:
        return f"there is no compiler {compiler}; install g++, or set CXX to one"
    if shutil.which("ninja") is None:
        return "there is no ninja; pip install ninja"
    return (str(error).strip() or repr(error)).splitlines()[0]


def _root() -> Path:
    folder = os.environ.get("TORCH_EXTENSIONS_DIR")
    return Path(folder) if folder else Path.home() / ".cache" / "torch_extensions"


def _library() -> Path:
    """The compiled library, built if no whole one is there; one process builds, others wait."""
    instructions = torch.backends.cpu.get_cpu_capability()
    flags = FLAGS + INSTRUCTIONS.get(instructions, [])
    abi = str(sysconfig.get_config_var("SOABI"))
    identity = [torch.__version__, platform.machine(), abi, *flags]
    identity += [path.read_text(encoding="utf-8") for path in visible(SOURCES.iterdir())]
    digest = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:16]
    folder = _root() / f"semanir-{instructions.lower()}-{digest}"
    library = folder / "semanir_cpu.so"
    if _is_whole(library):
        return library
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if not _is_whole(library):
            _compile(flags, library)
    return library


def _is_whole(library: Path) -> bool:
    try:
        return library.with_suffix(CHECKSUM).read_bytes() == sha256(library).encode()
    except FileNotFoundError:
        return False


def _compile(flags: list[str], library: Path) -> None:
    from torch.utils import cpp_extension  # slow to import, needed once in a machine's life

    log.warning("compiling the CPU attention kernels, once for this machine: %s", library)
    # ninja may lie beside a Python that was started without its environment being activated
    os.environ["PATH"] += os.pathsep + str(Path(sys.executable).parent)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        cpp_extension.load(
            name="semanir_cpu",
            sources=[str(SOURCES / "module.cpp")],
            extra_cflags=flags,
            extra_ldflags=["-fopenmp"],
            build_directory=folder,
            is_python_module=False,
        )
        compiled = Path(folder) / "semanir_cpu.so"
        digest = sha256(compiled)
        os.replace(compiled, library)
    library.with_suffix(CHECKSUM).write_text(digest, encoding="ascii")


def _load(library: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("semanir_cpu", library)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {library}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
