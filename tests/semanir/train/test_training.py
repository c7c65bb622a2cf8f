"""Recipes, training pairs, the training loop, and resuming it after any kind of end."""

import copy
import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from checkout import REPOSITORY
from filelock import FileLock
from made_sets import pairs_of, ponds, write_set
from restoring import fails
from trainings import LISTS, OPTIONS, log_lines, small_training, train_until

from semanir import cli
from semanir.errors import InputError
from semanir.files import sha256
from semanir.inference.checkpoint import digest, load, save
from semanir.names import UnknownNameError
from semanir.network import build
from semanir.plan import models
from semanir.train import budget, loop, state
from semanir.train.loop import TrainingStoppedError, draw_k, train, validate
from semanir.train.losses import LOSSES
from semanir.train.recipe import Recipe, make_recipe
from semanir.train.state import resume, save_state
from semanir.train.training import train_network


def assert_same_training(one, other):
    """Weights, optimizer and step bitwise equal."""
    states = ([t.network.state_dict(), t.optimizer.state_dict(), t.step] for t in (one, other))
    torch.testing.assert_close(*states, rtol=0, atol=0)


def gradient_norm(training):
    return math.sqrt(sum(float(p.grad.square().sum()) for p in training.network.parameters()))


def plain_recipe(**options):
    return Recipe(("set",), **{"batch": 1, "patch": 8, "lr": 1e-3, "topk": (8,), **options})


def test_learning_rate_by_hand():
    """The paper's 2e-4 with warm-up over a tenth and halvings at 50, 80, 90 and 95 %."""
    expected = {0: 2e-6, 49: 1e-4, 98: 1.98e-4, 99: 2e-4, 100: 2e-4, 499: 2e-4, 500: 1e-4}
    expected |= {799: 1e-4, 800: 5e-5, 899: 5e-5, 900: 2.5e-5, 950: 1.25e-5, 999: 1.25e-5}
    recipe = plain_recipe(iterations=1000, lr=2e-4, warmup=0.1)
    found = {step: recipe.learning_rate(step) for step in expected}
    assert found == pytest.approx(expected, rel=1e-12)
    recipe = plain_recipe(iterations=300, milestones=(0.7,))  # it starts full without warm-up
    assert [recipe.learning_rate(step) for step in (0, 209, 210)] == [1e-3, 1e-3, 5e-4]


def test_cosine_rate_by_hand():
    """Warm-up over a twentieth, then half a cosine: half the rate midway, zero at the end."""
    recipe = plain_recipe(iterations=1000, lr=2e-3, warmup=0.05, schedule="cosine")
    expected = {0: 4e-5, 24: 1e-3, 49: 2e-3, 50: 2e-3, 525: 1e-3, 1000: 0}
    expected[525 + 475 // 3 * 2] = 1e-3 * (1 + math.cos(math.pi * (0.5 + 316 / 950)))
    found = {step: recipe.learning_rate(step) for step in expected}
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-18)


