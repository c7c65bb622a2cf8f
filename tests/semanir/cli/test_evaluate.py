"""The verb `semanir evaluate`: what its record says, and which options it takes."""

from pathlib import Path

import pytest
from restoring import fails, semanir

from semanir.cli import evaluate as verb
from semanir.evaluate import activation, evaluation, visual
from semanir.files import sha256
from semanir.plan import record
from semanir.plan.plan import Plan
from semanir.plan.record import read_record
from semanir.plan.runs import Run

RUN = Run("smoke", "sr-x2", "semanir-s", 0)
SCORES = {"scores": [{"dataset": "embedded_rgb", "level": "x2", "psnr": 30.0}]}


@pytest.mark.parametrize(
    ("what", "path", "module", "function", "body"),
    [
        ("scores", RUN.record, evaluation, "evaluate", SCORES),
        ("visual", RUN.visual, visual, "compare", {"shown": [], "dataset": ""}),
        ("activation", RUN.activation, activation, "activation_of_set", {"image": ""}),
    ],
)
def test_a_record_is_of_what_was_there_when_the_work_began(
    tmp_path, monkeypatch, what, path, module, function, body
):
    monkeypatch.chdir(tmp_path)
    there = (Path("index.json"), Path("commit"), Path(RUN.weights))
    there[2].parent.mkdir(parents=True)

    def become(text):
        for file in there:
            file.write_text(text)

    def work(*given, **options):
        become("after")
        return dict(body)

    become("before")
    digest = sha256(there[0])
    monkeypatch.setattr(record, "_commit", there[1].read_text)
    monkeypatch.setattr(Plan, "evaluation_files", lambda plan, run: ["index.json"])
    monkeypatch.setattr(verb, "restorer_of", lambda *given: None)
    monkeypatch.setattr(verb, "read_record", lambda path: {})
    monkeypatch.setattr(module, function, work)
    semanir("evaluate", "--task", RUN.task, "--model", RUN.model, "--what", what)
    made = read_record(Path(path))
    assert made["provenance"]["commit"] == "before"
    assert made["provenance"]["data"] == {"index.json": digest}
    assert what != "scores" or made["weights_sha256"] == digest


@pytest.mark.parametrize(
    ("what", "options", "of"),
    [
        ("visual", "--tile 64", "scores"),
        ("activation", "--tile 64", "scores"),
        ("visual", "--self-ensemble", "scores"),
        ("activation", "--self-ensemble", "scores"),
        ("scores", "--systems dncnn", "visual"),
        ("activation", "--systems dncnn", "visual"),
    ],
)
def test_options_that_would_be_ignored_are_refused(capsys, what, options, of):
    command = ["evaluate", "--task", RUN.task, "--model", RUN.model, "--what", what]
    option, *_ = options.split()
    assert f"{option} belongs to --what {of}" in fails(capsys, *command, *options.split())
