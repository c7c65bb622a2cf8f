"""What a project promises about itself: dependencies, licence, README, and clean files."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from checkout import REPOSITORY
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "opencv-python-headless": "opencv",
    "snakemake": "snakemake-minimal",
}


def git_files(*options):
    listed = subprocess.run(
        ["git", "ls-files", "-z", *options], cwd=REPOSITORY, capture_output=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = filter(None, listed.stdout.decode().split("\0"))
    return [REPOSITORY / name for name in names if (REPOSITORY / name).is_file()]


def files_of_the_project():
    """Tracked files, and new ones that git does not ignore."""
    return git_files("--cached", "--others", "--exclude-standard")


def text_files():
    """(path from the root, text) of every file that is text."""
    for path in files_of_the_project():
        try:
            yield path.relative_to(REPOSITORY).as_posix(), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            known = (".png", ".safetensors", ".csv.gz")
            assert path.name.endswith(known), f"{path} is no text, photograph, weights or results"


def requirements():
    """Run-time dependencies and those of the `test` extra."""
    listed = PROJECT["project"]["dependencies"]
    return [Requirement(r) for r in listed + PROJECT["project"]["optional-dependencies"]["test"]]


def constraints():
    """canonical name -> version of constraints.txt."""
    found = {}
    for line in (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines():
        line = line.partition("#")[0].strip()
        if line:
            name, equals, version = line.partition("==")
            assert equals, f"{line}: constraints.txt holds name==version only"
            assert canonicalize_name(name) not in found, f"{name} is constrained twice"
            found[canonicalize_name(name)] = Version(version)
    return found


# --- dependencies ----------------------------------------------------------------------------


def test_environment_yml_is_the_conda_twin_of_pyproject():
    """Same packages, same versions, python and pip included; names as conda has them."""
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PROJECT["project"]["name"]
    assert all(isinstance(entry, str) for entry in environment["dependencies"])
    conda = [Requirement(entry) for entry in environment["dependencies"]]
    expected = {"python": PROJECT["project"]["requires-python"], "pip": ""}
    for requirement in requirements():
        name = canonicalize_name(requirement.name)
        expected[CONDA_NAMES.get(name, name)] = str(requirement.specifier)
    assert {entry.name: str(entry.specifier) for entry in conda} == expected
    assert len(conda) == len(expected) == len(requirements()) + 2


def test_conda_takes_packages_from_named_channels_only():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text(encoding="utf-8"))
    assert environment["channels"] == ["conda-forge", "bioconda", "nodefaults"]


def test_torch_is_pinned_once():
    """In pyproject.toml, exactly; no other file of the project has a version of its own."""
    pins = [r for r in requirements() if r.name == "torch"]
    assert len(pins) == 1
    (pin,) = pins[0].specifier
    assert pin.operator == "=="
    for requirement in requirements():
        if requirement.name != "torch":
            assert not any(s.operator in ("==", "===") for s in requirement.specifier), requirement
    stated = re.compile(r"(?:py)?torch\s*[=~<>]=+\s*v?([\d.]*\d)", re.IGNORECASE)
    places = {
        name: set(stated.findall(text))
        for name, text in text_files()
        if stated.search(text) and not name.startswith("tests/")
    }
    pinned = ("pyproject.toml", "environment.yml", "constraints.txt")
    assert places == {name: {pin.version} for name in pinned}


def test_constraints_satisfy_every_requirement():
    """Every direct dependency is fixed, within its bounds, without a local version."""
    fixed = constraints()
    assert all(version.local is None for version in fixed.values())
    for requirement in requirements():
        name = canonicalize_name(requirement.name)
        assert name in fixed, f"constraints.txt does not fix {name}"
        assert requirement.specifier.contains(fixed[name], prereleases=True), requirement


def test_every_package_is_installed():
    """The packages of pyproject.toml are the folders with an __init__.py; no data is left out."""
    setuptools = PROJECT["tool"]["setuptools"]
    found = {
        path.parent.relative_to(REPOSITORY).as_posix().replace("/", ".")
        for path in files_of_the_project()
        if path.name == "__init__.py"
    }
    assert set(setuptools["packages"]) == found
    for path in files_of_the_project():
        package, *inner = path.relative_to(REPOSITORY).parts
        if package not in setuptools["package-data"] or path.suffix == ".py":
            continue
        patterns = setuptools["package-data"][package]
        inside = Path(*inner)
        covered = any(
            inside.match(pattern) or (pattern.endswith("/**") and inner[0] == pattern[:-3])
            for pattern in patterns
        )
        assert covered, f"{path.relative_to(REPOSITORY)} is in no package-data pattern"


def test_versions_agree():
    """pyproject.toml, semanir.__version__ and CITATION.cff."""
    import semanir

    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert PROJECT["project"]["version"] == semanir.__version__ == str(citation["version"])


# --- licence, citation, README ---------------------------------------------------------------


def test_the_citation_file_has_what_the_format_requires():
    """Citation File Format 1.2.0: message, title, authors; the paper is the preferred citation."""
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == PROJECT["project"]["license"] == "Apache-2.0"
    assert citation["message"] and citation["title"] and citation["authors"]
    paper = citation["preferred-citation"]
    assert paper["title"].startswith("Sharing Key Semantics in Transformer Makes Efficient Image")
    assert paper["year"] == 2024
    assert [author["family-names"] for author in paper["authors"]][:2] == ["Ren", "Li"]
    assert len(paper["authors"]) == 9


def test_the_licence_is_apache_2():
    """The whole text: title, its nine sections, and the end of the terms."""
    text = (REPOSITORY / "LICENSE").read_text(encoding="utf-8")
    assert re.match(r"\s*Apache License\s+Version 2\.0, January 2004\s", text)
    assert re.findall(r"^ {3}([1-9])\. [A-Z]", text, re.MULTILINE) == list("123456789")
    assert "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["project"]["license-files"] == ["LICENSE"]


def commands():
    """The bash blocks of the README's section "Set-up", as lists of lines."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## Set-up$(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return [block.strip().splitlines() for block in re.findall(r"```bash\n(.*?)```", section, re.S)]


