"""The registry of datasets: complete, consistent with the tasks, and refused where it is wrong."""

import csv
import re
import shutil

import pytest
import yaml

import data_prep.datasets as registry
from data_prep import inventory
from data_prep.datasets import (
    datasets,
    get_set,
    in_scale,
    prepared_sets,
    remote_files,
    share_photographs,
)
from data_prep.tasks import families
from semanir.errors import InputError
from semanir.paths import VGG
from semanir.plan import models
from semanir.plan.cells import tables
from semanir.plan.plan import Plan, raw_listing

MANIFESTS = registry.HERE / "manifests"
# bytes as counted by the sources' own listings, independent of our manifests
BYTES = {"bsd400_gray180": (400, 8242575), "cbsd68": (68, 18256358), "bsd68": (68, 6450605)}
BYTES |= {"set12": (12, 1195905), "kodak24": (24, 15394305), "mcmaster": (18, 13610142)}
BYTES |= {"urban100": (100, 135627074), "set14": (14, 9148174), "classic5": (5, 1316110)}
BYTES |= {"bsds500_train": (200, 14551204), "bsds500_test": (200, 14744120)}
BYTES |= {"bsds500_val": (100, 7696027), "live1": (29, 31082382), "set5_hr": (5, 851881)}
BYTES |= {"set5_lr_bicubic_x2": (5, 253437), "set5_lr_bicubic_x3": (5, 121540)}
BYTES |= {"set5_lr_bicubic_x4": (5, 72733)}
# three sums of a list that several public projects pin
KODAK = {
    "kodim01.png": "a56e27cbf5f843c048b6af1d6e090760e9c92fadba88b7dee0205918a37523bd",
    "kodim13.png": "bc34a3ce58dea09dce1704c997171602de90cb34d0c8503a988b77f473d39b08",
    "kodim24.png": "1071c68372cc5a01435c2c225a5cf7d4bb803846ec08bb6b3d6721b156d7cb96",
}


def listed(manifest):
    with (MANIFESTS / f"{manifest}.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.mark.parametrize("manifest", sorted(path.stem for path in MANIFESTS.glob("*.tsv")))
def test_a_manifest_lists_whole_files_of_one_source(manifest):
    lines = listed(manifest)
    assert len({line["url"].rpartition("/")[2] for line in lines}) == len(lines)
    assert all(re.fullmatch(r"[0-9a-f]{64}", line["sha256"]) for line in lines)
    assert all(re.search(r"/[0-9a-f]{40}/", line["url"]) for line in lines)
    if manifest in BYTES:
        assert (len(lines), sum(int(line["bytes"]) for line in lines)) == BYTES[manifest]


def test_sums_are_those_that_others_published():
    kodak = {line["url"].rpartition("/")[2]: line["sha256"] for line in listed("kodak24")}
    assert {name: kodak[name] for name in KODAK} == KODAK
    for name, file, start in (
        ("div2k_train_hr", "DIV2K_train_HR.zip", "9d0b9c463f6e35b6"),
        ("gopro", "GOPRO_Large.zip", "24532c036712515c"),
    ):
        assert datasets()[name]["sources"][0]["archives"][file]["sha256"].startswith(start)


def test_manifests_and_sets_agree():
    used = []
    for name, entry in datasets().items():
        lists = [list(each.get("manifests", {}).values()) for each in entry.get("sources", [])]
        used += [manifest for manifests in lists for manifest in manifests]
        if lists and len(lists[0]) == 1 and "sets" not in entry:
            assert len(listed(lists[0][0])) == prepared_sets()[name].images
    assert sorted(used) == sorted(path.stem for path in MANIFESTS.glob("*.tsv"))


def test_an_entry_says_what_a_user_needs():
    fetched = {name: entry for name, entry in datasets().items() if "folder" not in entry}
    assert len(fetched) == 30
    for entry in fetched.values():
        assert entry["licence"] and entry["citation"]
        for source in fetched.get(entry.get("from"), entry)["sources"]:
            assert source.get("by_hand") or all(remote.urls for remote in remote_files(source))
    assert all("by_hand" in source for source in fetched["manga109"]["sources"])


def test_every_set_of_a_task_is_registered():
    for entry in families().values():
        for sets in entry["sets"].values():
            for name in sets if isinstance(sets, list) else [sets]:
                assert get_set(name).role == "test"
                assert bool(get_set(name).pairs) == entry.get("synthetic", False)


@pytest.mark.parametrize("scale", sorted(models.scales()))
def test_what_a_scale_uses_is_tagged_with_it(scale):
    chosen = models.get_scale(scale)
    recipes = [chosen["recipe"], *chosen.get("recipes", {}).values()]
    used = {name for recipe in recipes for name in recipe.get("datasets", [])}
    used |= set(chosen.get("stand_in", {}).values())
    used |= set(chosen.get("trained_stand_in", {}).values())
    for run in Plan(scale).runs(tables()):
        used |= {name for name, _ in Plan(scale).evaluation_sets(run.task, run.model)}
    assert {name for name in used if not in_scale(name, scale)} == set()
    raw = {listing for name in used for listing in raw_listing(name)}
    weights = {VGG} if scale == "paper" else set()  # of the loss for bad weather
    downloads = {name for name in Plan(scale).downloads() if "data/weights" not in name}
    assert raw | weights == downloads


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("bsd400_colour", "bsds500_test_20", True),
        ("bsd400_gray_180", "bsds500_test", True),
        ("bsd400_gray_180", "bsd400_colour", True),
        ("bsds500_train", "bsds500_test", False),
        ("bsds500_train", "bsds500_train", True),
        ("gopro_train", "gopro_test", False),
        ("bsd400_colour", "cbsd68", False),
    ],
)
def test_photographs_that_two_sets_share(one, other, shared):
    assert share_photographs(one, other) is share_photographs(other, one) is shared


@pytest.mark.parametrize("scale", sorted(models.scales()))
def test_no_network_is_tested_on_photographs_of_its_recipe(scale):
    plan = Plan(scale)
    for run in plan.evaluations():
        if run.trained:
            trained_on = plan.recipe(run.task, run.training.model)["datasets"]
            for test_set, _ in plan.evaluation_sets(run.task, run.model):
                assert not any(share_photographs(name, test_set) for name in trained_on), run


ENTRY = {"role": "test", "scales": ["mini"], "channels": 3, "images": 1}
ENTRY |= {"sources": [{"by_hand": "ask"}], "licence": "CC0", "citation": "nobody"}


def archive(name="a.zip", url="https://a/b", **fields):
    return {"sources": [{"archives": {name: {"urls": [url]} | fields}}]}


WRONG = [
    ({"chanels": 3}, "chanels"),
    ({"channels": 2}, "channels"),
    (archive("../a.zip"), r"\.\./a\.zip"),
    (archive(url="file:///a"), "file:///a"),
    (archive(sha256="1"), "sha256"),
    ({"sets": {"a": {"images": 1}}}, "sets"),
]


@pytest.mark.parametrize(("change", "named"), WRONG)
def test_a_wrong_entry_is_refused_by_name(tmp_path, monkeypatch, change, named):
    (tmp_path / "datasets.yaml").write_text(yaml.safe_dump({"mine": ENTRY | change}))
    shutil.copy(registry.HERE / "datasets.schema.yaml", tmp_path)
    monkeypatch.setattr(registry, "HERE", tmp_path)
    with pytest.raises(InputError, match=rf"datasets\.yaml, mine.*{named}"):
        registry.datasets.__wrapped__()


def test_the_smoke_scale_needs_no_download():
    assert "needs no download" in inventory.sizes("smoke")
