"""Records become results: means, order, files."""

import csv
import json
import math

import pandas as pd
import pytest
from made_records import count_record, eval_record, put

from reports.collect import COLUMNS, collect, means, read_records, read_results, write_results
from reports.pages import index
from semanir.errors import InputError

LACKS = "nothing"


def test_collect_gives_hand_computed_means_in_sorted_rows(tmp_path):
    scores = [
        ("set_b", "sigma50", 28.0, 0.80, 0.82),
        ("set_b", "sigma50", 29.0, 0.90, 0.94),
        ("set_a", "sigma15", 33.0, 0.95, 0.96),
        ("set_a", "sigma50", 24.5, 0.75, 0.76),
        ("set_b", "sigma50", 27.0, 0.70, 0.73),
    ]
    scores_of_input = [("set_a", "sigma15", 20.25, 0.5, 0.6)]
    paths = [
        eval_record(tmp_path, "denoise_gray-blind", "semanir-u", scores),
        eval_record(tmp_path, "denoise_gray-blind", "input", scores_of_input),
        count_record(tmp_path, "semanir-b"),
    ]
    results = collect(paths)
    assert list(results.columns) == COLUMNS
    shown = results[["model", "dataset", "level", "metric", "value", "images"]].astype(object)
    shown = shown.where(shown.notna(), None)
    assert shown[~shown["metric"].str.startswith("ssim")].to_numpy().tolist() == [
        ["input", "set_a", "sigma15", "psnr", 20.25, 1],
        ["semanir-b", None, "", "layers_per_stage", 8, None],
        ["semanir-b", None, "", "stages", 8, None],
        ["semanir-b", None, "x2", "params", 19_896_000, None],
        ["semanir-b", None, "x3", "params", 20_080_640, None],
        ["semanir-b", None, "x4", "params", 20_000_000, None],
        ["semanir-u", "set_a", "sigma15", "psnr", 33.0, 1],
        ["semanir-u", "set_a", "sigma50", "psnr", 24.5, 1],
        ["semanir-u", "set_b", "sigma50", "psnr", 28.0, 3],
    ]
    for metric, values in (
        ("matlab", [0.5, 0.95, 0.75, 0.8]),
        ("zero_padded", [0.6, 0.96, 0.76, 0.83]),
    ):
        found = shown[shown["metric"] == f"ssim_{metric}"]["value"]
        assert found.tolist() == pytest.approx(values)
    first = results[results["model"] == "semanir-u"].iloc[0]
    expected = {"scale": "smoke", "task": "denoise_gray-blind", "seed": 0, "k": 32, "batch": 1}
    expected |= {"network": "semanir-u-tiny", "parameters": 34_567, "protocol": "p-sigma15 v1"}
    expected |= {"commit": "0123456789ab", "source": "abcdefabcdef", "torch": "2.13.0"}
    expected |= {"machine": "A Processor <at> 2 GHz & more", "instruction_set": "AVX2"}
    expected |= {"threads": 1, "record": str(paths[0])}
    assert {name: first[name] for name in expected} == expected


def test_collect_keeps_an_infinite_psnr(tmp_path):
    equal, other = (("embedded_rgb", "x2", psnr, 1.0, 1.0) for psnr in (math.inf, 30.0))
    paths = [eval_record(tmp_path, "sr-x2", "semanir-s", [equal, other])]
    paths.append(eval_record(tmp_path, "sr-x2", "input", [other]))
    psnr = collect(paths).query("metric == 'psnr'").set_index("model")["value"]
    assert psnr["semanir-s"] == math.inf
    write_results(paths, tmp_path / "results.csv")
    back = means(read_results(tmp_path / "results.csv"))
    assert back[back["metric"] == "psnr"]["value"].tolist() == [30.0, math.inf]
    assert index.gains(back)["gain"].tolist() == [math.inf]


def test_results_csv_holds_what_was_collected(everything, tmp_path):
    write_results(everything, tmp_path / "results.csv")
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(read_records(everything))
    place = ("semanir-s", "x2", "params")
    params = [row for row in rows if (row["model"], row["level"], row["metric"]) == place]
    assert [float(row["value"]) for row in params] == [11_869_775]
    assert {row["seed"] for row in rows} == {"0", ""}
    assert {row["images"] for row in rows} == {"", "3"}  # of times, their rounds
    assert {row["image"] for row in rows if row["metric"] == "psnr"} >= {"0.png", "1.png"}
    back = read_results(tmp_path / "results.csv")
    pd.testing.assert_frame_equal(back, read_records(everything), check_dtype=False)
    pd.testing.assert_frame_equal(means(back), collect(everything[::-1]), check_dtype=False)
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, LACKS) for name in ("scores", "protocols", "provenance", "identity", "kind")),
        *((name, None) for name in ("scores", "protocols", "identity")),
        *(("identity", value) for value in (3, [1], "text")),
        *(("scores", value) for value in (3, [1], {"a": 1}, [{"dataset": 1}])),
        *(("protocols", value) for value in ([], {"x2": 3})),
        *(("provenance", value) for value in ("text", {"machine": 1, "versions": []})),
        ("counted", 3),
        ("config", 3),
    ],
)
def test_broken_records_are_named(tmp_path, field, value):
    path = eval_record(tmp_path, "sr-x2", "input", [("embedded_rgb", "x2", 30.0, 0.9, 0.9)])
    record = json.loads(path.read_text()) | {field: value}
    if value == LACKS:
        del record[field]
    put(path, record)
    with pytest.raises(InputError, match=r"broken record .*seed0\.json") as refused:
        collect([path])
    assert "delete" not in str(refused.value)


def test_broken_results_are_named(everything, tmp_path):
    path = tmp_path / "results.csv"
    with pytest.raises(InputError, match=r"no results .*results\.csv; run snakemake"):
        read_results(path)
    results = read_records(everything).astype(object)
    results.drop(columns="task").to_csv(path, index=False)
    with pytest.raises(InputError, match=r"results\.csv has no column task"):
        read_results(path)
    for column, text in (("value", "high"), ("seed", "first"), ("k", "0.5"), ("", "")):
        path.write_text(results.assign(**{column: text}).to_csv(index=False) if column else "")
        with pytest.raises(InputError, match=r"broken results .*results\.csv"):
            read_results(path)


def test_images_with_numbers_for_names_keep_them(tmp_path):
    """01 is not 1, nor 1.0 beside lines without an image."""
    record = eval_record(tmp_path, "sr-x2", "input", [("set5", "x2", 30, 0.9, 0.9)] * 2)
    text = record.read_text().replace('"0.png"', '"01"').replace('"1.png"', '"2"')
    record.write_text(text)
    counted = count_record(tmp_path, "semanir-s")
    read_records([record, counted]).to_csv(tmp_path / "results.csv", index=False)
    found = read_results(tmp_path / "results.csv")
    assert set(found["image"]) == {"01", "2", ""}
