"""The CPU kernels: compiled for this machine's instruction set on first use, kept for the next.

They lie in $TORCH_EXTENSIONS_DIR or ~/.cache/torch_extensions, one folder for each version of their
source, of torch and of Python and for each instruction set.
"""

import hashlib
import importlib.util
import logging
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

import torch
from filelock import FileLock

log = logging.getLogger("semanir")

SOURCES = Path(__file__).parent / "kernels"
# what torch's own kernels are compiled with; plain C++ where it names no instruction set
INSTRUCTIONS = {
    "AVX512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"],
    "AVX2": ["-mavx2", "-mfma"],
}
FLAGS = ["-O3", "-fopenmp", "-fno-math-errno", "-fno-trapping-math"]


@cache
def kernels() -> ModuleType | None:
    """The compiled kernels; None, after one line in the log, where they cannot be had.

    ATEN_CPU_CAPABILITY=avx2 or default chooses another instruction set, as it does for torch.
    """
    try:
        return _load(_library())
    except (OSError, ImportError, RuntimeError, subprocess.SubprocessError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        log.warning(
            "the fused CPU kernels could not be built (%s); attention goes through SDPA with a "
            "mask, which is several times slower: install g++ and ninja",
            reason,
        )
        return None


def _library() -> Path:
    """The compiled library, built if it is not there yet; one process builds, others wait."""
    instructions = torch.backends.cpu.get_cpu_capability()
    flags = FLAGS + INSTRUCTIONS.get(instructions, [])
    about = [torch.__version__, platform.machine(), str(sysconfig.get_config_var("SOABI")), *flags]
    about += [path.read_text(encoding="utf-8") for path in sorted(SOURCES.iterdir())]
    digest = hashlib.sha256("\0".join(about).encode()).hexdigest()[:16]
    root = os.environ.get("TORCH_EXTENSIONS_DIR") or Path.home() / ".cache" / "torch_extensions"
    folder = Path(root) / f"semanir-{instructions.lower()}-{digest}"
    library = folder / "semanir_cpu.so"
    if library.is_file():
        return library
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if not library.is_file():
            _compile(flags, library)
    return library


def _compile(flags: list[str], library: Path) -> None:
    from torch.utils import cpp_extension  # slow to import, needed once in a machine's life

    log.warning("compiling the CPU attention kernels, once for this machine: %s", library)
    # ninja may lie beside a Python that was started without its environment being activated
    os.environ["PATH"] += os.pathsep + str(Path(sys.executable).parent)
    with tempfile.TemporaryDirectory(dir=library.parent) as place:
        cpp_extension.load(
            name="semanir_cpu",
            sources=[str(SOURCES / "module.cpp")],
            extra_cflags=flags,
            extra_ldflags=["-fopenmp"],
            build_directory=place,
            is_python_module=False,
        )
        os.replace(Path(place) / "semanir_cpu.so", library)


def _load(library: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("semanir_cpu", library)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {library}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
