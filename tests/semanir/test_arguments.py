"""Every command line of the project: bad values end in one line that names them, exit code 2."""

import argparse
import ast
import json
import shlex
from importlib import import_module
from pathlib import Path

import pytest
from checkout import REPOSITORY

from semanir import cli
from semanir.arguments import positive, whole

RUN = "--task denoise_gray-sigma50 --model semanir-u"
ODD = {"text": "abc", "nothing": "0", "negative": "-3", "fraction": "2.5", "superscript": "²"}
RECORD = {"schema": 1, "kind": "eval", "identity": {"scale": "smoke"}, "provenance": {}}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working folder with a folder, a text, a picture's name and a cut JSON file in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("SEMANIR_MIRROR", "SEMANIR_WEIGHTS_DIR", "SEMANIR_ACCEPT_NONCOMMERCIAL"):
        monkeypatch.delenv(name, raising=False)
    Path("folder").mkdir()
    Path("text").write_text("no such thing\n")
    Path("bytes").write_bytes(bytes(range(256)))
    Path("cut.json").write_text('{"schema": 1, "ki')
    Path("list.json").write_text("[1, 2]")
    Path("other.json").write_text(json.dumps({"schema": 1, "kind": "visual", "identity": 3}))
    Path("lacks.json").write_text(json.dumps(RECORD))
    Path("empty").write_bytes(b"")
    return tmp_path


def refused(capsys, module, command):
    """The last line of stderr of a command that ends with exit code 2, in this process."""
    with pytest.raises(SystemExit) as stop:
        import_module(module).main(shlex.split(command))
    shown = capsys.readouterr().err
    assert stop.value.code == 2, shown
    assert "Traceback" not in shown
    last = shown.splitlines()[-1]
    assert "error: " in last
    return last


def numbers(module, command, option, least, kinds=ODD):
    """Cases of a number: text, a fraction, and what is below the least."""
    wrong = {"abc", "-3", "2.5", "²"} | ({"0"} if least > 0 else set())
    return [
        pytest.param(module, f"{command} {option} {value}", value, id=f"{module} {option} {kind}")
        for kind, value in kinds.items()
        if value in wrong
    ]


SECONDS = {"text": "abc", "nothing": "0", "negative": "-3", "infinite": "inf", "none": "nan"}
NUMBERS = [
    *numbers("semanir.train.training", RUN, "--seed", 0),
    *numbers("semanir.train.training", RUN, "--threads", 1),
    *numbers("semanir.train.training", RUN, "--workers", 0),
    *numbers("semanir.evaluate.evaluation", RUN, "--seed", 0),
    *numbers("semanir.evaluate.evaluation", RUN, "--threads", 1),
    *numbers("semanir.evaluate.evaluation", RUN, "--tile", 1),
    *numbers("semanir.evaluate.visual", RUN, "--seed", 0),
    *numbers("semanir.evaluate.visual", RUN, "--threads", 1),
    *numbers("semanir.evaluate.activation", RUN, "--seed", 0),
    *numbers("semanir.measure.networks", "time dncnn --input 1x8x8", "--threads", 1),
    *numbers("semanir.measure.networks", "memory dncnn --input 1x8x8", "--threads", 1),
    *numbers(
        "semanir.measure.networks", "record results/smoke/cost/dncnn/count.json", "--threads", 1
    ),
    *numbers("semanir.measure.networks", "compare", "--threads", 1),
    *numbers("semanir.measure.attention", "bench", "--threads", 1),
    *numbers("semanir.cli", "bench", "--threads", 1),
    *numbers("semanir.cli", "restore a -o b", "--threads", 1),
    *numbers("semanir.cli", "restore a -o b", "--k", 1),
    *numbers("semanir.cli", "restore a -o b", "--tile", 0),
    *numbers("semanir.cli", "restore a -o b", "--overlap", 0),
    *numbers("semanir.cli", "info semanir-s", "--scale", 2),
    *(
        pytest.param(module, f"{command} --seconds {value}", value, id=f"{module} --seconds {kind}")
        for module, command in (
            ("semanir.measure.networks", "time dncnn --input 1x8x8"),
            ("semanir.measure.attention", "bench"),
        )
        for kind, value in SECONDS.items()
    ),
]

