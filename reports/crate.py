"""A finished run as an RO-Crate: its files with what made each of them, for archives and others.

RO-Crate 1.1 with the profile Process Run Crate: an action for every record, with the code, the
weights it read, the machine and the time.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from semanir.errors import InputError
from semanir.files import is_hidden, replacing
from semanir.paths import ROOT, STATE_FILE
from semanir.plan.progress import SESSION, unfinished
from semanir.plan.record import broken_record, read_record
from semanir.plan.runs import Run

LICENCE = "https://www.apache.org/licenses/LICENSE-2.0"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
CODE = ("Snakefile", "constraints.txt", "CITATION.cff")
INSTALL = 'the package rocrate is missing; pip install -c constraints.txt -e ".[crate]"'


def write_crate(results: Path, out: Path) -> int:
    """Write the crate of results/<scale>, a .zip or a folder; returns the number of its files.

    Raises InputError where the run has not finished, where `out` is there already, or where the
    package rocrate is not.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise InputError(INSTALL) from None
    if not (results / "results.csv").is_file():
        raise InputError(f"no {results}/results.csv; snakemake all makes it, then write the crate")
    if left := unfinished(results):
        raise InputError(f"{left[0].folder} has not finished; snakemake all goes on with it")
    if out.exists():
        raise InputError(f"{out} is there already; name another place, or delete it")
    crate = ROCrate(version="1.1")
    files = {path: _place(results, path) for path in _files(results)}
    entities = {path: crate.add_file(path, place) for path, place in files.items()}
    for name in CODE:
        if (ROOT / name).is_file():
            crate.add_file(ROOT / name, name)
    records = {path: read_record(path) for path in files if path.suffix == ".json"}
    for path, record in records.items():
        try:
            _add_action(crate, path, record, entities)
        except (KeyError, TypeError, AttributeError) as error:
            raise broken_record(path, error) from None
    _describe(crate, _name(results), [record["provenance"] for record in records.values()])
    if out.suffix == ".zip":
        with replacing(out) as partial:
            crate.write_zip(partial)
    else:
        crate.write(out)
    return len(files)


def _files(results: Path) -> Iterator[Path]:
    for path in sorted(results.rglob("*")):
        if path.is_file() and not is_hidden(path.name) and path.name not in (SESSION, STATE_FILE):
            yield path


def _place(results: Path, path: Path) -> str:
    return (Path("results") / _name(results) / path.relative_to(results)).as_posix()


def _name(results: Path) -> str:
    """The scale, also where the folder is given as a dot."""
    return results.resolve().name


def _describe(crate: Any, scale: str, made: list[dict[str, Any]]) -> None:
    commits = sorted({one["commit"] for one in made})
    crate.name = f"SemanIR, reproduced: the {scale} scale"
    crate.description = (
        f"Records, weights and scores of {len(made)} runs at the {scale} scale, "
        f"commit {', '.join(commits)}."
    )
    crate.license = LICENCE
    if made:
        crate.root_dataset["datePublished"] = max(one["created"] for one in made)
    profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    crate.root_dataset.append_to("conformsTo", crate.add_jsonld({"@id": PROFILE, **profile}))


def _add_action(crate: Any, path: Path, record: dict[str, Any], entities: dict[Path, Any]) -> None:
    made, identity = record["provenance"], record["identity"]
    results: list[Any] = [entities[path]]
    objects: list[Any] = []
    if {"task", "model", "seed", "scale"} <= identity.keys():
        run = Run(**identity)
        weights = next((p for p in entities if run.weights and _ends(p, run.weights)), None)
        if weights:
            (results if record["kind"] == "train" else objects).append(entities[weights])
    objects += [_data_of(crate, name, digest) for name, digest in made.get("data", {}).items()]
    name = " ".join(str(value) for value in identity.values())
    crate.add_action(
        instrument=_code(crate, made),
        identifier=f"#{record['kind']}-{name.replace(' ', '-')}",
        object=objects,
        result=results,
        properties={
            "name": f"{record['kind']}: {name}",
            "endTime": made["created"],
            "description": _machine(made),
        },
    )


def _ends(path: Path, name: str) -> bool:
    parts = Path(name).parts[1:]  # below results/
    return path.parts[-len(parts) :] == parts


def _code(crate: Any, made: dict[str, Any]) -> Any:
    place = f"#code-{made['source']}"
    known = crate.get(place)
    about = {"@type": "SoftwareApplication", "name": "SemanIR, reproduced"}
    version = f"commit {made['commit']}, source {made['source']}"
    return known or crate.add_jsonld({"@id": place, **about, "softwareVersion": version})


def _data_of(crate: Any, name: str, digest: str) -> Any:
    place = f"#{name}"
    known = crate.get(place)
    about = {"@type": "CreativeWork", "name": name, "sha256": digest}
    return known or crate.add_jsonld({"@id": place, **about})


def _machine(made: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    names = ("machine", "accelerator", "driver", "instruction_set", "threads", "ranks", "system")
    facts = ", ".join(f"{name} {made[name]}" for name in names if name in made)
    return f"{facts}; Python {made.get('python', '?')}, {versions}"