def test_recipes_are_made_of_lists_and_the_papers_defaults():
    assert make_recipe(LISTS) == Recipe(**OPTIONS)
    recipe = plain_recipe(iterations=10)
    assert (recipe.loss, recipe.weight_decay, recipe.betas) == ("l1", 1e-4, (0.9, 0.999))
    assert recipe.milestones == (0.5, 0.8, 0.9, 0.95) and recipe.warmup == 0


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("learning_rate", 1e-3, "unknown recipe field 'learning_rate'"),
        ("milestone", [0.5], "recipe field 'milestone'; did you mean milestones"),
        ("loss", "charbonier", "unknown loss 'charbonier'; did you mean charbonnier"),
        ("iterations", 0, "iterations must be at least 1, got 0"),
        ("patch", -4, "patch must be at least 1, got -4"),
        ("lr", 0.0, "lr must be positive, got 0.0"),
        ("lr", math.nan, "lr must be positive, got nan"),
        ("datasets", [], r"datasets must be a list of sets, got \(\)"),
        ("datasets", "ponds", r"datasets must be a list of texts, got 'ponds'; .*\['wine'\]"),
        ("topk", [], r"topk must be values of at least 1, got \(\)"),
        ("schedule", "cosin", "unknown schedule 'cosin'; did you mean cosine"),
        ("precision", "bf17", "unknown precision 'bf17'; did you mean bf16"),
        ("on_spike", "skipp", "unknown on_spike 'skipp'; did you mean skip"),
        ("average", 1.0, "average must be from 0 to below 1, got 1.0"),
        ("accumulate", 3, "accumulate must be a divisor of the batch of 1, got 3"),
        ("accumulate", 0, "accumulate must be at least 1, got 0"),
        ("levels", [5], r"levels must be a first and a last one, got \(5,\)"),
        ("levels", [5, 4], r"levels must be a first and a last one, got \(5, 4\)"),
        ("reductions", [], r"reductions must be above 0 and at most 1, got \(\)"),
        ("reductions", [1, 2], r"reductions must be above 0 and at most 1, got \(1, 2\)"),
        ("topk", [8, 0], r"topk must be values of at least 1, got \(8, 0\)"),
        ("topk", 64, r"topk must be a list of whole numbers, got 64; YAML wants it like \[64\]"),
        ("topk", [64.0], r"topk must be a list of whole numbers, got \(64.0,\)"),
        ("reductions", 0.5, r"reductions must be a list of numbers, got 0.5"),
        ("levels", 25, "levels must be a list of whole numbers, got 25"),
        ("levels", [0.5, 2], r"levels must be a list of whole numbers, got \(0.5, 2\)"),
        ("levels", [-1, 2], r"levels must be a first and a last one, got \(-1, 2\)"),
        ("milestones", 0.5, "milestones must be a list of numbers, got 0.5"),
        ("milestones", [0.5, 8], r"milestones must be from 0 to 1, got \(0.5, 8\)"),
        ("iterations", 2.0e4, "iterations must be a whole number, got 20000.0"),
        ("iterations", True, "iterations must be a whole number, got True"),
        ("holdout", 100075, "holdout must be a text, got 100075; YAML wants it like 'wine'"),
        ("loss", 1, "loss must be a text, got 1"),
        ("lr", "1e-3", "lr must be a number, got '1e-3'; YAML wants it like 1.0e-3"),
        ("lr", math.inf, "lr must be positive, got inf"),
        ("warmup", 1.0, "warmup must be from 0 to below 1, got 1.0"),
        ("clip_norm", -1, "clip_norm must be at least 0, got -1"),
        ("stop_norm", math.nan, "stop_norm must be at least 0, got nan"),
        ("weight_decay", -0.1, "weight_decay must be at least 0, got -0.1"),
        ("betas", [0.9], r"betas must be two from 0 to below 1, got \(0.9,\)"),
        ("betas", [0.9, 1], r"betas must be two from 0 to below 1, got \(0.9, 1\)"),
    ],
)
def test_unknown_and_impossible_recipe_values_are_refused(field, value, message):
    with pytest.raises(InputError, match=message) as error:
        make_recipe({**OPTIONS, field: value})
    assert isinstance(error.value, UnknownNameError) == ("unknown" in message or "mean" in message)


CHOICES = (64, 128, 192, 256, 384, 512)


def test_draw_k_is_uniform_and_depends_on_seed_and_step_alone():
    drawn = [draw_k(CHOICES, 0, step) for step in range(6000)]
    for choice in CHOICES:
        assert 880 < drawn.count(choice) < 1120  # 1000, four standard deviations of 29
    torch.manual_seed(99)
    np.random.seed(99)
    assert [draw_k(CHOICES, 0, step) for step in range(49, -1, -1)] == drawn[49::-1]
    assert [draw_k(CHOICES, 4, step) for step in range(50)] != drawn[:50]
    assert draw_k((7,), 0, 0) == 7


