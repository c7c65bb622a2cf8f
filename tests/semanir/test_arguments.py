"""Every command line of the project: bad values end in one line that names them, exit code 2."""

import argparse
import ast
import json
import shlex
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


def refused(capsys, command):
    """The last line of stderr of a command that ends with exit code 2, in this process."""
    with pytest.raises(SystemExit) as stop:
        cli.main(shlex.split(command))
    shown = capsys.readouterr().err
    assert stop.value.code == 2, shown
    assert "Traceback" not in shown
    last = shown.splitlines()[-1]
    assert "error: " in last
    return last


def numbers(command, option, least):
    """Cases of a number: text, a fraction, and what is below the least."""
    wrong = {"abc", "-3", "2.5", "²"} | ({"0"} if least > 0 else set())
    return [
        pytest.param(f"{command} {option} {value}", value, id=f"{command} {option} {kind}")
        for kind, value in ODD.items()
        if value in wrong
    ]


SECONDS = {"text": "abc", "nothing": "0", "negative": "-3", "infinite": "inf", "none": "nan"}
NUMBERS = [
    *numbers(f"train {RUN}", "--seed", 0),
    *numbers(f"train {RUN}", "--threads", 1),
    *numbers(f"train {RUN}", "--workers", 0),
    *numbers(f"evaluate {RUN}", "--seed", 0),
    *numbers(f"evaluate {RUN}", "--threads", 1),
    *numbers(f"evaluate {RUN}", "--tile", 1),
    *numbers(f"evaluate --what visual {RUN}", "--seed", 0),
    *numbers(f"evaluate --what visual {RUN}", "--threads", 1),
    *numbers(f"evaluate --what activation {RUN}", "--seed", 0),
    *numbers("measure time dncnn --input 1x8x8", "--threads", 1),
    *numbers("measure memory dncnn --input 1x8x8", "--threads", 1),
    *numbers("measure runtime", "--threads", 1),
    *numbers("bench", "--threads", 1),
    *numbers("restore a -o b", "--threads", 1),
    *numbers("restore a -o b", "--k", 1),
    *numbers("restore a -o b", "--tile", 0),
    *numbers("restore a -o b", "--overlap", 0),
    *numbers("info semanir-s", "--scale", 2),
    *(
        pytest.param(f"{command} --seconds {value}", value, id=f"{command} --seconds {kind}")
        for command in ("measure time dncnn --input 1x8x8", "bench")
        for kind, value in SECONDS.items()
    ),
]

