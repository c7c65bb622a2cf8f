"""`semanir report`: every page by its sub-command, from made-up records."""

import os
import subprocess
import sys

import pytest
from checkout import REPOSITORY
from made_records import activation_record, count_record, denoised, visual_record

from reports.collect import accepted_results
from reports.tables.layouts import default_tables
from semanir.cli import main


@pytest.fixture
def results(tmp_path, monkeypatch):
    """results.csv of some records, in a working folder of its own."""
    monkeypatch.chdir(tmp_path)
    records = [*denoised(tmp_path, {"semanir-u": 0, "semanir-u-window16": 0.3})]
    records += [visual_record(tmp_path), count_record(tmp_path, "semanir-s")]
    main(["report", "results", "results.csv", *map(str, records)])
    return tmp_path / "results.csv"


def test_all_pages_in_one_process_are_those_of_each_alone(results, tmp_path, capsys):
    visual = next(tmp_path.glob("results/smoke/visual/**/*.json"))
    activation = activation_record(tmp_path)
    of_results = ["--results", str(results), "--out"]
    main(["report", "figure04", str(activation), "--out", "alone"])
    main(["report", "visual", str(visual), *of_results, "alone"])
    for name in ("claims", "ablations"):
        main(["report", name, *of_results, "alone"])
    records = ["--visual", str(visual), "--activation", str(activation)]
    main(["report", "index", *of_results, "alone", *records])
    alone = capsys.readouterr().out
    assert "window: 16: +0.300 dB" in alone and "by the paper's own tables: " in alone
    main(["report", "pages", *of_results, "together", *records])
    assert capsys.readouterr().out == alone
    pages = sorted(path.name for path in (tmp_path / "together").iterdir())
    assert {"index.html", "visual.html", "figure04.html", "claims.csv"} <= set(pages)
    for name in pages:
        one, other = (tmp_path / folder / name for folder in ("alone", "together"))
        assert one.read_bytes() == other.read_bytes(), name


def test_all_tables_in_one_process_are_those_of_each_alone(results, tmp_path):
    count = str(next(tmp_path.glob("results/smoke/cost/**/count.json")))
    scores = [str(path) for path in tmp_path.glob("results/smoke/eval/**/*.json")]
    main(["report", "tables", count, *scores, "--out", "together"])
    for table, records in (("table11", [count]), ("table05", scores)):
        main(["report", "table", table, *records, "--out", "alone"])
    assert len(list((tmp_path / "together").iterdir())) == 4 * len(default_tables())
    for path in (tmp_path / "alone").iterdir():
        assert (tmp_path / "together" / path.name).read_bytes() == path.read_bytes(), path.name


def test_accepted_results_are_rendered_by_their_file(tmp_path, capsys):
    (accepted, *_) = accepted_results()
    main(["report", "accepted", str(accepted.path), "--out", str(tmp_path)])
    assert accepted.name in capsys.readouterr().out
    assert {"index.html", "claims.html", "ablations.html", "table12.html"} <= {
        path.name for path in tmp_path.iterdir()
    }


@pytest.mark.parametrize("verb", ["report", "gate"])
def test_help_imports_no_pandas(verb):
    code = f"""
import sys
from semanir.cli import main
try:
    main([{verb!r}, "--help"])
except SystemExit:
    print(sorted({{"pandas", "jinja2", "matplotlib", "torch"}} & set(sys.modules)))
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