def test_draw_k_tells_nothing_about_the_photograph(tmp_path):
    """k and the first photograph of a batch come from streams of their own."""
    flats = {f"{v:03}.png": np.full((8, 8, 3), v, np.uint8) for v in range(0, 240, 8)}
    pairs = pairs_of(write_set(tmp_path, flats), "denoise_color-sigma15", "", 8)
    k = [draw_k((8, 16, 24, 32), 0, step) for step in range(300)]
    photograph = [float(pairs.batch(0, step, 1)[1][0, 0, 0, 0]) for step in range(300)]
    assert abs(np.corrcoef(k, photograph)[0, 1]) < 0.2  # 3.5 standard deviations


def test_losses_by_hand():
    output, target = torch.tensor([0.0, 1.0, 0.5]), torch.tensor([1.0, 3.0, 0.5])
    assert float(LOSSES["l1"](output, target)) == pytest.approx(1.0)
    roots = math.sqrt(1 + 1e-6) + math.sqrt(4 + 1e-6) + 1e-3
    assert float(LOSSES["charbonnier"](output, target)) == pytest.approx(roots / 3, rel=1e-6)
    assert set(LOSSES) == {"l1", "charbonnier"}


LEARNED = [("denoise_gray-sigma50", 0.35, 8.0), ("sr-x2", 1.2, 2.0)]


@pytest.mark.parametrize(("task", "frequency", "gain"), LEARNED)
def test_short_training_learns(tmp_path, task, frequency, gain):
    """Against the untrained network, which returns its input (enlarged): some 12 and 4 dB."""
    data = ponds(tmp_path / "set", frequency=frequency)
    options = {"iterations": 40, "batch": 2, "lr": 4e-3, "validate_every": 60, "save_every": 100}
    training = small_training(data, tmp_path, task=task, **options)
    (before,) = validate(training).values()
    train(training)
    (after,) = validate(training).values()
    loss = [line["loss"] for line in log_lines(tmp_path) if "loss" in line]
    first, last = np.mean(loss[:10]), np.mean(loss[-10:])
    print(f"{before:.2f} -> {after:.2f} dB, loss {first:.4f} -> {last:.4f}")
    assert after > before + gain
    assert last < 0.7 * first
    assert training.network.training  # validation gives the mode back


def test_log_holds_what_happened(data, tmp_path):
    training = small_training(data, tmp_path, log_every=5)
    train(training)
    lines = log_lines(tmp_path)
    assert [line["step"] for line in lines] == [5, 6, 10, 12, 12]
    validations = [line for line in lines if "loss" not in line]
    assert [sorted(line) for line in validations] == [["holdout_psnr", "step"]] * 2
    for line in lines:
        if line not in validations:
            step = line["step"] - 1
            assert line["lr"] == training.recipe.learning_rate(step)
            assert line["k"] == draw_k((4, 8, 16), 0, step)
            assert 0 < line["loss"] < 1 and 0 < line["grad_norm"] < 1e4
    assert list(lines[-1]["holdout_psnr"]) == ["sigma50"]
    assert lines[-1]["holdout_psnr"] == validate(training)


def test_drawn_k_and_rate_reach_network_and_optimizer(data, tmp_path, monkeypatch):
    training, seen = small_training(data, tmp_path), []
    forward = training.network.forward
    noting = lambda x, k=None: (seen.append(k), forward(x, k))[1]  # noqa: E731
    monkeypatch.setattr(training.network, "forward", noting)
    for step in range(5):
        train_until(training, step + 1)
        rates = [group["lr"] for group in training.optimizer.param_groups]
        assert rates == [training.recipe.learning_rate(step)]
    assert seen == [draw_k((4, 8, 16), 0, step) for step in range(5)]
    assert len(set(seen)) > 1


def test_first_step_is_adamw_by_hand(data, tmp_path):
    """Adam's first step is lr * sign(gradient), decay is lr * weight_decay * weight."""
    training = small_training(data, tmp_path, warmup=0.0, clip_norm=0.5, weight_decay=0.1)
    torch.nn.init.normal_(training.network.conv_last.weight, std=0.1)  # else no gradient passes it
    before = {k: v.detach().clone() for k, v in training.network.named_parameters()}
    train_until(training, 1)
    checked = 0
    for name, parameter in training.network.named_parameters():
        clear = parameter.grad.abs() > 1e-4  # Adam's eps of 1e-8 does not show
        expected = before[name] * (1 - 2e-3 * 0.1) - 2e-3 * parameter.grad.sign()
        torch.testing.assert_close(parameter[clear], expected[clear], rtol=0, atol=1e-6)
        checked += int(clear.sum())
    assert checked > 100


