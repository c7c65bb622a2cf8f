"""What a project promises about itself: dependencies, packages, licence, README, configuration.

What no file may hold is checked by .ci/policy.py, which tests/workflow/test_policy.py tests.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from checkout import REPOSITORY
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import semanir


def text_of(name):
    return (REPOSITORY / name).read_text(encoding="utf-8")


PROJECT = tomllib.loads(text_of("pyproject.toml"))
ENVIRONMENT = yaml.safe_load(text_of("environment.yml"))
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
CONDA_NAMES |= {"opencv-python-headless": "opencv", "snakemake": "snakemake-minimal"}
SCRIPT = text_of(".ci/run")
# run-time dependencies and those of the `test` extra
RUN, EXTRA = PROJECT["project"]["dependencies"], PROJECT["project"]["optional-dependencies"]
REQUIREMENTS = [Requirement(line) for line in RUN + EXTRA["test"]]


@pytest.fixture(scope="module")
def names():
    """Paths from the root of tracked files, and of new ones that git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.decode().split("\0") if (REPOSITORY / name).is_file()]


def test_environment_yml_is_the_conda_twin_of_pyproject():
    assert ENVIRONMENT["name"] == PROJECT["project"]["name"]
    assert ENVIRONMENT["channels"] == ["conda-forge", "bioconda", "nodefaults"]
    conda = [Requirement(entry) for entry in ENVIRONMENT["dependencies"]]
    expected = {"python": PROJECT["project"]["requires-python"], "pip": ""}
    for requirement in REQUIREMENTS:
        name = canonicalize_name(requirement.name)
        expected[CONDA_NAMES.get(name, name)] = str(requirement.specifier)
    assert {entry.name: str(entry.specifier) for entry in conda} == expected
    assert len(conda) == len(expected) == len(REQUIREMENTS) + 2


