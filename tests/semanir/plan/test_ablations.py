"""Ablations as planned runs: what an entry of models.yaml becomes, and what is trained and read."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from tiny_networks import randomise

import semanir
from semanir.errors import InputError
from semanir.inference import checkpoint
from semanir.network.config import configure
from semanir.network.flops import by_operator
from semanir.plan import models
from semanir.plan.ablations import expand
from semanir.plan.cells import cells
from semanir.plan.plan import Plan
from semanir.plan.runs import Run
from semanir.train.recipe import make_recipe

ABLATIONS = {name: entry for name, entry in models.trained_models().items() if "of" in entry}


def test_a_sweep_becomes_one_model_per_value():
    entries = {
        "u": {"variants": {}},
        "u-window": {"of": "u", "switches": {"keys": "all"}, "sweep": {"window": [8, 16]}},
        "u-at": {"of": "u", "weights_of": "u", "sweep": {"k": [4]}},
        "u-trained": {"of": "u", "sweep": {"k": [4]}},
        "u-with": {"of": "u", "weights_of": "u", "sweep": {"backend": ["mask"]}},
    }
    found = expand(entries)
    assert list(found) == ["u", "u-window8", "u-window16", "u-at-k4", "u-trained-k4", "u-with-mask"]
    assert found["u-window8"] == {"of": "u", "switches": {"keys": "all", "window": 8}}
    assert found["u-at-k4"] == {"of": "u", "weights_of": "u", "switches": {"k": 4}}
    assert found["u-trained-k4"] == {"of": "u", "switches": {"k": 4}, "recipe": {"topk": [4]}}
    assert found["u-with-mask"]["switches"] == {"backend": "mask"}


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_ablation_builds_and_changes_something(name):
    entry, base = ABLATIONS[name], models.base_model(name)
    assert base in models.trained_models() and "of" not in models.get_model(base)
    assert entry["changes"]
    preset, switches = Plan("paper").network(name)
    assert switches or entry["recipe"]
    plain, changed = (vars(configure(preset, **more)) for more in ({}, switches))
    differing = {name for name in plain if plain[name] != changed[name]}
    # a sweep passes through the value of the paper
    assert differing == set(switches) or switches.items() <= {"k": 512, "window": 32}.items()
    if "weights_of" in entry:
        assert set(switches) <= {"k", "backend"} and "recipe" not in entry
        assert entry["weights_of"] in models.trained_models()
    make_recipe(Plan("paper").recipe("denoise_gray-sigma25", name))


def test_weights_of_another_model_are_read_from_its_training():
    task = "denoise_gray-sigma25"
    run = Run("mini", task, "semanir-u-fixed-at-k8", 2)
    assert run.weights.endswith(f"train/{task}/semanir-u-fixed/seed2/weights.safetensors")
    assert run.record.endswith(f"eval/{task}/semanir-u-fixed-at-k8/seed2.json")
    own = Run("mini", task, "semanir-u-dense", 0)
    assert f"train/{task}/semanir-u-dense/seed0" in own.weights


def test_recipes_of_ablations():

    def topk(model):
        return Plan("mini").recipe("denoise_gray-sigma25", model)["topk"]

    assert topk("semanir-u") == topk("semanir-u-dense") == [8, 16, 24, 32]
    assert topk("semanir-u-fixed") == [32] and topk("semanir-u-trained-k16") == [16]
    assert Plan("paper").recipe("sr-x2", "semanir-u-fixed")["topk"] == [512]


def test_planned_ablations_come_with_the_model_they_change():
    runs = Plan("mini").ablation_runs
    assert len(runs) == len(set(runs))
    assert all(replace(run, model=models.base_model(run.model)) in runs for run in runs)
    assert {run.seed for run in runs if run.model == "semanir-u-dense"} == set(range(8))
    assert {r.model for r in Plan("smoke").ablation_runs} > {"semanir-u", "semanir-u-fixed"}
    assert Plan("mini", ("urban100", "set12", "bsd68")).ablation_records() == [
        r.record for r in runs if not r.task.startswith("denoise_gray")
    ]


def test_window_sizes_answer_tables_5_and_6():
    for table, task in (("table05", "denoise_gray-sigma25"), ("table06", "denoise_color-sigma25")):
        for cell in cells(table):
            found = Plan("mini").answer(cell)
            if table == "table06" and cell.dataset != "McMaster":
                assert found.reason == f"networks of the mini scale do not see {cell.dataset}"
                continue
            assert (found.task, found.level, found.verdict) == (task, "sigma25", "")
            assert found.model == f"semanir-u-{cell.setting.partition(' ')[2]}"
            assert Run("mini", task, found.model, 0) in Plan("mini").ablation_runs
            assert Plan("smoke").answer(cell).verdict == "not run"


@pytest.mark.parametrize(("scale", "name"), [("mini", "semanir-s-dense"), ("release", "semanir-b")])
def test_a_model_of_another_scale_is_refused(scale, name):
    with pytest.raises(InputError, match=f"unknown model '{name}'"):
        Plan(scale).network(name)


def in_pairs(**options):
    """A network that shares a dictionary in each stage, and its twin with one for every layer."""
    build = partial(semanir.build, "semanir-s-tiny", upscale=2, **options)
    shared, rebuilt = randomise(build()).eval(), build(dictionary="layer").eval()
    rebuilt.load_state_dict(shared.state_dict())
    return shared, rebuilt


def test_a_dictionary_for_every_layer_changes_what_later_layers_see():
    """Layers after the first select anew from their own input; one layer a stage is the same."""
    x = torch.rand(1, 3, 16, 16)
    shared, rebuilt = in_pairs(k=4)
    one, other = in_pairs(k=4, layers=1)
    with torch.inference_mode():
        assert not torch.allclose(shared(x), rebuilt(x), atol=1e-6)
        # every other key is selected, whatever the features
        assert torch.allclose(shared(x, 64), rebuilt(x, 64), atol=1e-5)
        assert torch.equal(one(x), other(x))
    shared, rebuilt = (by_operator(network, (1, 3, 32, 32)) for network in in_pairs())
    assert rebuilt["most_similar"] == 2 * shared["most_similar"]  # two layers a stage
    assert rebuilt["attend"] == shared["attend"]


def test_weights_load_with_other_switches(tmp_path):
    network = randomise(semanir.build("semanir-u-tiny", channels=1, k=32)).eval()
    checkpoint.save(tmp_path / "w.safetensors", network)
    loaded = checkpoint.load(tmp_path / "w.safetensors", k=8, backend="mask")
    assert (loaded.config.k, loaded.config.backend) == (8, "mask")
    x = torch.rand(1, 1, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(x), network(x, 8), atol=1e-4, rtol=1e-4)
        assert not torch.allclose(network(x, 8), network(x), atol=1e-2)


@pytest.mark.parametrize("model", [n for n, e in ABLATIONS.items() if "weights_of" not in e])
def test_an_ablation_starts_from_the_weights_of_what_it_changes(model):
    networks = []
    for name in (models.base_model(model), model):
        torch.manual_seed(3)
        preset, switches = Plan("mini").network(name)
        upscale = {"upscale": 2} if preset.startswith("semanir-b") else {}
        networks.append(semanir.build(preset, **upscale, **switches).state_dict())
    torch.testing.assert_close(*networks, rtol=0, atol=0)