DENOISE = "restore text -o o.png --task denoise"
WORDS = [
    # unknown names
    (f"train {RUN} --scale smoek", "smoek"),
    ("train --task denoise_gray --model semanir-u", "denoise_gray"),
    ("train --task denoise_gray-sigma50 --model dncnn", "dncnn"),
    ("train --task sr-x2 --model semanir-u", "semanir-u"),
    (f"train {RUN} --seed {10**20}", str(10**20)),
    (f"evaluate {RUN} --scale smoek", "smoek"),
    ("evaluate --task denoise --model semanir-u", "denoise"),
    ("evaluate --task denoise_gray-sigma50 --model semanir", "semanir"),
    ("evaluate --task denoise_gray-sigma50 --model edt", "edt"),
    (f"evaluate {RUN} --without set13", "set13"),
    (f"evaluate --what activation {RUN} --scale smoek", "smoek"),
    (f"evaluate --what activation {RUN} --seed -1", "-1"),
    ("evaluate --what activation --task denoise_gray-sigma50 --model dncnn", "dncnn"),
    (f"evaluate --what visual {RUN} --scale smoek", "smoek"),
    ("evaluate --what visual --task denoise_gray-sigma50 --model dncnn", "dncnn"),
    (f"evaluate --what visual {RUN} --systems dncn", "dncn"),
    (f"evaluate --what visual {RUN}", "no such record"),
    ("price --scale smoek", "smoek"),
    ("price --scale smoke --without set13", "set13"),
    ("price --scale smoke --systems semanir-u", "semanir-u"),
    ("measure attention memory --scale smoek", "smoek"),
    ("measure attention complexity --scale smoek", "smoek"),
    ("bench --scale smoek", "smoek"),
    ("measure attention memory --device tpu", "tpu"),
    ("measure record results/smoke/cost/dncn/count.json", "dncn"),
    ("measure record results/smoek/cost/dncnn/count.json", "smoek"),
    ("measure record results/smoke/dncnn.json", "results/smoke/dncnn.json"),
    ("measure runtime --scale smoek", "smoek"),
    ("measure count dncn --input 1x8x8", "dncn"),
    ("measure count dncnn:sigma15 --input 1x8x8", "sigma15"),
    ("measure count input --input 1x8x8", "input"),
    ("data sizes --scale smoek", "smoek"),
    ("data download set13", "set13"),
    ("data download set5 --mirror missing", "missing"),
    ("data download set5 --mirror text", "text"),
    ("data forget set13", "lock.json"),
    ("data forget set13 --lock cut.json", "cut.json, line 1"),
    ("data forget set13 --lock list.json", "list.json"),
    ("data forget set13 --lock folder", "folder"),
    ("data prepare set13 out", "set13"),
    ("data prepare set5 out", "set5 is not downloaded"),
    ("data prepare embedded_gray text", "text"),
    ("data degrade nothing sigma50 folder out", "nothing"),
    ("data degrade denoise_gray sigma51 folder out", "sigma51"),
    ("data degrade denoise_gray sigma50 missing out", "missing"),
    ("data degrade denoise_gray sigma50 text out", "text"),
    ("weights dncn denoise_gray", "dncn"),
    ("weights dncnn sr-x2", "sr-x2"),
    ("weights dncnn", "denoise_gray"),
    ("weights rcan sr-x2 --weights-dir missing", "missing"),
    # networks and inputs
    ("measure time ffdnet --input 3x8x8 --seconds 1", "3x8x8"),
    (f"measure count dncnn --input 1x{9 * 10**8}x{9 * 10**8}", "900000000"),
    (f"measure time dncnn --input 1x{9 * 10**8}x{9 * 10**8}", "900000000"),
    ("measure count dncnn --input 1x²x8", "1x²x8"),
    ("measure count semanir-s:backend=mask --input 3x8x8", "x4:backend=mask"),
    ("measure count swinir:x4:backend=mask --input 3x8x8", "swinir"),
    ("measure count semanir-u:rgb:k=8:backend=mask --input 3x8x8", "8:backend=mask"),
    ("measure count semanir-s:x4:k=abc --input 3x8x8", "abc"),
    ("measure count semanir-s:x4:k=-3 --input 3x8x8", "-3"),
    ("measure count semanir-s:x4:k=2.5 --input 3x8x8", "2.5"),
    ("measure count semanir-s:x4:k --input 3x8x8", "k must be"),
    ("measure count semanir-s:x4:heads=0 --input 3x8x8", "heads"),
    ("measure count semanir-s:x4:layers=0 --input 3x8x8", "layers"),
    ("measure count semanir-s:x4:include_self=7 --input 3x8x8", "include_self"),
    ("measure count semanir-u:rgb:dims=3 --input 3x8x8", "dims"),
    ("measure count semanir-u:rgb:backend=fats --input 3x8x8", "fats"),
    ("info semanir-x", "semanir-x"),
    ("info semanir-u --input 4x8x8", "4"),
    ("info semanir-u --input 3x8", "3x8"),
    ("info semanir-s --scale 5", "5"),
    ("info folder", "folder"),
    ("info text", "text"),
    ("info empty", "empty"),
    ("info missing.safetensors", "missing.safetensors"),
    (f"{DENOISE} --sigma 25.5", "one of 15, 25, 50, got '25.5'"),
    (f"{DENOISE} --sigma -25", "one of 15, 25, 50, got '-25'"),
    ("restore text -o o.png --task sr --scale two", "one of 2, 3, 4, got 'two'"),
    ("restore text -o o.png --task jpeg --qf 0", "one of 10, 20, 30, 40, got '0'"),
    ("restore missing.png -o o.png --task denoise --sigma 25", "missing.png"),
    ("restore folder -o o --task denoise --sigma 25", "folder"),
    # files of the reports
    ("report table table99", "table99"),
    ("report table table10 --scale smoek", "smoek"),
    ("report results folder lacks.json", "lacks.json"),
    ("report accepted missing.csv.gz --out out", "missing.csv.gz"),
    ("report accepted text --out out", "text"),
    ("gate check --accepted smoek --candidate text", "smoek"),
    ("gate check --accepted missing.csv --candidate text", "missing.csv"),
    ("gate check --accepted folder --candidate text", "folder"),
    ("gate check --accepted text --candidate text", "text"),
    ("gate check --accepted bytes --candidate text", "bytes"),
    ("gate check --accepted empty --candidate text", "empty"),
    ("gate accept --scale smoek --results text", "smoek"),
    ("gate accept --results text --machine ÄÖ", "ÄÖ"),
]  # fmt: skip
RECORDS = ("missing.json", "folder", "text", "bytes", "cut.json", "list.json", "lacks.json")
FILES = [
    *((f"report results out.csv {name}", name) for name in (*RECORDS, "other.json")),
    *((f"report table table10 {name}", name) for name in RECORDS),
    *((f"report figure04 {name}", name) for name in RECORDS),
]
TABLES = ("missing.csv", "folder", "text", "bytes", "empty")
FILES += [
    (f"report {page} --results {name}", name)
    for page in ("ablations", "claims", "visual", "index")
    for name in TABLES
]
FILES += [(f"gate check --accepted smoke --candidate {name}", name) for name in TABLES]
FILES += [(f"gate accept --results {name}", name) for name in TABLES]


@pytest.mark.parametrize(("command", "value"), NUMBERS)
def test_numbers_that_are_none(capsys, command, value):
    assert repr(value) in refused(capsys, command)


@pytest.mark.parametrize(
    ("command", "value"), [pytest.param(*case, id=case[0]) for case in WORDS + FILES]
)
def test_wrong_names_and_files_are_named(capsys, place, command, value):
    assert value in refused(capsys, command)


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
        if line.strip().startswith(("semanir ", "python -m semanir "))
    ]


@pytest.mark.parametrize(("name", "command"), documented())
def test_documented_commands_parse(name, command):
    """Each is taken by the parser; what it would do is not done."""
    words = shlex.split(command.removeprefix("python -m "), comments=True)[1:]
    if words != ["--help"]:
        assert cli.make_parser().parse_args(words).run


def test_commands_are_found():
    """Those of docstrings, documents and help texts alike."""
    names = {name for name, _ in documented()}
    assert {
        "README.md",
        "docs/workflow.md",
        "semanir/cli/measure.py",
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
