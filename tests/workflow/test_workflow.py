"""The whole workflow as a user runs it, in a copy of the tracked files."""

import base64
import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from checkout import ENVIRONMENT, copy_of_repository, said
from PIL import Image

from data_prep.datasets import datasets, downloads, prepared_sets, remote_files
from data_prep.mirror import mirrored
from reports.collect import means, read_results
from reports.tables.layouts import default_tables, layouts
from semanir.plan.clock import date_now


def test_every_page_is_there_and_nothing_is_half_written(finished):
    for table in ("02", "04", "07", "08", "09", "10", "11"):
        for ending in ("html", "csv", "md", "tex"):
            assert (finished / f"reports/table{table}.{ending}").stat().st_size > 500
    assert "SemanIR" in (finished / "reports/index.html").read_text()
    assert not [*finished.rglob("*.partial"), *finished.rglob("state.pt")]


def test_trained_networks_beat_their_input(finished):
    results = means(read_results(finished / "results/smoke/results.csv"))
    psnr = results[results["metric"] == "psnr"].set_index(["task", "level", "model"])["value"]
    for task in ("denoise_gray-sigma50", "denoise_gray-blind", "denoise_color-blind"):
        noisy = psnr[f"{task.partition('-')[0]}-blind", "sigma50", "input"]
        assert psnr[task, "sigma50", "semanir-u"] - noisy >= 6
    for model in ("semanir-s", "semanir-b"):
        assert psnr["sr-x2", "x2", model] - psnr["sr-x2", "x2", "input"] >= 0.1


def test_synthetic_degradations_are_stamped(finished):
    for table in ("02", "08"):
        cells = pd.read_csv(finished / f"reports/table{table}.csv")
        assert cells["measured"].isna().all() and cells["stand_in"].notna().any()
        assert "synthetic data" in (finished / f"reports/table{table}.html").read_text()


def test_full_size_counts_match_print_at_the_smoke_scale(finished):
    # SwinIR's printed #P of Table 7 and IPT's of Table 10 are of other variants
    # †DnCNN's printed #P is that of one of its networks for a level
    denoisers = "DnCNN †FFDNet †DRUNet DRUNet Xformer †SemanIR SemanIR"
    upscalers = ("RCAN", "SwinIR", "CAT-A", "ART", "SemanIR-S", "SemanIR-B")
    enlarged = {f"{name} ×{scale}" for name in upscalers for scale in (2, 4)}
    expected = {"table07": set(denoisers.split()), "table10": enlarged}
    for table, matches in (("table07", 7), ("table10", 12), ("table11", 10)):
        cells = pd.read_csv(finished / f"reports/{table}.csv")
        found = cells[(cells["verdict"] == "match") & ~cells["metric"].isin(["PSNR", "SSIM"])]
        assert len(found) == matches
        assert set(found["row"]) == expected.get(table, set(found["row"]))


def test_pages_show_what_was_run_here_and_what_comes_with_the_project(finished):
    """Counts of this run; better evidence than this scale's where the project has some."""
    tables = [pd.read_csv(finished / f"reports/{table}.csv") for table in default_tables()]
    cells = pd.concat(tables).query("measured.notna()")
    assert set(cells.loc[cells["metric"] == "params", "made"]) == {"here"}
    elsewhere = cells[cells["made"] != "here"]
    assert set(elsewhere["scale"]) <= {"paper", "gpu", "release", "mini"} and len(elsewhere)
    index = (finished / "reports/index.html").read_text()
    assert "numbers are resolved" in index and "smoke scale, this machine" in index
    assert not [path for path in (finished / "reports").glob("*-*") if path.is_dir()]