@pytest.mark.parametrize("clip_norm", [1e-3, 0])
def test_clip_norm(data, tmp_path, clip_norm):
    """Gradients end at the limit; 0 leaves them as they are; the log has the norm before."""
    training = small_training(data, tmp_path, clip_norm=clip_norm)
    train_until(training, 1)
    logged = log_lines(tmp_path)[0]["grad_norm"]
    assert logged > 0.05
    assert gradient_norm(training) == pytest.approx(clip_norm or logged, rel=1e-3)


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory):
    torch.set_num_threads(1)
    training = small_training(data, tmp_path_factory.mktemp("uninterrupted"))
    train(training)
    return training


def finish(data, first, uninterrupted):
    """What goes on from a saved state ends as the uninterrupted training, log and all."""
    torch.manual_seed(12345)
    training = small_training(data, first.folder)
    resume(training)
    assert_same_training(training, first)
    train(training)
    assert_same_training(training, uninterrupted)
    assert log_lines(first.folder) == log_lines(uninterrupted.folder)


@pytest.mark.parametrize("stop", [1, 7, 11])
def test_resumed_training_is_bitwise_the_uninterrupted_one(data, tmp_path, uninterrupted, stop):
    """A line of the log that was cut short is dropped."""
    first = small_training(data, tmp_path)
    train_until(first, stop)
    save_state(first)
    assert first.step == stop
    with first.log_path.open("a") as file:
        file.write('{"step": 12, "loss": 0.1')
    finish(data, first, uninterrupted)


@pytest.mark.parametrize(("save_every", "step"), [(4, 12), (6, 6), (6, 12)])
def test_an_end_within_a_validation_loses_nothing(data, tmp_path, monkeypatch, save_every, step):
    """It is done first by the same command, and none is done twice."""
    undisturbed = small_training(data, tmp_path / "1", save_every=save_every)
    expected = train_network(undisturbed, tmp_path / "1.safetensors", task="x")

    validations = []

    def counted(training):
        validations.append(training.step)
        return validate(training)

    def interrupt(training):
        if training.step == step:
            raise KeyboardInterrupt
        return counted(training)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop, "validate", interrupt)
        train(small_training(data, tmp_path / "2", save_every=save_every))
    monkeypatch.setattr(loop, "validate", counted)
    training = small_training(data, tmp_path / "2", save_every=save_every)
    facts = train_network(training, tmp_path / "2.safetensors", task="x")
    assert validations == [6, 12] and facts["iterations_this_time"] == 12 - step
    assert_same_training(training, undisturbed)
    assert log_lines(tmp_path / "2") == log_lines(tmp_path / "1")
    for name in ("weights_sha256", "holdout_psnr", "history"):
        assert facts[name] == expected[name]
    assert facts["history"][-1] == {"step": 12, "psnr": facts["holdout_psnr"]}


@pytest.mark.parametrize("line", ["{", "[1]", "3", '{"loss": 1}', '{"step": "one"}', "\x00"])
def test_a_broken_line_of_the_log_is_named(data, tmp_path, line):
    """As an editor may leave it: by its number, in a resume and where the course goes on record."""
    training = small_training(data, tmp_path)
    train_until(training, 4)
    save_state(training)
    lines = training.log_path.read_text().splitlines()
    training.log_path.write_text("\n".join([lines[0], line, *lines[1:], ""]))
    for read in (resume, state.history):
        with pytest.raises(InputError, match=rf"broken {training.log_path}, line 2: "):
            read(training)


def test_resume_without_a_state_starts_anew(data, tmp_path, uninterrupted):
    training = small_training(data, tmp_path)
    training.log_path.write_text('{"step": 1, "loss": 9}\n')
    resume(training)
    assert training.step == 0 and not training.log_path.exists()
    finish(data, training, uninterrupted)
    other_seed = small_training(data, tmp_path / "1", seed=1)
    train(other_seed)
    with pytest.raises(AssertionError):
        assert_same_training(other_seed, uninterrupted)