def pip_arguments(line):
    (found,) = re.findall(r"pip install (.+?)(?: &&)?$", line)
    return [argument.strip("\"'") for argument in found.split() if argument != "--quiet"]


def test_the_test_command_of_the_readme_is_what_ci_runs():
    """Both install alike and run pytest without options; CI goes on with what that leaves out."""
    first, second = commands()
    script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8").strip().splitlines()
    assert second[-1] == "pytest"
    assert script[-2:] == ["pytest", "pytest -m slow"]
    installed = [line for line in script if line.startswith("pip install")]
    told = [line for line in second if "pip install" in line]
    expected = [
        ["-c", "constraints.txt", "-e", ".[test]"],
        ["--no-deps", "-r", "baselines/requirements.txt"],
    ]
    assert list(map(pip_arguments, told)) == list(map(pip_arguments, installed)) == expected
    assert first[-1] == "snakemake --cores 4 all"


def test_commands_of_the_readme_are_one_command_each():
    """Every line but the last goes on with &&, so that a failure stops it."""
    for block in commands():
        assert all(line.rstrip().endswith("&&") for line in block[:-1])


def test_the_ci_runs_the_script_on_the_oldest_python():
    workflow = (REPOSITORY / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(workflow)["jobs"]["test"]["steps"]
    assert steps[-1] == {"run": "bash .ci/run"}
    (python,) = [step["with"]["python-version"] for step in steps if "with" in step]
    assert f">={python}" == PROJECT["project"]["requires-python"]


def test_files_and_folders_the_readme_names_exist():
    """Links, and code in back quotes that reads as a tracked path."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\]\((?!https?:)([^)#]+)\)", text))
    named |= set(re.findall(r"`((?:semanir|data_prep|baselines|tests)/[\w./]+\.\w+)`", text))
    assert {"CITATION.cff", "data_prep/embedded/ATTRIBUTION.md"} <= named
    assert [name for name in sorted(named) if not (REPOSITORY / name).exists()] == []


# --- clean files -----------------------------------------------------------------------------


def test_no_file_holds_a_path_of_some_machine():
    """Temporary folders may be named in tests only; home and work folders nowhere."""
    everywhere = re.compile("|".join(rf"(?<![\w.}}-])/{top}/" for top in ("work", "home", "root")))
    temporary = re.compile(r"(?<![\w.}-])/" + "tmp" + r"\b")
    users = re.compile(r"/Users/|[A-Z]:\\\\?Users")
    found = []
    for name, text in text_files():
        if name == "tests/workflow/test_project.py":
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            wrong = everywhere.search(line) or users.search(line)
            if wrong or (temporary.search(line) and not name.startswith("tests/")):
                found.append(f"{name}:{number}: {line.strip()[:80]}")
    assert found == []


def test_no_file_names_a_package_registry():
    """Where packages come from is the business of pip and its settings."""
    hosts = re.compile(
        r"pyp[i]\.(org|python)|pythonhoste[d]|anacond[a]\.(org|com)|download\.pytorc[h]|cond[a]\.io"
        r"|artifactory|jfrog|index-url|find-links|trusted-host"
    )
    found = [
        f"{name}: {match.group()}"
        for name, text in text_files()
        if name != "tests/workflow/test_project.py"
        for match in hosts.finditer(text)
    ]
    assert found == []


def test_only_known_hosts_are_linked():
    """Licences, schemas and the repository of the paper; tests may name example hosts.

    The registries of datasets and weights name their publishers, which is what they are for, and
    so does the page that is written from one.
    """
    known = {"creativecommons.org", "github.com", "json-schema.org", "www.apache.org"}
    known |= {"drive.usercontent.google.com", "git-lfs.github.com", "huggingface.co", "example.org"}
    hosts = {
        host
        for name, text in text_files()
        if not name.startswith(("tests/", "data_prep/datasets.yaml", "data_prep/manifests/"))
        and not name.startswith(("baselines/models.", "docs/systems.md"))
        for host in re.findall(r"https?://([\w.-]+)", text)
    }
    assert hosts <= known


def test_git_holds_no_large_file():
    """Nothing above 1 MB but shipped weights below 3 MB, less than 8 MB in all."""
    sizes = {path.name: path.stat().st_size for path in git_files()}
    limits = {name: 3_000_000 if name.endswith(".safetensors") else 1_000_000 for name in sizes}
    assert {name: size for name, size in sizes.items() if size > limits[name]} == {}
    assert sum(path.stat().st_size for path in git_files()) < 8_000_000


def test_generated_files_are_not_in_git():
    """Nor would git take them: data, results, logs, rendered tables."""
    generated = ("data/", "results/", "logs/", ".snakemake/")
    for path in files_of_the_project():
        name = path.relative_to(REPOSITORY).as_posix()
        assert not name.startswith(generated), name
        assert not re.fullmatch(r"reports/[^/]+\.(html|csv|md|tex|svg)", name), name
        shipped = name.startswith("semanir/weights/") and name.endswith(".safetensors")
        assert shipped or not name.endswith((".partial", ".pyc", ".safetensors", ".pt")), name


def test_every_yaml_and_json_file_parses():
    parsed = []
    for name, text in text_files():
        if name.endswith((".yaml", ".yml", ".cff")):
            assert yaml.safe_load(text), name
            parsed.append(name)
        if name.endswith(".json"):
            assert json.loads(text), name
    expected = {"semanir/plan/scales.yaml", "semanir/plan/models.yaml", "baselines/models.yaml"}
    expected |= {"data_prep/tasks.yaml", "reports/tables/layouts.yaml", "environment.yml"}
    assert expected <= set(parsed)


def test_no_yaml_mapping_names_a_key_twice():
    """PyYAML would silently keep the second."""

    class Strict(yaml.SafeLoader):
        pass

    def mapping(loader, node):
        keys = [loader.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"line {node.start_mark.line + 1}: {keys}"
        return loader.construct_mapping(node, deep=True)

    Strict.add_constructor("tag:yaml.org,2002:merge", lambda loader, node: node.value)
    Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    for name, text in text_files():
        if name.endswith((".yaml", ".yml", ".cff")):
            yaml.load(text, Loader=Strict)


def test_the_config_schema_knows_the_scales():
    """The enum of `--config scale=` is the list of scales.yaml; the default is one of them."""
    schema = yaml.safe_load((REPOSITORY / "semanir/plan/config.schema.yaml").read_text())
    scales = yaml.safe_load((REPOSITORY / "semanir/plan/scales.yaml").read_text())
    scale = schema["properties"]["scale"]
    assert scale["enum"] == list(scales)
    assert scale["default"] == "smoke"
    assert schema["additionalProperties"] is False
