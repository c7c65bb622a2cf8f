"""Every command line of the project: bad values end in one line that names them, exit code 2."""

import argparse
import ast
import json
import re
import shlex
from pathlib import Path

import pytest
from checkout import REPOSITORY
from restoring import shown_by

from semanir import cli
from semanir.arguments import positive, whole
from semanir.plan.source_hash import PACKAGES

RUN = "--task denoise_gray-sigma50 --model semanir-u"
RECORD = {"schema": 1, "kind": "eval", "identity": {"scale": "smoke"}, "provenance": {}}
CONTENTS = {
    "text": b"no such thing\n",
    "bytes": bytes(range(256)),
    "empty": b"",
    "cut.json": b'{"schema": 1, "ki',
    "list.json": b"[1, 2]",
    "other.json": b'{"schema": 1, "kind": "visual", "identity": 3}',
    "lacks.json": json.dumps(RECORD).encode(),
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with an empty folder and the files of CONTENTS in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("SEMANIR_MIRROR", "SEMANIR_WEIGHTS_DIR", "SEMANIR_ACCEPT_NONCOMMERCIAL"):
        monkeypatch.delenv(name, raising=False)
    Path("folder").mkdir()
    for name, content in CONTENTS.items():
        Path(name).write_bytes(content)


def refused(capsys, command):
    """The last line of stderr of a command that ends with exit code 2, in this process."""
    last = shown_by(capsys, *shlex.split(command), code=2).err.splitlines()[-1]
    assert "error: " in last
    return last


# command: its options that are numbers, each with the least that it takes
LEAST = {
    f"train {RUN}": "seed 0 threads 1 workers 0",
    f"evaluate {RUN}": "seed 0 threads 1 tile 1",
    f"evaluate --what visual {RUN}": "seed 0 threads 1",
    f"evaluate --what activation {RUN}": "seed 0",
    "measure time dncnn --input 1x8x8": "threads 1 seconds inf",
    "measure memory dncnn --input 1x8x8": "threads 1",
    "measure runtime": "threads 1",
    "bench": "threads 1 seconds inf",
    "bench --growth": "megapixels inf",
    "restore a -o b": "threads 1 k 1 tile 0 overlap 0",
    "info semanir-s": "scale 2",
}
WRONG = {"0": "abc -3 2.5 ²", "inf": "abc 0 -3 inf nan"}  # from 1 on 0 as well
NUMBERS = [
    pytest.param(f"{command} --{option} {value}", value, id=f"{command} --{option} {value!a}")
    for command, told in LEAST.items()
    for option, least in zip(told.split()[::2], told.split()[1::2], strict=True)
    for value in WRONG.get(least, f"{WRONG['0']} 0").split()
]

# the error names the word after !, up to the next ! where there is one
NAMED = f"""
train {RUN} --scale !smoek; train --task !denoise_gray --model semanir-u
train --task denoise_gray-sigma50 --model !dncnn; train --task sr-x2 --model !semanir-u
train {RUN} --seed !{10**20}; evaluate {RUN} --scale !smoek
evaluate --task !denoise --model semanir-u; evaluate {RUN} --without !set13
evaluate --task denoise_gray-sigma50 --model !semanir
evaluate --task denoise_gray-sigma50 --model !edt
evaluate --what activation {RUN} --scale !smoek
evaluate --what activation --task denoise_gray-sigma50 --model !dncnn
evaluate --what visual {RUN} --scale !smoek; evaluate --what visual {RUN} --systems !dncn
evaluate --what visual --task denoise_gray-sigma50 --model !dncnn
price --scale !smoek; price --scale smoke --without !set13
price --scale smoke --systems !semanir-u; measure attention memory --scale !smoek
measure attention complexity --scale !smoek; measure attention memory --device !tpu
bench --scale !smoek; bench --growth --network !semanir-x
measure record results/smoke/cost/!dncn!/count.json
measure record results/!smoek!/cost/dncnn/count.json; measure record !results/smoke/dncnn.json
measure runtime --scale !smoek; measure count !dncn --input 1x8x8
measure count dncnn:!sigma15 --input 1x8x8; measure count !input --input 1x8x8
data sizes --scale !smoek; data download !set13; data download set5 --mirror !missing
data download set5 --mirror !text; data forget set13 --lock !list.json
data forget set13 --lock !folder; data prepare !set13 out; data prepare embedded_gray !text
data degrade !nothing sigma50 folder out; data degrade denoise_gray !sigma51 folder out
data degrade denoise_gray sigma50 !missing out; data degrade denoise_gray sigma50 !text out
measure time ffdnet --seconds 1 --input !3x8x8; measure count dncnn --input !1x²x8
measure count dncnn --input 1x{9 * 10**8}x!{9 * 10**8}
measure time dncnn --input 1x{9 * 10**8}x!{9 * 10**8}
measure count semanir-u:rgb:k=!8:backend=mask --input 3x8x8
measure count semanir-s:x4:k=!abc --input 3x8x8; measure count semanir-s:x4:k=!-3 --input 3x8x8
measure count semanir-s:x4:k=!2.5 --input 3x8x8
measure count semanir-u:rgb:backend=!fats --input 3x8x8
info semanir-s --scale !5; info !folder; info !text; info !empty
restore !folder -o o --task denoise --sigma 25
report table !table99; report table table10 --scale !smoek; report results folder !lacks.json
gate check --accepted !smoek --candidate text; gate check --accepted !missing.csv --candidate text
gate check --accepted !folder --candidate text; gate check --accepted !text --candidate text
gate check --accepted !bytes --candidate text; gate check --accepted !empty --candidate text
gate accept --scale !smoek --results text; gate accept --results text --machine !ÄÖ
"""
WORDS = [
    *((c.replace("!", ""), c.split("!")[1].split()[0]) for c in re.split("; |\n", NAMED.strip())),
    (f"evaluate --what visual {RUN}", "no such record"),
    ("data forget set13", "lock.json"),
    ("data forget set13 --lock cut.json", "cut.json, line 1"),
    ("data prepare set5 out", "set5 is not downloaded"),
    ("measure count semanir-s:backend=mask --input 3x8x8", "x4:backend=mask"),
    ("measure count swinir:x4:backend=mask --input 3x8x8", "swinir"),
    ("measure count semanir-s:x4:k --input 3x8x8", "k must be"),
    ("measure count semanir-s:x4:heads=0 --input 3x8x8", "heads"),
    ("measure count semanir-s:x4:layers=0 --input 3x8x8", "layers"),
    ("measure count semanir-s:x4:include_self=7 --input 3x8x8", "include_self"),
    ("measure count semanir-u:rgb:dims=3 --input 3x8x8", "dims"),
    ("restore text -o o.png --task denoise --sigma -25", "from 0 to 255, got '-25'"),
    ("restore text -o o.png --task denoise --sigma 25.5", "from 0 to 255, got '25.5'"),
    ("restore text -o o.png --task sr --scale two", "one of 2, 3, 4, got 'two'"),
    ("restore text -o o.png --task jpeg --qf 0", "from 1 to 100, got '0'"),
]
RECORDS = ("missing.json", "folder", "text", "bytes", "cut.json", "list.json", "lacks.json")
TABLES = ("missing.csv", "folder", "text", "bytes", "empty")
PAGES = [f"report {page} --results" for page in ("ablations", "claims", "visual", "index")]
FILES = [
    (f"{command} {name}", name)
    for commands, names in (
        (["report results out.csv"], (*RECORDS, "other.json")),
        (["report table table10", "report figure04"], RECORDS),
        ([*PAGES, "gate check --accepted smoke --candidate", "gate accept --results"], TABLES),
    )
    for command in commands
    for name in names
]


@pytest.mark.parametrize(("command", "value"), NUMBERS)
def test_numbers_that_are_none(capsys, command, value):
    assert repr(value) in refused(capsys, command)


@pytest.mark.parametrize(("command", "value"), WORDS + FILES)
def test_wrong_names_and_files_are_named(capsys, place, command, value):
    assert value in refused(capsys, command)


def documented():
    """(file, command) of every line of a docstring or of a document's code that is a command."""
    paths = [path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py")]
    paths += [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")]
    for path in sorted(paths):
        text, name = path.read_text(encoding="utf-8"), path.relative_to(REPOSITORY).as_posix()
        code = "\n".join(text.split("```")[1::2])
        text = code if path.suffix == ".md" else ast.get_docstring(ast.parse(text)) or ""
        for line in map(str.strip, text.replace("\\\n", " ").splitlines()):
            if line.startswith(("semanir ", "python -m semanir ")):
                yield name, line


DOCUMENTED = list(documented())


@pytest.mark.parametrize(("name", "command"), DOCUMENTED)
def test_documented_commands_parse(name, command):
    words = shlex.split(command.removeprefix("python -m "), comments=True)[1:]
    if words != ["--help"]:
        assert cli.make_parser().parse_args(words).run
    names = "README.md docs/workflow.md semanir/cli/measure.py semanir/cli/restore.py"
    assert set(names.split()) <= {name for name, _ in DOCUMENTED}


def test_whole_numbers_and_positive_ones():
    for text in ("", "0", "-1", "1.0", "1e3", "\u0663", "²", "9" * 30, " 1", "+1"):
        with pytest.raises(argparse.ArgumentTypeError):
            whole(1)(text)
    assert whole(1)("1") == 1 and whole(0)("007") == 7 and whole(0, 9)("9") == 9
    assert positive("2.5") == 2.5 and positive("1e-3") == 0.001
    with pytest.raises(argparse.ArgumentTypeError, match="from 0 to 9"):
        whole(0, 9)("10")