def test_states_of_other_trainings_and_photographs_are_refused(data, tmp_path):
    first = small_training(data, tmp_path)
    save_state(first)
    before = first.state_path.read_bytes()
    message = f"{first.state_path} belongs to another training .*delete"
    changes = {"lr": 1e-3, "iterations": 24, "seed": 1, "task": "denoise_gray-sigma25"}
    others = [small_training(data, tmp_path, **{key: v}) for key, v in changes.items()]
    for other in [*others, small_training(ponds(tmp_path / "others", seed=1), tmp_path)]:
        with pytest.raises(InputError, match=message):
            resume(other)
        assert first.state_path.read_bytes() == before and other.step == 0


def test_corrupt_states_are_named(data, tmp_path):
    training = small_training(data, tmp_path)
    save_state(training)
    whole, foreign = training.state_path.read_bytes(), tmp_path / "foreign"
    torch.save({"weights": torch.zeros(3)}, foreign)
    for content in (b"", b"no state", whole[: len(whole) // 2], foreign.read_bytes()):
        training.state_path.write_bytes(content)
        with pytest.raises(InputError, match=rf"^cannot read {training.state_path} \(.*delete it"):
            resume(training)


NO_FAULT_OF_THE_FILE = [
    PermissionError(errno.EACCES, "Permission denied"),
    OSError(errno.EIO, "Input/output error"),
    MemoryError(),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
]


@pytest.mark.parametrize("error", NO_FAULT_OF_THE_FILE, ids=str)
def test_a_state_that_cannot_be_read_now_is_not_called_corrupt(data, tmp_path, monkeypatch, error):
    training = small_training(data, tmp_path)
    save_state(training)

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(type(error)) as raised:
        resume(training)
    assert raised.value is error


@pytest.mark.parametrize("place", ["conv_first", "conv_last"])
def test_not_a_number_stops_the_training(data, tmp_path, place):
    """Whether attention or the loss meets it first; weights and state stay as they were."""
    training = small_training(data, tmp_path)
    train_until(training, 5)
    state = training.state_path.read_bytes()
    with torch.no_grad():
        getattr(training.network, place).weight[0, 0, 0, 0] = math.nan
    before = copy.deepcopy(training.network.state_dict())
    expected = "training stopped at iteration 6: loss nan.* learning rate "
    expected += f"{training.recipe.learning_rate(5):.3g}; .*last good state: {tmp_path}/state.pt"
    with pytest.raises(TrainingStoppedError, match=expected):  # in one line
        train(training)
    assert training.step == 5
    assert training.state_path.read_bytes() == state
    after = training.network.state_dict()
    torch.testing.assert_close(after, before, rtol=0, atol=0, equal_nan=True)


def test_a_huge_gradient_stops_the_training(data, tmp_path):
    training = small_training(data, tmp_path, stop_norm=1e-6)
    before = copy.deepcopy(training.network.state_dict())
    expected = r"iteration 1: loss 0\.\d+, gradient norm 0\.\d+ \(limit 1e-06\), learning rate "
    with pytest.raises(TrainingStoppedError, match=expected + r".*no state was saved before it"):
        train(training)
    assert training.step == 0 and not training.state_path.exists()
    torch.testing.assert_close(training.network.state_dict(), before, rtol=0, atol=0)


TINY = {"stamp": "test", "stand_in": {}, "seeds": [0], "recipe": LISTS}
TINY["networks"] = {"semanir-u": "semanir-u-tiny", "semanir-s": "semanir-s-tiny"}
SCALES = {"tiny": TINY}
COMMAND = ["train", "--scale", "tiny", "--task", "denoise_gray-sigma50", "--model", "semanir-u"]
FOLDER = Path("results/tiny/train/denoise_gray-sigma50/semanir-u/seed0")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with the prepared set, where the scale "tiny" exists."""
    ponds(tmp_path / "data/sets/ponds")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models, "scales", lambda: SCALES)
    return tmp_path


@pytest.fixture
def no_more_iterations(monkeypatch):
    """To have the next iteration end the command as Ctrl-C does."""

    def interrupt(*_):
        raise KeyboardInterrupt

    return lambda: monkeypatch.setattr(loop, "iterate", interrupt)


def contents():
    return {path.name: path.read_bytes() for path in FOLDER.iterdir()}


def test_a_finished_training_is_not_done_again(place, capsys, no_more_iterations):
    cli.main(COMMAND)
    before = contents()
    capsys.readouterr()
    no_more_iterations()
    cli.main(COMMAND)
    assert f"{FOLDER}/weights.safetensors is there already" in capsys.readouterr().out
    assert contents() == before


@pytest.mark.parametrize("change", ["another rate", "other weights", "outputs removed"])
def test_another_training_than_the_finished_one_is_done(place, capsys, no_more_iterations, change):
    """Snakemake removes what a rule makes before it makes it again."""
    cli.main(COMMAND)
    no_more_iterations()
    weights = FOLDER / "weights.safetensors"
    if change == "other weights":
        weights.write_bytes(weights.read_bytes() + b"0")
    if change == "outputs removed":
        weights.unlink()
        (FOLDER / "train.json").unlink()
    fails(capsys, *COMMAND, *(("--lr", 1e-3) if change == "another rate" else ()), code=130)
    assert not (FOLDER / "log.jsonl").exists()


def test_a_broken_record_keeps_the_log_that_belongs_to_it(place, capsys):
    cli.main(COMMAND)
    log = (FOLDER / "log.jsonl").read_bytes()
    (FOLDER / "train.json").write_text("{")
    assert f"broken {FOLDER}/train.json, line 1" in fails(capsys, *COMMAND)
    assert (FOLDER / "log.jsonl").read_bytes() == log


def test_who_waited_for_a_training_to_finish_does_not_do_it_again(
    place, capsys, monkeypatch, no_more_iterations
):
    cli.main(COMMAND)
    no_more_iterations()
    shutil.move(FOLDER, "finished")
    FOLDER.mkdir()
    lock = FileLock(FOLDER / ".lock")
    lock.acquire()

    def finish(_):
        shutil.copytree("finished", FOLDER, dirs_exist_ok=True)
        lock.release()

    monkeypatch.setattr("semanir.train.alone.time.sleep", finish)
    cli.main(COMMAND)
    assert "another process trains in" in capsys.readouterr().err
    assert len(log_lines(FOLDER)) == 14


def test_minutes_that_have_passed_are_not_spent_again(place, monkeypatch, no_more_iterations):
    """Also on a machine that would do more in them."""
    command = [*COMMAND, "--minutes", "1"]
    monkeypatch.setattr(budget, "seconds_per_iteration", lambda training: 5.7)
    cli.main(command)
    assert json.loads((FOLDER / "train.json").read_text())["iterations_this_time"] == 10
    before = contents()
    no_more_iterations()
    monkeypatch.setattr(budget, "seconds_per_iteration", lambda training: 2.0)
    cli.main(command)
    assert contents() == before


def test_digests_are_of_all_weights_and_nothing_else(tmp_path):
    """Another file with the same weights has the same; the last bit of one weight counts."""
    network = build("semanir-u-tiny", channels=1)
    one = digest(network)
    save(tmp_path / "w.safetensors", network, note="another fingerprint")
    assert digest(load(tmp_path / "w.safetensors")) == one
    with torch.no_grad():
        weight = next(network.parameters()).view(-1)
        weight[-1] = torch.nextafter(weight[-1], torch.tensor(1e9))
    assert digest(network) != one


def test_command_line_trains_and_writes_the_record(place, capsys, uninterrupted):
    cli.main(COMMAND)
    weights = FOLDER / "weights.safetensors"
    made = {"log.jsonl", "train.json", "weights.safetensors", ".lock"}
    assert {path.name for path in FOLDER.iterdir()} == made
    record = json.loads((FOLDER / "train.json").read_text())
    assert record["weights_sha256"] == sha256(weights)
    assert record["tensors_sha256"] == digest(load(weights))
    assert record["iterations_this_time"] == 12
    assert record["network"] == "semanir-u-tiny" and record["recipe"]["lr"] == 2e-3
    network = load(weights)
    assert record["parameters"] == sum(p.numel() for p in network.parameters())
    assert record["holdout_psnr"] == log_lines(FOLDER)[-1]["holdout_psnr"]
    assert digest(network) == digest(uninterrupted.network)
    assert f"12 iterations, held-out PSNR sigma50 {record['holdout_psnr']['sigma50']:.2f} dB" in (
        capsys.readouterr().out
    )


def assert_command_finishes(uninterrupted):
    """From the state saved after 8 iterations, as if nothing had happened."""
    cli.main(COMMAND)
    assert json.loads((FOLDER / "train.json").read_text())["iterations_this_time"] == 4
    assert digest(load(FOLDER / "weights.safetensors")) == digest(uninterrupted.network)
    assert log_lines(FOLDER) == log_lines(uninterrupted.folder)


KILLED = """
import sys, time
from semanir import cli
from semanir.plan import models
from semanir.train import loop as train
models.scales = lambda: {scales!r}
iterate = train.iterate
def wait_at_10(training, *batch):
    if training.step == 10:
        time.sleep(600)
    return iterate(training, *batch)
train.iterate = wait_at_10
cli.main({command!r})
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_training_resumes_bitwise(place, uninterrupted):
    """kill -9 in iteration 11; the same command then finishes as if nothing had happened."""
    script = KILLED.format(scales=SCALES, command=COMMAND)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-c", script], env=environment) as process:
        log, deadline = FOLDER / "log.jsonl", time.monotonic() + 120
        while not log.is_file() or '"step": 10,' not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert (FOLDER / "state.pt").is_file() and not (FOLDER / "weights.safetensors").exists()

    assert_command_finishes(uninterrupted)


@pytest.mark.parametrize("photograph", ["pond_3.png", "wine_0.png"])
def test_unfit_photographs_stop_before_training(place, capsys, photograph):
    """Also where the index has the hash of the corrupt file."""
    path = Path("data/sets/ponds") / photograph
    path.write_bytes(path.read_bytes()[:-300])
    assert f"{path} changed since it was prepared" in fails(capsys, *COMMAND)

    index = json.loads(path.with_name("index.json").read_text())
    for entry in index:
        entry["sha256"] = sha256(path.with_name(entry["file"]))
    path.with_name("index.json").write_text(json.dumps(index))
    assert f"cannot decode picture {path}: " in fails(capsys, *COMMAND)

    path.unlink()
    assert f"missing file {path}" in fails(capsys, *COMMAND)
    assert not (FOLDER / "log.jsonl").exists()


def test_command_line_refuses_what_does_not_fit(place, capsys):
    (place / "data/sets/ponds/index.json").unlink()
    for options, message in {
        "--task sr-x2": "semanir-u-tiny does not fit the task sr-x2",
        "--model semanir-s": "semanir-s-tiny does not fit the task denoise",
        "--task denoise_gray-sigma5": "unknown task 'denoise_gray-sigma5'",
        "--model semanir-v": "unknown model 'semanir-v'; did you mean",
        "--scale tin": "unknown scale 'tin'; did you mean tiny?",
        "--seed 0": "data/sets/ponds is not a prepared set: no index.json",
    }.items():
        assert message in fails(capsys, *COMMAND, *options.split())
    left = [path.name for path in Path("results").rglob("*") if path.is_file()]
    assert left == [".lock"]  # of the last


def test_an_interrupted_command_resumes_from_the_last_save(
    place, capsys, monkeypatch, uninterrupted
):
    """Iterations after the save are done again, and their log lines are not doubled."""
    iterate = loop.iterate

    def interrupt(training, *batch):
        if training.step == 10:
            raise KeyboardInterrupt
        return iterate(training, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "iterate", interrupt)
        assert "interrupted; the same command resumes" in fails(capsys, *COMMAND, code=130)
    assert max(line["step"] for line in log_lines(FOLDER)) == 10
    assert_command_finishes(uninterrupted)
