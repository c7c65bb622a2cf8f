"""What the documentation says: examples run, links and commands lead somewhere, names are told."""

import ast
import os
import re
import shlex
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
import torch
from checkout import REPOSITORY, copy_of_repository

import semanir
from semanir import checkpoint

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^<!-- (.+?): (\S+) -->\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page, language):
    return [
        text for found, text in BLOCK.findall(page.read_text(encoding="utf-8")) if found == language
    ]


# --- examples ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_python_of_the_readme_runs(tmp_path, monkeypatch):
    """Every block, in order; weights lie where the example loads them from."""
    monkeypatch.chdir(tmp_path)
    path = Path("results/smoke/train/sr-x2/semanir-s/seed0/weights.safetensors")
    path.parent.mkdir(parents=True)
    checkpoint.save(path, semanir.build("semanir-s-tiny", upscale=2))
    tokens, q = torch.rand(1, 64, 12), torch.rand(1, 2, 64, 6)
    names = {"tokens": tokens, "q": q, "k": q, "v": q, "bias_table": torch.rand(2, 225)}
    names |= {"h": 8, "w": 8}
    found = blocks(REPOSITORY / "README.md", "python")
    assert len(found) >= 2
    for text in found:
        exec(compile(text, "README.md", "exec"), names)
    assert names["out"].shape == (1, 2, 64, 6)
    assert isinstance(names["network"], torch.nn.Module)


def follow(page, folder):
    """Do what the comments above a page's code blocks say."""
    for what, name, text in STEP.findall(page.read_text(encoding="utf-8")):
        target = folder / name
        if what == "create":
            target.write_text(text, encoding="utf-8")
        elif what == "append":
            lines = "\n\n" + text if name.endswith(".py") else "\n" + text
            target.write_text(target.read_text(encoding="utf-8") + lines, encoding="utf-8")
        else:
            place = re.fullmatch(r'insert after "(.+)"', what)[1] + "\n"
            before, after = target.read_text(encoding="utf-8").split(place, 1)
            target.write_text(before + place + text + after, encoding="utf-8")


@pytest.mark.slow
def test_everything_that_can_be_added_is_added(tmp_path):
    """docs/adding.md to its end, in a copy of the project; the archive comes from a mirror."""
    copy_of_repository(tmp_path)
    follow(REPOSITORY / "docs" / "adding.md", tmp_path)
    mirror = tmp_path / "mirror" / "example.org"
    mirror.mkdir(parents=True)
    photographs = sorted((REPOSITORY / "data_prep/embedded/test_rgb").glob("*.png"))[:2]
    with zipfile.ZipFile(mirror / "mine.zip", "w") as archive:
        for number, path in enumerate(photographs, 1):
            archive.write(path, f"mine/{number}.png")
    (command,) = blocks(REPOSITORY / "docs" / "adding.md", "bash")
    argv = [sys.executable, "-m", *shlex.split(command.replace("--cores 4", "--cores 2"))]
    argv += ["--config", f"mirror={mirror.parent}"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    cells = pd.read_csv(tmp_path / "reports/table99.csv").set_index(["setting", "metric"])
    assert cells.loc[("rgb", "params"), "verdict"] == "match"
    assert set(cells.xs("PSNR", level="metric")["verdict"]) == {"scaled down"}
    assert (cells.xs("PSNR", level="metric")["measured"] > 20).all()
    assert (cells.xs("PSNR", level="metric")["images"] == 2).all()

    records = map(str, tmp_path.glob("results/smoke/eval/posterize-*/*/seed0.json"))
    for argv in (
        ["reports.collect", "results.csv", *records],
        ["reports.claims", "--results", "results.csv", "--out", "."],
        ["reports.ablations", "--results", "results.csv", "--out", "."],
    ):
        subprocess.run([sys.executable, "-m", *argv], cwd=tmp_path, env=environment, check=True)
    claims = pd.read_csv(tmp_path / "claims.csv").set_index("id")
    assert claims.loc["more-values-more-decibels", "printed"] == "holds"
    ablations = pd.read_csv(tmp_path / "ablations.csv")
    (row,) = ablations[ablations["model"] == "my-network-dense"].itertuples()
    assert (row.against, row.images, row.conclusion) == ("my-network", 2, "inconclusive")


# --- commands and links --------------------------------------------------------------------------


def commands():
    text = "\n".join(b for page in PAGES for b in blocks(page, "bash")).replace("\\\n", " ")
    lines = (line.partition("  #")[0].strip() for line in text.splitlines())
    return sorted({line for line in lines if line and not line.startswith("#")})


def test_modules_that_commands_name_exist():
    named = {name for line in commands() for name in re.findall(r"python3? -m ([\w.]+)", line)}
    assert len(named) >= 5
    for name in named - {"venv"}:
        assert find_spec(name), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", text):
        target = link[0] or link[1]
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page):
    """Files in backticks that begin with a folder of the project and are not made by running it."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for name in re.findall(
        r"`((?:semanir|baselines|data_prep|reports|tests|docs)/[\w./-]*)`", text
    ):
        made = name.endswith((".html", ".safetensors")) or name == "reports/index.html"
        assert made or (REPOSITORY / name).exists(), name


@pytest.mark.slow
@pytest.mark.parametrize("line", [c for c in commands() if c.startswith("snakemake")])
def test_snakemake_commands_plan(line):
    """What the documentation tells to run can be planned; a mirror that is not there is none."""
    if any(word in line for word in ("--report", "--executor", "table99")):
        pytest.skip("needs results, a cluster, or what docs/adding.md adds")
    argv = [sys.executable, "-m", *shlex.split(line), "-n", "--nolock"]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]


# --- docstrings ----------------------------------------------------------------------------------


def public(tree):
    """(name, node) of a module's public functions, classes and their public methods."""
    kinds = ast.FunctionDef | ast.ClassDef
    for node in tree.body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                        yield f"{node.name}.{inner.name}", inner


PACKAGES = ("semanir", "baselines", "data_prep", "reports")
# said by the class, the base class or torch
INHERITED = ("forward", "tile_unit", "setup_context", "backward")


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_say_what_they_are_and_functions_what_they_take(package):
    """Every module and class has a docstring, every public function that returns something."""
    missing = []
    for path in sorted((REPOSITORY / package).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        place = path.relative_to(REPOSITORY).as_posix()
        if tree.body and not ast.get_docstring(tree):
            missing.append(place)
        for name, node in public(tree):
            short = len(node.body) <= 2  # what it does is shorter than what could be said of it
            if not ast.get_docstring(node) and name.split(".")[-1] not in INHERITED and not short:
                missing.append(f"{place}: {name}")
    assert not [name for name in missing if not name.endswith(": main")]
