"""Commands as they are typed, in a copy of the project.

`python tests/cases/typed.py` runs many in turn, so that torch is imported once: a JSON list comes
in, an object of those that failed goes out in a line of its own.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import yaml
from checkout import REPOSITORY, copy_of_repository

BIN = Path(sys.executable).parent


def typed(command, folder: Path, *first: Path, given="") -> subprocess.CompletedProcess[str]:
    """What a shell in `folder` does with a command; the folders `first` come first on PATH.

    A copy of the project imports itself, and torch takes one thread.
    """
    environment = os.environ | {
        "PATH": os.pathsep.join([*map(str, first), str(BIN), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join((str(folder), str(REPOSITORY))),
        "OMP_NUM_THREADS": "1",
    }
    options = {"cwd": folder, "env": environment, "input": given}
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, **options)


def failed(commands: list[str], folder: Path) -> dict[str, str]:
    """What each of the commands `semanir ...` or `python -m ...` that failed ended with."""
    done = typed(f"python {shlex.quote(__file__)}", folder, given=json.dumps(commands))
    # a process that a command forked may still write what it was left with
    (*_, last) = (line for line in worked(done).splitlines() if line.startswith("{"))
    found: dict[str, str] = json.loads(last)
    return found


def in_turn(commands: list[str]) -> dict[str, str]:
    """The exit codes, messages or errors of those that fail."""
    found = {}
    for command in commands:
        _, *words = shlex.split(command)
        module = "semanir.cli" if command.startswith("semanir ") else words[1]
        main = import_module(module).main
        try:
            code = main(words if module == "semanir.cli" else words[2:])
        except SystemExit as stop:
            code = stop.code
        except Exception as error:  # told by the test, with the command that it belongs to
            code = repr(error)
        if code:
            found[command] = str(code)
    return found


def worked(done: subprocess.CompletedProcess[str]) -> str:
    """What a command said, which has to have ended well."""
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    return said


def program(path: Path, text: str) -> Path:
    """A file of `text` that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


SHELL = re.compile(r"    shell:\n(?: {8}.+\n)+")


def without_work(folder: Path) -> Path:
    """A copy whose jobs leave empty files at once, and whose plans have one table, no ablation."""
    copy_of_repository(folder)
    for path in sorted(folder.rglob("*.smk")):
        text = path.read_text(encoding="utf-8")
        stub = SHELL.sub('    shell:\n        "touch {output} {log}"\n', text)
        path.write_text(stub, encoding="utf-8")
    for file, key, value in (
        ("reports/tables/layouts", "on_demand", lambda name: name != "table10"),
        ("semanir/plan/scales", "ablations", lambda name: []),
    ):
        path = folder / f"{file}.yaml"
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = {name: entry | {key: value(name)} for name, entry in entries.items()}
        path.write_text(yaml.safe_dump(entries, sort_keys=False), encoding="utf-8")
    return folder


if __name__ == "__main__":
    faults = in_turn(json.load(sys.stdin))
    print("\n" + json.dumps(faults))