DENOISE = "restore text -o o.png --task denoise"
WORDS = [
    # unknown names
    ("semanir.train.training", f"{RUN} --scale smoek", "smoek"),
    ("semanir.train.training", "--task denoise_gray --model semanir-u", "denoise_gray"),
    ("semanir.train.training", "--task denoise_gray-sigma50 --model dncnn", "dncnn"),
    ("semanir.train.training", "--task sr-x2 --model semanir-u", "semanir-u"),
    ("semanir.train.training", f"{RUN} --seed {10**20}", str(10**20)),
    ("semanir.evaluate.evaluation", f"{RUN} --scale smoek", "smoek"),
    ("semanir.evaluate.evaluation", "--task denoise --model semanir-u", "denoise"),
    ("semanir.evaluate.evaluation", "--task denoise_gray-sigma50 --model semanir", "semanir"),
    ("semanir.evaluate.evaluation", "--task denoise_gray-sigma50 --model edt", "edt"),
    ("semanir.evaluate.evaluation", f"{RUN} --without set13", "set13"),
    ("semanir.evaluate.activation", f"{RUN} --scale smoek", "smoek"),
    ("semanir.evaluate.activation", "--task nothing", "nothing"),
    ("semanir.evaluate.activation", "--model dncnn", "dncnn"),
    ("semanir.evaluate.visual", f"{RUN} --scale smoek", "smoek"),
    ("semanir.evaluate.visual", "--task denoise_gray-sigma50 --model dncnn", "dncnn"),
    ("semanir.evaluate.visual", f"{RUN} --beside dncn", "dncn"),
    ("semanir.evaluate.visual", RUN, "no such record"),
    ("semanir.measure.price", "--scale smoek", "smoek"),
    ("semanir.measure.price", "--scale smoke --without set13", "set13"),
    ("semanir.measure.price", "--scale smoke --systems semanir-u", "semanir-u"),
    ("semanir.measure.attention", "memory --scale smoek", "smoek"),
    ("semanir.measure.attention", "complexity --scale smoek", "smoek"),
    ("semanir.measure.attention", "bench --scale smoek", "smoek"),
    ("semanir.measure.attention", "memory --device tpu", "tpu"),
    ("semanir.measure.networks", "record results/smoke/cost/dncn/count.json", "dncn"),
    ("semanir.measure.networks", "record results/smoek/cost/dncnn/count.json", "smoek"),
    ("semanir.measure.networks", "record results/smoke/dncnn.json", "results/smoke/dncnn.json"),
    ("semanir.measure.networks", "compare --scale smoek", "smoek"),
    ("semanir.measure.networks", "count dncn --input 1x8x8", "dncn"),
    ("semanir.measure.networks", "count dncnn:sigma15 --input 1x8x8", "sigma15"),
    ("semanir.measure.networks", "count input --input 1x8x8", "input"),
    ("data_prep.__main__", "sizes --scale smoek", "smoek"),
    ("data_prep.__main__", "download set13", "set13"),
    ("data_prep.__main__", "download set5 --mirror missing", "missing"),
    ("data_prep.__main__", "download set5 --mirror text", "text"),
    ("data_prep.__main__", "forget set13", "lock.json"),
    ("data_prep.__main__", "forget set13 --lock cut.json", "cut.json, line 1"),
    ("data_prep.__main__", "forget set13 --lock list.json", "list.json"),
    ("data_prep.__main__", "forget set13 --lock folder", "folder"),
    ("data_prep.__main__", "prepare set13 out", "set13"),
    ("data_prep.__main__", "prepare set5 out", "set5 is not downloaded"),
    ("data_prep.__main__", "prepare embedded_gray text", "text"),
    ("data_prep.__main__", "degrade nothing sigma50 folder out", "nothing"),
    ("data_prep.__main__", "degrade denoise_gray sigma51 folder out", "sigma51"),
    ("data_prep.__main__", "degrade denoise_gray sigma50 missing out", "missing"),
    ("data_prep.__main__", "degrade denoise_gray sigma50 text out", "text"),
    ("baselines.weights", "dncn denoise_gray", "dncn"),
    ("baselines.weights", "dncnn sr-x2", "sr-x2"),
    ("semanir.train.vgg", "folder", "folder"),
    ("semanir.train.vgg", "text/vgg.safetensors", "text"),
    # networks and inputs
    ("semanir.measure.networks", "time ffdnet --input 3x8x8 --seconds 1", "3x8x8"),
    ("semanir.measure.networks", f"count dncnn --input 1x{9 * 10**8}x{9 * 10**8}", "900000000"),
    ("semanir.measure.networks", f"time dncnn --input 1x{9 * 10**8}x{9 * 10**8}", "900000000"),
    ("semanir.measure.networks", "count dncnn --input 1x²x8", "1x²x8"),
    ("semanir.measure.networks", "count semanir-s:backend=mask --input 3x8x8", "x4:backend=mask"),
    ("semanir.measure.networks", "count swinir:x4:backend=mask --input 3x8x8", "swinir"),
    ("semanir.measure.networks", "count semanir-u:rgb:k=8:backend=mask --input 3x8x8", "8:backend=mask"),
    ("semanir.measure.networks", "count semanir-s:x4:k=abc --input 3x8x8", "abc"),
    ("semanir.measure.networks", "count semanir-s:x4:k=-3 --input 3x8x8", "-3"),
    ("semanir.measure.networks", "count semanir-s:x4:k=2.5 --input 3x8x8", "2.5"),
    ("semanir.measure.networks", "count semanir-s:x4:k --input 3x8x8", "k must be"),
    ("semanir.measure.networks", "count semanir-s:x4:heads=0 --input 3x8x8", "heads"),
    ("semanir.measure.networks", "count semanir-s:x4:layers=0 --input 3x8x8", "layers"),
    ("semanir.measure.networks", "count semanir-s:x4:include_self=7 --input 3x8x8", "include_self"),
    ("semanir.measure.networks", "count semanir-u:rgb:dims=3 --input 3x8x8", "dims"),
    ("semanir.measure.networks", "count semanir-u:rgb:backend=fats --input 3x8x8", "fats"),
    ("semanir.cli", "info semanir-x", "semanir-x"),
    ("semanir.cli", "info semanir-u --input 4x8x8", "4"),
    ("semanir.cli", "info semanir-u --input 3x8", "3x8"),
    ("semanir.cli", "info semanir-s --scale 5", "5"),
    ("semanir.cli", "info folder", "folder"),
    ("semanir.cli", "info text", "text"),
    ("semanir.cli", "info empty", "empty"),
    ("semanir.cli", "info missing.safetensors", "missing.safetensors"),
    ("semanir.cli", f"{DENOISE} --sigma 25.5", "one of 15, 25, 50, got '25.5'"),
    ("semanir.cli", f"{DENOISE} --sigma -25", "one of 15, 25, 50, got '-25'"),
    ("semanir.cli", "restore text -o o.png --task sr --scale two", "one of 2, 3, 4, got 'two'"),
    ("semanir.cli", "restore text -o o.png --task jpeg --qf 0", "one of 10, 20, 30, 40, got '0'"),
    ("semanir.cli", "restore missing.png -o o.png --task denoise --sigma 25", "missing.png"),
    ("semanir.cli", "restore folder -o o --task denoise --sigma 25", "folder"),
    # files of the reports
    ("reports.tables.tables", "table99", "table99"),
    ("reports.tables.tables", "table10 --scale smoek", "smoek"),
    ("reports.collect", "folder lacks.json", "lacks.json"),
    ("reports.accepted_pages", "missing.csv.gz --out out", "missing.csv.gz"),
    ("reports.accepted_pages", "text --out out", "text"),
    ("reports.gate.gate", "check --reference smoek --candidate text", "smoek"),
    ("reports.gate.gate", "check --reference missing.csv --candidate text", "missing.csv"),
    ("reports.gate.gate", "check --reference folder --candidate text", "folder"),
    ("reports.gate.gate", "check --reference text --candidate text", "text"),
    ("reports.gate.gate", "check --reference bytes --candidate text", "bytes"),
    ("reports.gate.gate", "check --reference empty --candidate text", "empty"),
    ("reports.gate.gate", "accept --scale smoek --results text", "smoek"),
    ("reports.gate.gate", "accept --results text --machine ÄÖ", "ÄÖ"),
]  # fmt: skip
RECORDS = ("missing.json", "folder", "text", "bytes", "cut.json", "list.json", "lacks.json")
FILES = [
    *(("reports.collect", f"out.csv {name}", name) for name in (*RECORDS, "other.json")),
    *(("reports.tables.tables", f"table10 {name}", name) for name in RECORDS),
    *(("reports.figures.figure04", name, name) for name in RECORDS),
]
TABLES = ("missing.csv", "folder", "text", "bytes", "empty")
FILES += [
    (f"reports.{page}", f"--results {name}", name)
    for page in ("ablations", "claims", "visual", "index")
    for name in TABLES
]
FILES += [
    ("reports.gate.gate", f"check --reference smoke --candidate {name}", name) for name in TABLES
]
FILES += [("reports.gate.gate", f"accept --results {name}", name) for name in TABLES]


