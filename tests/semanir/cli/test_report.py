"""`semanir report`: every page by its sub-command, from made-up records."""

from pathlib import Path

import pytest
from made_records import activation_record, count_record, denoised, visual_record

from reports.tables.layouts import default_tables
from semanir.cli import main


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@pytest.fixture
def results(tmp_path, monkeypatch):
    """results.csv of some records, in a working folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reports.collect.ACCEPTED", tmp_path / "accepted")
    records = [*denoised(tmp_path, {"semanir-u": 0, "semanir-u-window16": 0.3})]
    records += [visual_record(tmp_path), count_record(tmp_path, "semanir-s")]
    main(["report", "results", "results.csv", *map(str, records)])
    return tmp_path / "results.csv"


@pytest.mark.slow
def test_all_pages_in_one_process_are_those_of_each_alone(results, tmp_path, capsys):
    visual = next(tmp_path.glob("results/smoke/visual/**/*.json"))
    activation = activation_record(tmp_path)
    of_results = f"--results {results} --out"
    records = f"--visual {visual} --activation {activation}"
    for page in (
        f"figure04 {activation} --out alone",
        f"visual {visual} {of_results} alone",
        f"claims {of_results} alone",
        f"ablations {of_results} alone",
        f"index {of_results} alone {records}",
    ):
        main(["report", *page.split()])
    alone = capsys.readouterr().out
    assert "window: 16: +0.300 dB" in alone and "by the paper's own tables: " in alone
    main(["report", "pages", *f"{of_results} together {records}".split()])
    assert capsys.readouterr().out == alone
    pages = contents("together")
    assert {"index.html", "visual.html", "figure04.html", "claims.csv"} <= set(pages)
    assert pages == contents("alone")


def test_all_tables_in_one_process_are_those_of_each_alone(results, tmp_path):
    count = str(next(tmp_path.glob("results/smoke/cost/**/count.json")))
    scores = [str(path) for path in tmp_path.glob("results/smoke/eval/**/*.json")]
    main(["report", "tables", count, *scores, "--out", "together"])
    for table, records in (("table11", [count]), ("table05", scores)):
        main(["report", "table", table, *records, "--out", "alone"])
    pages = contents("together")
    assert len(pages) == 4 * len(default_tables()) and contents("alone").items() <= pages.items()