def test_the_workflow_catalog_finds_what_it_wants():
    """Its rules: the words in README, a Snakefile, options documented, usage in a file of its own.

    They ask for workflow/Snakefile, too; ours is at the root, which lists it among all workflows.
    """
    assert {"snakemake", "workflow"} <= set(re.findall(r"\w+", text_of("README.md").lower()))
    assert (REPOSITORY / "Snakefile").is_file() and not (REPOSITORY / "workflow").exists()
    usage = yaml.safe_load(text_of(".snakemake-workflow-catalog.yml"))["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    deployed = usage["software-stack-deployment"]
    assert deployed == {"conda": True, "apptainer": False, "apptainer+conda": False}
    assert usage["report"] is True
    rules = "".join(path.read_text() for path in REPOSITORY.glob("*/rules.smk"))
    assert "conda:" in rules and "report(" in rules


def test_every_option_of_the_workflow_is_documented():
    """In config/README.md with its default, and in no other place by another name."""
    schema = yaml.safe_load(text_of("semanir/plan/config.schema.yaml"))["properties"]
    rows = re.findall(r"^\| `(\w+)` \| (?:`(\w+)` )?\|", text_of("config/README.md"), re.MULTILINE)
    defaults = {name: str(entry["default"]).lower() for name, entry in schema.items()}
    assert dict(rows) == defaults
    told = re.findall(r"^\| `(\w+)` \|", text_of("docs/workflow.md"), re.MULTILINE)
    assert list(dict(rows)) == told
    scales = yaml.safe_load(text_of("semanir/plan/scales.yaml"))
    assert all(f"`{name}` (" in text_of("config/README.md") for name in scales)


def test_torch_is_pinned_once(names):
    exact = {r.name: s for r in REQUIREMENTS for s in r.specifier if s.operator in ("==", "===")}
    assert list(exact) == ["torch"]
    stated = re.compile(r"(?:py)?torch\s*[=~<>]=+\s*v?([\d.]*\d)", re.IGNORECASE)
    texts = {name: (REPOSITORY / name).read_bytes().decode(errors="replace") for name in names}
    versions = {n: set(stated.findall(t)) for n, t in texts.items() if not n.startswith("tests/")}
    pinned = ("pyproject.toml", "environment.yml", "constraints.txt")
    expected = {name: {exact["torch"].version} for name in pinned}
    assert {name: found for name, found in versions.items() if found} == expected


def test_constraints_satisfy_every_requirement():
    lines = [line.partition("#")[0].strip() for line in text_of("constraints.txt").splitlines()]
    pins = [line.split("==") for line in lines if line]
    fixed = {canonicalize_name(name): Version(version) for name, version in pins}
    assert len(fixed) == len(pins)
    assert all(version.local is None for version in fixed.values())
    for requirement in [*REQUIREMENTS, *map(Requirement, EXTRA["cluster"])]:
        version = fixed[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), requirement


def test_every_package_and_its_data_are_installed(names):
    """Packages are the folders with an __init__.py; no other holds modules or unnamed data."""
    setuptools = PROJECT["tool"]["setuptools"]
    data = setuptools["package-data"]
    include = [f"{package}*" for package in ("semanir", "baselines", "data_prep", "reports")]
    assert setuptools["packages"]["find"] == {"include": include, "namespaces": False}
    packages = {Path(name).parent for name in names if name.endswith("/__init__.py")}
    for path in (path for path in map(Path, names) if path.parts[0] in data):
        package, *inner = path.parts
        if path.suffix == ".py":
            assert path.parent in packages, f"{path} is in no package"
            continue
        assert any(
            Path(*inner).match(pattern) or (pattern.endswith("/**") and inner[0] == pattern[:-3])
            for pattern in data[package]
        ), f"{path} is in no package-data pattern"


def test_the_citation_file_has_what_the_format_requires():
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert PROJECT["project"]["version"] == semanir.__version__ == str(citation["version"])
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == PROJECT["project"]["license"] == "Apache-2.0"
    assert citation["message"] and citation["title"] and citation["authors"]
    paper = citation["preferred-citation"]
    assert paper["title"].startswith("Sharing Key Semantics in Transformer Makes Efficient Image")
    assert paper["year"] == 2024
    assert [author["family-names"] for author in paper["authors"]][:2] == ["Ren", "Li"]
    assert len(paper["authors"]) == 9


def test_the_licence_is_apache_2():
    text = text_of("LICENSE")
    assert re.match(r"\s*Apache License\s+Version 2\.0, January 2004\s", text)
    assert re.findall(r"^ {3}([1-9])\. [A-Z]", text, re.MULTILINE) == list("123456789")
    assert "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["project"]["license-files"] == ["LICENSE"]


def test_the_test_command_of_the_readme_is_what_ci_runs():
    """Both install alike and run pytest without options; CI goes on with what that leaves out."""
    section = text_of("README.md").partition("\n## Set-up\n")[2].partition("\n## ")[0]
    first, second = map(str.splitlines, re.findall(r"```bash\n(.*?)\n```", section, re.S))
    # every line but the last goes on with &&, so that a failure stops the command
    assert all(line.rstrip().endswith("&&") for line in first[:-1] + second[:-1])
    assert (first[-1], second[-1]) == ("snakemake --cores 4 all", "pytest")
    script = SCRIPT.replace(" --quiet", "")
    assert script.strip().splitlines()[-2:] == ["pytest", "pytest -m slow"]
    installs = re.findall(r"pip install .+?(?= &&)", "\n".join(second))
    assert len(installs) == 2
    assert all(f"\n{install}\n" in script for install in installs)


def test_the_ci_runs_the_script_on_the_oldest_python():
    steps = yaml.safe_load(text_of(".github/workflows/ci.yml"))["jobs"]["test"]["steps"]
    assert steps[-1] == {"run": "bash .ci/run"}
    (python,) = [step["with"]["python-version"] for step in steps if "with" in step]
    assert f">={python}" == PROJECT["project"]["requires-python"]


def test_pre_commit_runs_what_ci_checks():
    (repository,) = yaml.safe_load(text_of(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].removesuffix(" --force-exclude") in SCRIPT, hook["id"]


@pytest.mark.slow
@pytest.mark.parametrize(("option", "several"), [("-v", True), ("--pdb", False), ("-n0", False)])
def test_tests_take_the_cores_unless_told(option, several):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-v",
        "tests/workflow/test_policy.py",
        "-k",
        "faults",
    ]
    ended = subprocess.run([*command, option], cwd=REPOSITORY, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ("[gw" in ended.stdout) == several
