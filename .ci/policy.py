"""What no file of the project may hold: python .ci/policy.py [ROOT]

Prints what is wrong, a line each, and exits with 1; CI and pre-commit run it. Looks at files that
git tracks or would track.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

THIS = ".ci/policy.py"
LARGEST, LARGEST_WEIGHTS, ALL = 1_000_000, 3_000_000, 24_000_000  # bytes; 16 are weights
GENERATED = re.compile(
    r"(data|results|logs|\.snakemake)/|reports/[^/]+\.(html|csv|md|tex|svg)$|.*\.(partial|pyc|pt)$"
    r"|(?!semanir/weights/).*\.safetensors$"
)
NO_TEXT = (".png", ".safetensors", ".csv.gz")

MACHINE = re.compile(r"(?<![\w.}-])/(work|home|root)/|/Users/|[A-Z]:\\\\?Users")
TEMPORARY = re.compile(r"(?<![\w.}-])/tmp\b")
REGISTRY = re.compile(
    r"pypi\.(org|python)|pythonhosted|anaconda\.(org|com)|download\.pytorch|conda\.io"
    r"|artifactory|jfrog|index-url|find-links|trusted-host"
)
DATE = re.compile(r"\b20\d\d-[01]\d-[0-3]\d\b")
LINK = re.compile(r"https?://([\w.-]+)")
HOSTS = {
    *("creativecommons.org", "github.com", "json-schema.org", "www.apache.org", "example.org"),
    "w3id.org",  # names of profiles of RO-Crates
    *("drive.usercontent.google.com", "git-lfs.github.com", "huggingface.co"),
}
# registries name the publishers of data and weights, and so does the page written from one
NAMES_PUBLISHERS = (
    *("data_prep/datasets.yaml", "data_prep/manifests/"),
    *("baselines/models.", "docs/systems.md"),
)
MEASURED = "reports/accepted/"  # results say when they were measured
TESTS = "tests/"  # example hosts, dates and temporary folders


class UniqueKeys(yaml.SafeLoader):
    """YAML in which no mapping names a key twice; PyYAML would silently keep the second."""


def _mapping(loader: UniqueKeys, node: yaml.MappingNode) -> dict:
    keys = [loader.construct_object(key) for key, _ in node.value]
    if len(keys) > len(set(keys)):
        raise yaml.MarkedYAMLError(problem=f"a key twice in {keys}", problem_mark=node.start_mark)
    return loader.construct_mapping(node, deep=True)


UniqueKeys.add_constructor("tag:yaml.org,2002:merge", lambda loader, node: node.value)
UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def faults(name: str, data: bytes) -> Iterator[str]:
    """What is wrong with a file: its path from the root and its bytes."""
    if GENERATED.match(name):
        yield f"{name}: is generated, and does not belong into git"
    limit = LARGEST_WEIGHTS if name.endswith(".safetensors") else LARGEST
    if len(data) > limit:
        yield f"{name}: {len(data)} bytes, more than {limit}"
    try:
        text = data.decode()
    except UnicodeDecodeError:
        if not name.endswith(NO_TEXT):
            yield f"{name}: is no text, photograph, weights or results"
        return
    if name != THIS:
        for number, line in enumerate(text.splitlines(), start=1):
            yield from (f"{name}:{number}: {fault}" for fault in _faults_of_line(name, line))
    yield from (f"{name}: {' '.join(fault.split())}" for fault in _does_not_parse(name, text))


def _faults_of_line(name: str, line: str) -> Iterator[str]:
    in_tests = name.startswith(TESTS)
    if line != line.rstrip():
        yield "ends in white space"
    if MACHINE.search(line) or (TEMPORARY.search(line) and not in_tests):
        yield f"names a path of some machine: {line.strip()[:80]}"
    if found := REGISTRY.search(line):
        yield f"names a package registry, {found.group()}; that is pip's business"
    if not name.startswith((TESTS, *NAMES_PUBLISHERS)):
        for host in LINK.findall(line):
            if host not in HOSTS:
                yield f"links the unknown host {host}"
    if not name.startswith((TESTS, MEASURED)) and (found := DATE.search(line)):
        yield f"names the date {found.group()}"


def _does_not_parse(name: str, text: str) -> Iterator[str]:
    try:
        if name.endswith((".yaml", ".yml", ".cff")) and not yaml.load(text, Loader=UniqueKeys):
            yield "holds nothing"
        if name.endswith(".json") and not json.loads(text):
            yield "holds nothing"
    except (yaml.YAMLError, ValueError) as error:
        yield f"does not parse: {error}"


def main(root: Path) -> int:
    """Look at all files below `root`; exit status."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    names = [name for name in listed.stdout.decode().split("\0") if (root / name).is_file()]
    files = {name: (root / name).read_bytes() for name in names}
    found = [fault for name, data in files.items() for fault in faults(name, data)]
    size = sum(map(len, files.values()))
    if size > ALL:
        found.append(f"{size} bytes in all, more than {ALL}")
    print("\n".join(found) or f"{len(files)} files keep to the policy")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(Path(*sys.argv[1:2])))
