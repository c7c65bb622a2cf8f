"""What the documentation says: commands and examples run, links lead somewhere, names are told."""

import ast
import re
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import torch
from checkout import REPOSITORY, copy_of_repository
from PIL import Image
from typed import failed, program, typed, without_work, worked

import semanir
from reports.collect import ACCEPTED, means, read_results
from reports.tables.verdicts import judge_table
from semanir.cli.page import page as command_line
from semanir.inference import checkpoint
from semanir.plan.cells import cells, tables

DOCS = sorted((REPOSITORY / "docs").glob("*.md"))
PAGES = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + DOCS
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^<!-- (.+?): (\S+) -->\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


def text_of(path):
    return path.read_text(encoding="utf-8")


def blocks(page, language):
    return [text for found, text in BLOCK.findall(text_of(page)) if found == language]


def commands():
    """Every command that is shown, without its comment, each once; further lines belong to it."""
    text = "".join(block for page in PAGES for block in blocks(page, "bash"))
    text = re.sub(r"\\\n\s*|&&\n", lambda found: found[0].rstrip("\\\n ") + " ", text)
    lines = (line.partition("  #")[0].strip() for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


INSTALLS = "installs packages; CI does that by the same lines (tests/workflow/test_project.py)"
TESTS = "runs the tests, which are what is running; CI does that by .ci/run"
# every command that is not run here as it is typed, and why
NOT_RUN = {
    "python3 -m venv .venv && . .venv/bin/activate && pip install -c constraints.txt -e . &&"
    " pip install --no-deps -r baselines/requirements.txt && snakemake --cores 4 all": INSTALLS,
    '. .venv/bin/activate && pip install -c constraints.txt -e ".[test]" &&'
    " pip install --no-deps -r baselines/requirements.txt && pytest": INSTALLS,
    **dict.fromkeys(("pytest", "pytest -m slow", 'pytest -m ""'), TESTS),
    "python .ci/policy.py && ruff check . && ruff format --check . && mypy"
    " && snakefmt --check Snakefile ./*/*.smk": TESTS,
    'pip install -c constraints.txt -e ".[cluster]"': INSTALLS,
    "semanir bench --device cuda": "needs a GPU",
    "semanir report compare --history reports/accepted/smoke.csv": "needs the history of git, which"
    " a copy has not; tests/reports/test_compare.py runs it",
    "semanir train status results/smoke --tensorboard runs": "needs the package tensorboard",
    "semanir report crate results/smoke --out smoke.crate.zip": "needs the package rocrate; run by"
    " tests/reports/test_crate.py",
    "torchrun --standalone --nproc-per-node 2 -m semanir train --scale smoke --task sr-x2"
    " --model semanir-s": "tests/semanir/train/test_ranks.py starts the like",
    "python -m tests.workflow.chaos --kills 300 --seed 0": "takes an hour; a test spends 30 kills",
}
SLURM = "snakemake all --profile profiles/slurm --config scale=paper"
ASKED = " --set-resources train:runtime=480 train:mem_mb=64000 --retries 20"
NOT_RUN |= dict.fromkeys((SLURM, SLURM + ASKED), "tests/workflow/test_slurm.py has a Slurm for it")
LONG = """semanir bench
semanir bench --growth
snakemake reports/speed.html
semanir measure count swinir:x4 hat:x4 semanir-s:x4:k=256 --input 3x128x128
semanir measure time swinir:x4 semanir-s:x4:k=64 --input 3x64x64
semanir measure memory semanir-u:rgb:k=128 --input 3x256x256
semanir price --scale mini
semanir price --scale gpu
semanir price --scale paper"""
NOT_RUN |= dict.fromkeys(LONG.splitlines(), "measures or counts for half a minute and more")


def runs(start):
    """The commands that are run and start so."""
    found = [c for c in commands() if c.startswith(start) and c not in NOT_RUN]
    assert found
    return found


def test_every_command_is_run_or_said_not_to_be():
    """No entry of NOT_RUN is stale, and the tests below know what to do with all others."""
    known, starts = commands(), ("snakemake ", "python -m ", "semanir ")
    assert [c for c in known if c not in NOT_RUN and not c.startswith(starts)] == []
    assert set(NOT_RUN) <= set(known) and len(known) >= 40


def smoke(command):
    """Whether what a Snakemake command asks for is what the finished run has made."""
    return not any(word in command for word in ("scale=", "extra_", "table99"))


@pytest.mark.slow
def test_snakemake_commands_of_finished_results_run(finished, tmp_path):
    """As typed. What a command names is taken away before it, so that it has something to do."""
    folder = shutil.copytree(finished, tmp_path / "copy", symlinks=True)
    for command in filter(smoke, runs("snakemake ")):
        words = ["reports/index.html" if word == "all" else word for word in command.split()]
        files = [folder / word for word in words if (folder / word).is_file()]
        for path in [] if "-n" in words else files:
            path.unlink()
        said = worked(typed(command, folder))
        assert all(path.is_file() for path in files), f"{command}\n{said[-3000:]}"
    assert zipfile.is_zipfile(folder / "report.zip")


# a submit command that starts what it is given, and notes what was asked for
SBATCH = '#!/bin/sh\necho "$*" >> asked\nfor script; do :; done\nsh "$script" >&2 &\necho $!\n'


@pytest.mark.slow
def test_snakemake_commands_that_take_long_run_without_their_work(tmp_path):
    """As typed: other scales, weights from elsewhere, a cluster. Networks and pages are stubs."""
    folder = without_work(tmp_path)
    program(folder / "bin/sbatch", SBATCH)
    (folder / "FOLDER").mkdir()
    long = [c for c in runs("snakemake ") if not smoke(c) and "table99" not in c]
    assert len(long) >= 10
    # the cluster comes after `all` of the same plan, where one job is left to do: each of its jobs
    # reads the workflow anew
    turn = ("--executor", "scale=mini", "all --config scale=mini$")
    for command in sorted(long, key=lambda c: [bool(re.search(word, c)) for word in turn]):
        if "--executor" in command:
            (folder / "reports/index.html").unlink()
        said = worked(typed(command, folder, folder / "bin"))
        if " -n " not in command:
            assert "steps (100%) done" in said, f"{command}\n{said[-3000:]}"
    (asked,) = text_of(folder / "asked").splitlines()
    assert asked.startswith("--parsable --cpus-per-task=1 ")


@pytest.fixture
def beside(finished, tmp_path):
    """A copy of the finished results with the files that commands name."""
    folder = shutil.copytree(finished, tmp_path / "copy", symlinks=True)
    results = folder / "results/smoke"
    weights = "train/denoise_gray-sigma50/semanir-u/seed0/weights.safetensors"
    shutil.copy(results / weights, folder / "FILE.safetensors")
    shutil.copy(results / "results.csv", folder / "results.csv")
    shutil.copy(folder / "reports/accepted/smoke.csv", folder / "ACCEPTED.csv")
    grey = folder / "data_prep/embedded/test_gray"
    picture = Image.open(next(grey.glob("*.png"))).crop((0, 0, 64, 64))
    for name in ("noisy.png", "blocky.jpg", "small.png", "small.jpg", "scans/1.png", "mosaic.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        picture.convert("RGB" if "mosaic" in name else "L").save(folder / name)
    record = "eval/jpeg_color-blind/input/seed0.json"
    (folder / "results/mini" / record).parent.mkdir(parents=True)
    text = text_of(results / record).replace('"smoke"', '"mini"')
    (folder / "results/mini" / record).write_text(text)
    return folder


@pytest.mark.slow
def test_other_commands_run(beside):
    """As typed, but in one process, since each of them would import torch anew."""
    assert failed([*runs("semanir "), *runs("python -m ")], beside) == {}
    pictures = ("restored.png", "clean.png", "smooth.png", "large.png", "colour.png")
    pictures += ("clean/1.png", "three-times.png", "larger.png", "cleaner.png")
    for made in (*pictures, "mine/weights.safetensors", "gate.md", "reports/table04.html"):
        assert (beside / made).stat().st_size, made


@pytest.mark.slow
def test_python_of_the_documents_runs(tmp_path, monkeypatch):
    """Every block, in order, but what is added; weights lie where the example loads them from."""
    monkeypatch.chdir(tmp_path)
    path = Path("results/smoke/train/sr-x2/semanir-s/seed0/weights.safetensors")
    path.parent.mkdir(parents=True)
    checkpoint.save(path, semanir.build("semanir-s-tiny", upscale=2))
    Image.new("L", (30, 20)).save("noisy.png")
    names = {"tokens": torch.rand(1, 64, 12), "bias_table": torch.rand(2, 225), "h": 8, "w": 8}
    names |= dict.fromkeys("qkv", torch.rand(1, 2, 64, 6))
    pages = [page for page in PAGES if page.name != "adding.md" and blocks(page, "python")]
    assert {"README.md", "python.md"} <= {page.name for page in pages}
    for page in pages:
        for text in blocks(page, "python"):
            exec(compile(text, page.name, "exec"), names)
    assert names["restored"].shape == (96, 80, 3) and names["out"].shape == (1, 2, 64, 6)
    assert isinstance(names["network"], torch.nn.Module)
    assert [Image.open(f"{name}.png").size for name in ("restored", "clean")] == [(30, 20)] * 2


def follow(page, folder):
    """Do what the comments above a page's code blocks say."""
    for what, name, text in STEP.findall(text_of(page)):
        target = folder / name
        if what == "append":
            text = text_of(target) + ("\n\n" if name.endswith(".py") else "\n") + text
        elif what != "create":
            place = re.fullmatch(r'insert after "(.+)"', what)[1] + "\n"
            before, after = text_of(target).split(place, 1)
            text = before + place + text + after
        target.write_text(text, encoding="utf-8")


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
    (command,) = runs("snakemake reports/table99.html")
    worked(typed(f"{command} --config mirror={mirror.parent}", tmp_path))
    cells = pd.read_csv(tmp_path / "reports/table99.csv").set_index(["setting", "metric"])
    assert cells.loc[("rgb", "params"), "verdict"] == "match"
    scores = cells.xs("PSNR", level="metric")
    assert set(scores["verdict"]) == {"scaled down"} and set(scores["images"]) == {2}
    assert (scores["measured"] > 20).all()

    records = map(str, tmp_path.glob("results/smoke/eval/posterize-*/*/seed0.json"))
    pages = [f"semanir report results results.csv {' '.join(records)}"]
    pages += [f"semanir report {p} --results results.csv --out ." for p in ("claims", "ablations")]
    assert failed(pages, tmp_path) == {}
    claims = pd.read_csv(tmp_path / "claims.csv").set_index("id")
    assert claims.loc["more-values-more-decibels", "printed"] == "holds"
    ablations = pd.read_csv(tmp_path / "ablations.csv")
    (row,) = ablations[ablations["model"] == "my-network-dense"].itertuples()
    assert (row.against, row.images, row.conclusion) == ("my-network", 2, "inconclusive")


def anchors(page):
    """What links may name of a page: its headings as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_named_files_lead_somewhere(page):
    """Files in backticks begin with a folder of the project and are not made by running it."""
    text = text_of(page)
    for path, anchor, source in re.findall(r"\]\(([^)#]*)(#[^)]+)?\)|src=\"([^\"]+)\"", text):
        target = path or source
        if not target.startswith("http"):
            found = page.parent / target if target else page
            assert found.exists(), target
            assert not anchor or anchor[1:] in anchors(found), target + anchor
    named = r"`((?:semanir|baselines|data_prep|reports|tests|docs)/[\w./-]*)`"
    for name in re.findall(named, re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)):
        assert name.endswith((".html", ".safetensors")) or (REPOSITORY / name).exists(), name


def test_the_readme_is_short_and_the_index_names_every_page():
    assert len(text_of(REPOSITORY / "README.md").splitlines()) <= 130
    index = text_of(REPOSITORY / "docs" / "README.md")
    named = set(re.findall(r"^\* \[([\w-]+\.md)\]\(\1\): ", index, re.MULTILINE))
    assert named == {page.name for page in DOCS} - {"README.md"}


def test_the_readme_counts_right():
    text = " ".join(text_of(REPOSITORY / "README.md").split())
    printed = [cell for table in tables() if table.startswith("table") for cell in cells(table)]
    numbers = [cell for cell in printed if cell.kind == "number"]
    assert f"**{len(numbers)}** printed numbers of the tables" in text

    (path,) = ACCEPTED.glob("mini-*.csv.gz")
    results = means(read_results(path))
    judged = [(j.cell, j.verdict) for t in tables() for j in judge_table(cells(t), "mini", results)]
    assert [verdict for cell, verdict in judged if cell.table == "table11"] == ["match"] * 10
    ours = [(c, v) for c, v in judged if c.metric == "params" and re.search("SemanIR-[SB]", c.row)]
    assert {verdict for _, verdict in ours} == {"match"}
    variants = {cell.row.partition(": ")[2] or cell.row for cell, _ in ours}
    assert {name.split()[0] for name in variants} == {"SemanIR-S", "SemanIR-B"}
    sizes = [name for name in variants if "×" in name]
    assert f"**{len(sizes)} of 6** variants" in text

    scores = [(c, v) for c, v in judged if (c.table, c.metric) == ("table07", "PSNR")]
    released = [v for c, v in scores if re.search("DnCNN|FFDNet", c.method) and v != "not run"]
    assert f"**{released.count('match')} of {len(released)}** cells of Table 7" in text


def test_the_page_of_the_command_line_is_what_the_parsers_say():
    committed = text_of(REPOSITORY / "docs" / "command-line.md")
    assert committed == command_line(), "run python -m semanir.cli.page docs/command-line.md"
    sections = set(re.findall(r"^##+ `semanir ([a-z ]+)`", committed, re.MULTILINE))
    assert {"restore", "train", "data prepare", "report table", "gate check"} <= sections


def public(node, prefix=""):
    """(name, node) of a module's public functions, classes and their public methods."""
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef | ast.ClassDef) and not inner.name.startswith("_"):
            yield prefix + inner.name, inner
            if isinstance(inner, ast.ClassDef):
                yield from public(inner, f"{prefix}{inner.name}.")


PACKAGES = ("semanir", "baselines", "data_prep", "reports")
# said by the class, the base class or torch
INHERITED = ("forward", "tile_unit", "setup_context", "backward", "main")


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_say_what_they_are_and_functions_what_they_take(package):
    """Every module and class has a docstring, every public function that returns something."""
    missing = []
    for path in sorted((REPOSITORY / package).rglob("*.py")):
        tree = ast.parse(text_of(path))
        place = path.relative_to(REPOSITORY).as_posix()
        if tree.body and not ast.get_docstring(tree):
            missing.append(place)
        missing += [
            f"{place}: {name}"
            for name, node in public(tree)
            # what a short one does is shorter than what could be said of it
            if not ast.get_docstring(node) and len(node.body) > 2
            if name.split(".")[-1] not in INHERITED
        ]
    assert missing == []
