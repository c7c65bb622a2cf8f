"""The registry of datasets: complete, consistent with the tasks, and refused where it is wrong."""

import csv
import re
from pathlib import Path

import pytest
import yaml

import data_prep.datasets as registry
from data_prep.datasets import datasets, downloads, entry_of, in_scale, prepared_sets, remote_files
from data_prep.tasks import families
from semanir.errors import InputError
from semanir.names import UnknownNameError
from semanir.plan import models
from semanir.plan import runs as plan

MANIFESTS = Path(registry.__file__).parent / "manifests"
SOURCES = [
    "div2k_train_hr",
    "div2k_valid_hr",
    "div2k_lr_bicubic",
    "flickr2k",
    "wed",
    "bsds500",
    "bsd400_colour",
    "bsd400_gray_180",
    "cbsd68",
    "bsd68",
    "set12",
    "kodak24_full",
    "kodak24_500",
    "mcmaster",
    "gaussian_test_bundle",
    "urban100",
    "edsr_benchmark",
    "set5",
    "set14",
    "bsd100",
    "manga109",
    "classic5",
    "live1",
    "gopro",
    "hide",
    "snow100k",
    "raindrop",
    "outdoor_rain_test1",
    "allweather_train",
]
# bytes as counted by the sources' own listings, independent of our manifests
BYTES = {
    "bsd400_gray180": (400, 8242575),
    "cbsd68": (68, 18256358),
    "bsd68": (68, 6450605),
    "set12": (12, 1195905),
    "kodak24": (24, 15394305),
    "mcmaster": (18, 13610142),
    "urban100": (100, 135627074),
    "set5_hr": (5, 851881),
    "set14": (14, 9148174),
    "classic5": (5, 1316110),
    "live1": (29, 31082382),
    "bsds500_train": (200, 14551204),
    "bsds500_val": (100, 7696027),
    "bsds500_test": (200, 14744120),
    "set5_lr_bicubic_x2": (5, 253437),
    "set5_lr_bicubic_x3": (5, 121540),
    "set5_lr_bicubic_x4": (5, 72733),
}
# three sums of a list that several public projects pin
KODAK = {
    "kodim01.png": "a56e27cbf5f843c048b6af1d6e090760e9c92fadba88b7dee0205918a37523bd",
    "kodim13.png": "bc34a3ce58dea09dce1704c997171602de90cb34d0c8503a988b77f473d39b08",
    "kodim24.png": "1071c68372cc5a01435c2c225a5cf7d4bb803846ec08bb6b3d6721b156d7cb96",
}