@pytest.mark.parametrize(("module", "command", "value"), NUMBERS)
def test_numbers_that_are_none(capsys, module, command, value):
    assert repr(value) in refused(capsys, module, command)


@pytest.mark.parametrize(
    ("module", "command", "value"),
    [pytest.param(*case, id=" ".join(case[:2])) for case in WORDS + FILES],
)
def test_wrong_names_and_files_are_named(capsys, place, module, command, value):
    assert value in refused(capsys, module, command)


# --- what is documented --------------------------------------------------------------------------


def documented():
    """(file, command) of every line of a docstring or of a document's code that is a command."""
    texts = []
    for folder in ("semanir", "baselines", "data_prep", "reports"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            texts.append((path.relative_to(REPOSITORY).as_posix(), told))
    for path in sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")]):
        code = path.read_text(encoding="utf-8").split("```")[1::2]
        texts.append((path.relative_to(REPOSITORY).as_posix(), "\n".join(code)))
    return [
        (name, line.strip())
        for name, text in texts
        for line in text.replace("\\\n", " ").splitlines()
        if line.strip().startswith(("python -m ", "semanir "))
    ]


class ParsedError(Exception):
    """The command line was taken."""


@pytest.mark.parametrize(("name", "command"), documented())
def test_documented_commands_parse(monkeypatch, name, command):
    """Each is taken by the parser that it names; what it would do is not done."""
    parse = argparse.ArgumentParser.parse_args

    def parse_only(*given):
        parse(*given)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    first, *words = shlex.split(command, comments=True)
    if first == "semanir" and words[0] != "bench":
        with pytest.raises(ParsedError):
            cli.make_parser().parse_args(words)
        return
    module, *words = ["semanir.attention", *words] if first == "semanir" else words[1:]
    if (REPOSITORY / module.replace(".", "/") / "__main__.py").is_file():
        module += ".__main__"
    with pytest.raises((ParsedError, SystemExit)) as end:
        import_module(module).main(words)
    assert end.type is ParsedError or end.value.code == 0  # --help


def test_commands_are_found():
    """Those of docstrings, documents and help texts alike."""
    names = {name for name, _ in documented()}
    assert {
        "README.md",
        "docs/workflow.md",
        "semanir/measure/evidence.py",
        "semanir/cli/restore.py",
    } <= names


# --- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "0", "-1", "1.0", "1e3", "\u0663", "²", "9" * 30, " 1", "+1"])
def test_whole_numbers_from_one(text):
    with pytest.raises(argparse.ArgumentTypeError):
        whole(1)(text)


def test_numbers_that_are_fine():
    assert whole(1)("1") == 1 and whole(0)("007") == 7 and whole(0, 9)("9") == 9
    assert positive("2.5") == 2.5 and positive("1e-3") == 0.001
    with pytest.raises(argparse.ArgumentTypeError, match="from 0 to 9"):
        whole(0, 9)("10")