def test_pictures_are_of_ranked_gains_and_score_what_is_told(finished):
    results = pd.read_csv(finished / "results/smoke/results.csv", keep_default_na=False)
    crops = results[results["metric"] == "psnr_crop"]
    assert crops.groupby(["task", "model"]).ngroups == 12
    psnr = results[results["metric"] == "psnr"]
    compared = 0
    for crop in crops.itertuples():
        place = (psnr["dataset"] == crop.dataset) & (psnr["level"] == crop.level)
        restored = psnr[place & (psnr["task"] == crop.task) & (psnr["model"] == crop.model)]
        family = psnr["task"].str.startswith(crop.task.partition("-")[0])
        inputs = psnr[place & family & (psnr["model"] == "input")]
        scores = [frame.set_index("image")["value"] for frame in (restored, inputs)]
        gains = (scores[0] - scores[1]).sort_values()
        record = json.loads((finished / crop.record).read_text())
        (shown,) = [one for one in record["shown"] if one["image"] == crop.image]
        places = {"worst": 0, "median": (len(gains) - 1) // 2, "best": -1}
        assert {gains.iloc[places[rank]] for rank in shown["ranks"]} == {gains[crop.image]}
        files = {n: io.BytesIO(base64.b64decode(text)) for n, text in shown["pictures"].items()}
        pixels = {name: np.asarray(Image.open(file), float) for name, file in files.items()}
        assert max(pixels.pop("whole").shape) <= 288
        assert {picture.shape[:2] for picture in pixels.values()} == {(96, 96)}
        if crop.protocol.startswith(("denoise", "jpeg", "deblur")):  # all pixels, no border
            error = np.mean((pixels["restored"] - pixels["clean"]) ** 2)
            assert crop.value == pytest.approx(10 * np.log10(255**2 / error))
            compared += 1
    assert compared == 7 * 3
    page = (finished / "reports/visual.html").read_text()
    assert page.count("data:image/png;base64,") == (4 + 2) * len(crops) == 6 * 12 * 3


def test_snakemake_makes_a_report_of_its_own(own_finished):
    """A zip with the pages, their captions and categories; it is the work of one command."""
    said(own_finished, "all", "--report", "out.zip")
    with zipfile.ZipFile(own_finished / "out.zip") as archive:
        assert archive.testzip() is None
        inside = {Path(name).name: archive.read(name) for name in archive.namelist()}
    tables = default_tables()
    pages = [f"{p}.html" for p in ("index", "visual", "figure04", "claims", "ablations", *tables)]
    pages += ["results.csv", "all_tables.csv"]
    assert set(inside) == {"report.html", *pages}
    for name in pages:
        folder = "results/smoke" if name == "results.csv" else "reports"
        assert inside[name] == (own_finished / folder / name).read_bytes()
    report = inside["report.html"].decode()
    told = [f'"{category}"' for category in ("Tables", "Figures", "Claims", "Index", "Results")]
    # of the captions: a parameter, counts of inputs, the scale
    told += ["that a table of the paper prints", f"Coverage of {len(tables)} tables"]
    told += ["restoration by 12 networks", "at the\\nsmoke scale"]
    # names that a reader knows, "Table 7: color and grayscale ...", and no others
    names = [layouts()[table]["title"] for table in tables]
    told += [json.dumps(name)[1:-1] for name in (*names, "All tables in one CSV")]
    assert [words for words in told if words not in report] == []
    assert not re.search(r'"table":\s*"table\d', report)


def test_a_second_run_does_nothing_and_a_change_in_a_table_retrains_nothing(own_finished):
    assert "Nothing to be done" in said(own_finished, "all")
    with (own_finished / "reports/tables/verdicts.py").open("a") as file:
        file.write("\n# a comment\n")
    rules = planned(own_finished, "all")
    assert "tables" in rules and not {"train", "evaluate"} & set(rules)


@pytest.fixture
def project(tmp_path):
    return copy_of_repository(tmp_path)


def planned(folder, *targets):
    """Jobs of each rule that a dry run would run."""
    shown = said(folder, "-n", *targets)
    stats = re.search(r"^job +count\n[- ]+\n(.+?)\n\n", shown, re.DOTALL | re.MULTILINE)
    return {name: int(count) for name, count in map(str.split, stats[1].splitlines())}


def test_one_table_plans_only_what_it_needs(project):
    assert planned(project, "reports/table11.html") == {"count": 3, "table": 1, "total": 4}


def test_the_release_scale_scores_what_it_trained_in_its_self_ensemble(project):
    records = [f"results/release/eval/sr-x2/{model}/seed0.json" for model in ("semanir-s", "input")]
    shown = said(project, "-n", "-p", *records, "--config", "scale=release")
    trained, degraded = (
        re.search(rf"semanir evaluate .*--model {model} .*", shown)[0]
        for model in ("semanir-s", "input")
    )
    assert "--self-ensemble" in trained and "--self-ensemble" not in degraded


def test_options_of_jobs_make_nothing_stale(project):
    record = "results/smoke/cost/dncnn/count.json"
    said(project, record)
    config = ("--config", "accept_noncommercial=true", "mirror=/m")
    assert "Nothing to be done" in said(project, "-n", record, *config)


def test_switches_make_evaluations_stale_and_workers_nothing(project):
    task, model = "denoise_gray-sigma50", "semanir-u-at-k8"
    sets = ["data/sets/embedded_gray", "data/degraded/denoise_gray/embedded_gray/sigma50"]
    made = [f"{folder}/index.json" for folder in ("data/sets/embedded_train", *sets)]
    trained = f"results/smoke/train/{task}/semanir-u/seed0"
    made += [f"{trained}/weights.safetensors", f"{trained}/train.json"]
    records = [f"results/smoke/{what}/{task}/{model}/seed0.json" for what in ("eval", "activation")]
    for name in (*made, *records):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    said(project, "--touch", *records, "-R", "train", "evaluate", "activation")
    scales, models = (project / f"semanir/plan/{name}.yaml" for name in ("scales", "models"))
    scales.write_text(scales.read_text().replace("smoke:\n", "smoke:\n  workers: 1\n", 1))
    of = "weights_of: semanir-u\n"
    changed = models.read_text().replace(of, f"{of}  switches: {{similarity: cosine}}\n", 1)
    models.write_text(changed)
    assert planned(project, *records) == {"evaluate": 1, "activation": 1, "total": 2}


def test_all_that_rules_make_is_dated_now_where_a_clock_went_back(project, tmp_path):
    """At the paper scale, which downloads photographs and weights, too."""
    targets = ["all", "reports/speed.html", "results/paper/systems.csv"]
    shown = said(project, "--summary", *targets, "--config", "scale=paper")
    lines = [line.split("\t") for line in shown.splitlines() if line.endswith("update pending")]
    assert {"download_dataset", "systems", "speed", "train"} < {line[2] for line in lines}
    for name, *_ in lines:
        path = tmp_path / "made" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (time.time() + 86400,) * 2)
    assert date_now(tmp_path / "made") == len(lines) > 500


