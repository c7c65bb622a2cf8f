"""Accepted results pass what can be checked of them, the committed ones among them."""

import gzip

import pytest
from made_records import count_record, eval_record

from data_prep.datasets import get_set
from reports.accepted_check import faults
from reports.collect import ACCEPTED, read_records
from semanir.evaluate.metrics import PROTOCOLS
from semanir.files import visible

VERSIONS = {name: protocol.version for name, protocol in PROTOCOLS.items()}
COMMITTED = visible(path for path in ACCEPTED.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_what_is_committed_passes(path):
    assert faults(path, VERSIONS) == []


@pytest.fixture
def results(tmp_path):
    """Of one evaluation of all photographs of a set, and a count."""
    scores = [("embedded_gray", "sigma50", 25.0 + n, 0.7, 0.7) for n in range(4)]
    assert get_set("embedded_gray").images == 4
    protocol = {"protocols": {"sigma50": {"name": "denoise_gray", "version": 1}}}
    run = ("denoise_gray-sigma50", "semanir-u", scores)
    records = [eval_record(tmp_path, *run, **protocol), count_record(tmp_path, "semanir-s")]
    return read_records(records)


def faults_of(results, folder, name="smoke-my-machine.csv.gz"):
    path = folder / name
    path.write_bytes(gzip.compress(results.to_csv(index=False).encode()))
    return faults(path, VERSIONS)


def test_what_is_whole_passes(results, tmp_path):
    assert faults_of(results, tmp_path) == []


PSNR, SSIM = "psnr", "ssim_matlab"
FAULTS = {
    "dirty": (None, "commit", "0123456789ab+", "measured by changed files, commit 0123456789ab+"),
    "no git": (None, "commit", "unknown", "measured outside of git, commit unknown"),
    "scale": (None, "scale", "mini", "holds results of the mini scale, smoke is asked for"),
    "machine": (None, "machine", None, "lines without machine"),
    "model": (PSNR, "model", "semanir-v", "unknown model 'semanir-v'; did you mean semanir-"),
    "task": (PSNR, "task", "denoise_grey-sigma50", "unknown task 'denoise_grey-sigma50'"),
    "level": (PSNR, "level", "sigma99", "semanir-u on denoise_gray-sigma50: no level sigma99"),
    "set": (PSNR, "dataset", "embedded_grey", "unknown dataset 'embedded_grey'"),
    "protocol": (PSNR, "protocol", "denoise_gray v0", "is scored by denoise_gray v0, this version"),
    "psnr": (PSNR, "value", -1.0, "-1.0 is no psnr"),
    "ssim": (SSIM, "value", 1.5, "1.5 is no ssim_matlab"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(results, tmp_path, fault):
    metric, column, value, wanted = FAULTS[fault]
    results.loc[results["metric"].eq(metric) if metric else slice(None), column] = value
    found = faults_of(results, tmp_path)
    assert any(wanted in text for text in found), found


def test_missing_and_doubled_images_are_named(results, tmp_path):
    first = results.index[results["metric"] == PSNR][0]
    found = faults_of(results.drop(first), tmp_path)
    assert any("3 of 4 images" in text for text in found), found
    twice = results.loc[[*results.index, first]]
    assert any("1 lines twice" in text for text in faults_of(twice, tmp_path))


def test_an_unknown_scale_or_broken_file_is_named(results, tmp_path):
    found = faults_of(results, tmp_path, "smoky-machine.csv.gz")
    assert len(found) == 1 and "smoky" in found[0]
    (tmp_path / "smoke-broken.csv.gz").write_bytes(b"no gzip")
    assert len(faults(tmp_path / "smoke-broken.csv.gz", VERSIONS)) == 1
    (tmp_path / "smoke.csv").write_text("# scale: smoke\n")
    assert len(faults(tmp_path / "smoke.csv", VERSIONS)) == 1