def listed(manifest: str) -> list[dict[str, str]]:
    with (MANIFESTS / f"{manifest}.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_all_twenty_nine_sources_are_there():
    assert len(SOURCES) == 29
    assert set(SOURCES) <= set(datasets())


@pytest.mark.parametrize("manifest", sorted(path.stem for path in MANIFESTS.glob("*.tsv")))
def test_a_manifest_lists_whole_files_of_one_source(manifest):
    """Unique names, hexadecimal sums, pinned commits, and the sums of bytes that were published."""
    lines = listed(manifest)
    assert len({line["url"].rpartition("/")[2] for line in lines}) == len(lines)
    assert all(re.fullmatch(r"[0-9a-f]{64}", line["sha256"]) for line in lines)
    assert all(re.search(r"/[0-9a-f]{40}/", line["url"]) for line in lines)
    if manifest in BYTES:
        assert (len(lines), sum(int(line["bytes"]) for line in lines)) == BYTES[manifest]


def test_kodak_has_the_sums_that_others_pin():
    found = {line["url"].rpartition("/")[2]: line["sha256"] for line in listed("kodak24")}
    assert {name: found[name] for name in KODAK} == KODAK


def test_every_manifest_is_used_by_one_entry():
    used = [
        manifest
        for entry in datasets().values()
        for source in entry.get("sources", [])
        for manifest in source.get("manifests", {}).values()
    ]
    assert sorted(used) == sorted(path.stem for path in MANIFESTS.glob("*.tsv"))


@pytest.mark.parametrize("name", SOURCES)
def test_an_entry_says_what_a_user_needs(name):
    """Licence, citation, layout, known tasks, and an address or a way to get it by hand."""
    entry = datasets()[name]
    assert entry["licence"] and entry["citation"] and entry["layout"]
    assert set(entry["tasks"]) <= set(families())
    if "from" in entry:
        assert "sources" in datasets()[entry["from"]]
        return
    for source in entry["sources"]:
        assert source.get("by_hand") or all(remote.urls for remote in remote_files(source))


def test_sets_hold_as_many_files_as_their_manifests():
    """Where one manifest is one set, their numbers of images agree."""
    for name, entry in datasets().items():
        manifests = entry.get("sources", [{}])[0].get("manifests", {})
        if len(manifests) == 1 and "sets" not in entry:
            assert len(listed(next(iter(manifests.values())))) == prepared_sets()[name].images


def test_manga109_is_never_fetched_by_a_programme():
    assert all("by_hand" in source for source in datasets()["manga109"]["sources"])


def test_checksums_of_archives_are_those_that_were_published():
    """Two anchors; an archive without a sum is recorded on first download instead."""
    archives = datasets()["div2k_train_hr"]["sources"][0]["archives"]
    assert archives["DIV2K_train_HR.zip"]["sha256"].startswith("9d0b9c463f6e35b6")
    assert datasets()["gopro"]["sources"][0]["archives"]["GOPRO_Large.zip"]["sha256"].startswith(
        "24532c036712515c"
    )


# --- tasks and scales --------------------------------------------------------------------------


def test_every_set_of_a_task_is_registered_for_it():
    for family, entry in families().items():
        for sets in entry["sets"].values():
            for name in sets if isinstance(sets, list) else [sets]:
                assert family in datasets()[entry_of(name)]["tasks"], (family, name)


@pytest.mark.parametrize("scale", sorted(models.scales()))
def test_what_a_scale_uses_is_tagged_with_it(scale):
    """Training sets, stand-ins and evaluated sets: so `download` fetches all of them."""
    chosen = models.get_scale(scale)
    recipes = [chosen["recipe"], *chosen.get("recipes", {}).values()]
    used = {name for recipe in recipes for name in recipe.get("datasets", [])}
    used |= set(chosen.get("stand_in", {}).values())
    used |= set(chosen.get("trained_stand_in", {}).values())
    for run in plan.runs(scale, plan.tables()):
        used |= {name for name, _ in plan.test_places(scale, run.task, model=run.model)}
    assert {name for name in used if not in_scale(name, scale)} == set()
    raw = {listing for name in used for listing in plan.raw_listing(name)}
    weights = {plan.VGG_WEIGHTS} if scale == "paper" else set()  # of the loss for bad weather
    assert raw | weights == set(plan.to_download(scale))


def test_the_mini_scale_is_wired_to_these_sets():
    assert downloads("mini") == [
        *("bsds500", "bsd400_gray_180", "cbsd68", "bsd68", "set12", "kodak24_full", "mcmaster"),
        *("classic5", "live1", "set5", "set14", "bsd100", "urban100"),
    ]
    assert downloads("smoke") == []


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean set12"):
        registry.get_set("set_12")
    with pytest.raises(UnknownNameError, match="unknown scale 'minni'; did you mean mini"):
        downloads("minni")


# --- a wrong registry --------------------------------------------------------------------------

ENTRY = {
    "role": "test",
    "tasks": ["sr"],
    "scales": ["mini"],
    "channels": 3,
    "images": 1,
    "sources": [{"by_hand": "ask"}],
    "layout": "a.png",
    "licence": "CC0",
    "citation": "nobody",
}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"chanels": 3}, "chanels"),
        ({"scales": ["mimi"]}, "mimi"),
        ({"channels": 2}, "channels"),
        ({"sources": [{"archives": {"../a.zip": {"urls": ["https://a/b"]}}}]}, r"\.\./a\.zip"),
        ({"sources": [{"archives": {"a.zip": {"urls": ["file:///a"]}}}]}, "file:///a"),
        (
            {"sources": [{"archives": {"a.zip": {"urls": ["https://a/b"], "sha256": "1"}}}]},
            "sha256",
        ),
        ({"sets": {"a": {"images": 1}}}, "sets"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(tmp_path, monkeypatch, change, named):
    text = yaml.safe_dump({"mine": ENTRY | change})
    (tmp_path / "datasets.yaml").write_text(text)
    schema = Path(registry.__file__).parent / "datasets.schema.yaml"
    (tmp_path / "datasets.schema.yaml").write_text(schema.read_text())
    monkeypatch.setattr(registry, "HERE", tmp_path)
    registry.datasets.cache_clear()
    try:
        with pytest.raises(InputError, match=rf"datasets\.yaml, mine.*{named}"):
            datasets()
    finally:
        monkeypatch.undo()
        registry.datasets.cache_clear()