def test_everything_counts_and_renders_in_few_processes(project):
    jobs = planned(project, "all")
    assert [jobs[name] for name in ("counts", "tables", "index")] == [1, 1, 1]
    assert not {"count", "table", "claims", "ablations", "visual_page", "figure04"} & set(jobs)


def test_a_corrupt_photograph_is_named_before_any_training(project):
    photograph = project / "data_prep/embedded/train_rgb/life_2.png"
    photograph.write_bytes(photograph.read_bytes()[:2000])
    weights = "results/smoke/train/sr-x2/semanir-s/seed0/weights.safetensors"
    told = said(project, weights, works=False)
    assert "error:" in told and "life_2.png" in told
    assert not [*project.rglob("log.jsonl"), *project.rglob("weights.safetensors")]


def test_a_wrong_option_ends_with_one_line(project):
    """tests/semanir/plan/test_configuration.py has the others; here what Snakemake makes of one."""
    told = said(project, "--config", "scal=smoke", "-n", "all", works=False)
    assert "did you mean scale?" in told.strip().splitlines()[-1] and "Traceback" not in told


# --- the mini scale, where the mirror holds real photographs ------------------------------------

# sitecustomize.py: whatever opens a socket fails
NO_NETWORK = """import socket
def blocked(*arguments, **options):
    raise RuntimeError("the network was used")
socket.socket.connect = socket.getaddrinfo = blocked
"""


TASKS = ("jpeg_color-blind", "demosaick-rggb")
INPUTS = [f"results/mini/eval/{task}/input/seed0.json" for task in TASKS]


def holds(mirror: Path, entry: str) -> bool:
    """Whether a mirror holds all files of one of an entry's sources."""
    return any(
        all(any(mirrored(url, str(mirror)) for url in remote.urls) for remote in wanted)
        for wanted in map(remote_files, datasets()[entry]["sources"])
        if wanted
    )


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, mirror: Path) -> Path:
    """A copy in which the degraded inputs of Tables 4 and 9 were scored, offline after `download`.

    Sets that the mirror lacks are left out by name, as a user would; so are the systems whose
    weights it lacks.
    """
    wanted = [one for one in prepared_sets().values() if one.raw in downloads("mini")]
    missing = [prepared.name for prepared in wanted if not holds(mirror, prepared.raw)]
    if not {"bsds500_test", "mcmaster"}.isdisjoint(missing):
        pytest.skip(f"the mirror lacks {', '.join(missing)}")
    folder = copy_of_repository(tmp_path_factory.mktemp("mini"))
    (folder / "sitecustomize.py").write_text(NO_NETWORK)
    asked = [sys.executable, "-c", "import socket; socket.getaddrinfo('localhost', 80)"]
    refused = subprocess.run(asked, cwd=folder, env=ENVIRONMENT, capture_output=True, check=False)
    assert b"the network was used" in refused.stderr
    config = ["--config", "scale=mini", "systems=dncnn"]
    config += [f"without={','.join(missing)}"] if missing else []
    said(folder, "download", *config, SEMANIR_MIRROR=str(mirror))
    said(folder, *INPUTS, *config, SEMANIR_MIRROR="")
    return folder


@pytest.mark.slow
def test_input_rows_of_the_paper_match(inputs):
    """Table 4's JPEG rows on BSDS500, PSNR and SSIM, and Table 9's Matlab row on McMaster."""
    rows = (("table04", "JPEG", "BSDS500", 8), ("table09", "Matlab", "McMaster", 1))
    for table, method, dataset, count in rows:
        command = [sys.executable, "-m", "semanir", "report", "table", table, *INPUTS]
        command += ["--scale", "mini", "--out", "reports"]
        subprocess.run(command, cwd=inputs, env=ENVIRONMENT, check=True)
        cells = pd.read_csv(inputs / f"reports/{table}.csv")
        row = cells[(cells["method"] == method) & (cells["dataset"] == dataset)]
        assert list(row["verdict"]) == ["match"] * count
        assert row[["ssim_matlab", "ssim_zero_padded"]].notna().all(axis=None)
        assert "zero-padded" in (inputs / f"reports/{table}.html").read_text()
