"""The record of a run: one JSON file with identity, numbers and provenance. Never imports torch.

results/<scale>/train/<task>/<model>/seed<k>/{weights.safetensors,train.json}
results/<scale>/eval/<task>/<model>/seed<k>.json
results/<scale>/cost/{<model>/count,runtime}.json
results/<scale>/cost/attention/{memory,complexity,bench,growth}.json
results/<scale>/activation/<task>/<model>/seed<k>.json
results/<scale>/visual/<task>/<model>/seed<k>.json
"""

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from semanir.errors import InputError, remake
from semanir.files import sha256, write_text
from semanir.paths import ROOT
from semanir.plan.source_hash import source_hash

SCHEMA = 1


def origin(stage: str, data: Iterable[str | Path] = ()) -> dict[str, Any]:
    """Code and data of a measurement, as they are now: taken before work that takes long.

    data: the files that name all photographs with their SHA-256, indices of sets; InputError names
    one that is missing. commit ends with + where files were changed since, which `dirty` says, too;
    dirty is None outside of git.
    """
    commit, files = _commit(), dict[str, str]()
    for path in map(str, data):
        if not Path(path).is_file():
            raise InputError(f"there is no {path}; run snakemake to make it")
        files[path] = sha256(path)
    return {
        "commit": commit,
        "dirty": None if commit == "unknown" else commit.endswith("+"),
        "source": source_hash(stage),
        "data": files,
        "data_sha256": hashlib.sha256("".join(sorted(files.values())).encode()).hexdigest(),
    }


def provenance(stage: str, data: Iterable[str | Path] = ()) -> dict[str, Any]:
    """Code, data, machine and time of a measurement made now in this process, see `origin`."""
    return origin(stage, data) | surroundings()


def surroundings() -> dict[str, Any]:
    """Machine, versions and time of this process, now.

    driver: of an NVIDIA GPU. ranks: processes that work together.
    """
    packages = ("torch", "numpy", "scikit-image", "opencv-python-headless", "pillow")
    facts: dict[str, Any] = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
        "machine": processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "ranks": int(os.environ.get("WORLD_SIZE", 1)),  # as torchrun says
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        on_gpu = torch.cuda.is_available()
        facts["threads"] = torch.get_num_threads()
        facts["instruction_set"] = torch.backends.cpu.get_cpu_capability()
        facts["device"] = "cuda" if on_gpu else "cpu"
        facts["accelerator"] = torch.cuda.get_device_name() if on_gpu else "none"
        facts["cuda"] = torch.version.cuda or "none"
        facts["driver"] = _driver() if on_gpu else "none"
    return facts


def write_record(
    path: Path,
    kind: str,
    identity: dict[str, Any],
    made_of: str | dict[str, Any],
    /,
    *,
    data: Iterable[str | Path] = (),
    **body: Any,
) -> None:
    """Write a record; `identity` holds scale, task, model and seed (as far as they apply).

    made_of: what `origin` said before the work; or the stage, whose code and `data` are as they are
    now.
    """
    record: dict[str, Any] = {"schema": SCHEMA, "kind": kind, "identity": identity}
    before = origin(made_of, data) if isinstance(made_of, str) else made_of
    record |= {**body, "provenance": before | surroundings()}
    # not strict JSON: the PSNR of equal images is Infinity
    write_text(path, json.dumps(record, indent=1) + "\n")


def read_record(path: Path) -> dict[str, Any]:
    """Read a record; InputError names a file that is missing, broken or of another schema."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        schema = record["schema"]
    except FileNotFoundError:
        raise InputError(f"no such record: {path}; run snakemake to make it") from None
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise broken_record(path, error) from None
    if schema != SCHEMA:
        raise InputError(f"{path} has record schema {schema}, this version reads {SCHEMA}")
    return record


def broken_record(path: Path, error: Exception | str) -> InputError:
    """What to say of a record that lacks something or holds something else."""
    reason = f"no field {error}" if isinstance(error, KeyError) else error
    return InputError(f"broken record {path}: {reason}; {remake(path)}")


def training_seconds(record: dict[str, Any]) -> float | None:
    """Seconds of a whole training, at the pace of its last session; None if that took no step."""
    steps, taken = record["iterations_this_time"], record["seconds_this_time"]
    return taken / steps * record["recipe"]["iterations"] if steps else None


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + (
            "+" if git("status", "--porcelain") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _driver() -> str:
    """Version of the NVIDIA driver, "unknown" where the kernel does not say."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
    except OSError:
        return "unknown"
    found = re.search(r"Kernel Module\D*(\d[\d.]*)", text)
    return found[1] if found else "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def processor() -> str:
    """The name of the CPU."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
