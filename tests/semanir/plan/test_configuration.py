"""Names and options that users give: accepted, or refused with the nearest valid ones."""

import os

import pytest

from data_prep.tasks import get_task
from semanir.names import UnknownNameError, known_name
from semanir.plan import cells as printed
from semanir.plan import configuration, models
from semanir.plan.cells import PAPER, cells
from semanir.plan.plan import Plan


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ("scale=smok", "unknown scale 'smok'; did you mean smoke?"),
        ("scale=xyzzy", "unknown scale 'xyzzy'; valid: smoke, mini"),
        ("scale=", "unknown scale ''; valid: smoke, mini"),
        ("without=live1,set_12", "unknown dataset in without 'set_12'; did you mean set12 or "),
        ("scal=smoke", "unknown option of --config 'scal'; did you mean scale?"),
        ("budget=soon", "budget 'soon' is no time; give device days or hours, as 20d or 12h"),
        ("x=1", "unknown option of --config 'x'; valid: scale, without, systems"),
        ("accept_noncommercial=maybe", "unknown value of --config accept_noncommercial 'maybe'"),
    ],
)
def test_a_wrong_scale_or_option_ends_with_one_line(config, line):
    """SystemExit, so that Snakemake shows no traceback; nearest names where any are near."""
    with pytest.raises(SystemExit) as stopped:
        configuration.read(dict([config.split("=")]))
    assert str(stopped.value.code).startswith(f"error: {line}")
    with pytest.raises(SystemExit, match="unknown scale '1'"):
        configuration.read({"scale": 1})


def test_too_small_a_budget_ends_with_one_line():
    with pytest.raises(SystemExit, match=r"^error: budget .*d does not pay for .*; give 0\.\d+d"):
        configuration.read({"scale": "paper", "budget": "1h"})


def test_the_scale_is_smoke_where_none_is_asked_for():
    config = {}
    plan, options = configuration.read(config)
    assert plan == Plan("smoke") and options == configuration.JobOptions()
    strings = ("without", "systems", "weights_dir", "mirror", "budget")
    assert config == {"scale": "smoke", "accept_noncommercial": False} | dict.fromkeys(strings, "")
    # a job of another scale has the systems of that one
    mini, options = configuration.read({"scale": "mini"})
    assert mini == Plan("mini") and options == configuration.JobOptions()
    assert Plan("mini").systems == tuple(models.scales()["mini"]["systems"])


def test_options_reach_the_plan_and_the_commands_of_jobs(monkeypatch):
    before = dict(os.environ)
    config = {"scale": "mini", "without": "live1,bsd68", "systems": "dncnn,restormer"}
    config |= {"mirror": "/my mirror", "weights_dir": "w", "accept_noncommercial": "True"}
    config |= {"budget": "36h"}
    plan, options = configuration.read(config)
    assert plan == Plan("mini", ("live1", "bsd68"), ("dncnn", "restormer"), True, 1.5)
    assert options == configuration.JobOptions(
        mirror="--mirror '/my mirror'",
        weights_dir="--weights-dir w",
        noncommercial="--accept-noncommercial",
        without="--without live1 bsd68",
        systems="--systems dncnn restormer",
        budget="--budget 36h",
    )
    assert dict(os.environ) == before


def test_names_are_picked_or_refused():
    for look_up, name in (
        *((models.get_scale, "smoek"), (models.get_model, "semanir-x"), (cells, "table13")),
        *((get_task, "sr-x5"), (get_task, "sr-blind"), (Plan("smoke").recipe, "zzz")),
        (lambda table: Plan("smoke").records([table]), "tabel10"),
    ):
        with pytest.raises(UnknownNameError, match=f"^unknown .* '{name}'"):
            look_up(name)
    assert known_name("b", ["a", "b"], "letter") == "b"
    many = [f"name{number}" for number in range(1, 5)]
    with pytest.raises(UnknownNameError, match=r"^unknown kind 'name'; did you mean (\w+ or ){2}"):
        known_name("name", many, "kind")
    with pytest.raises(UnknownNameError, match=r"^unknown kind '!'; valid: name1, name2, name3"):
        known_name("!", iter(many), "kind")


def test_a_wrong_task_in_a_csv_is_named(tmp_path, monkeypatch):
    text = (PAPER / "table10.csv").read_text(encoding="utf-8")
    (tmp_path / "table98.csv").write_text(text.replace(",sr,Set5,", ",srr,Set5,"), encoding="utf-8")
    monkeypatch.setattr(printed, "PAPER", tmp_path)
    monkeypatch.setattr(printed, "tables", lambda: ("table98",))
    with pytest.raises(UnknownNameError, match=r"table98\.csv 'srr'; did you mean sr"):
        cells("table98")
