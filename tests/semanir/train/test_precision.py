"""Training in bfloat16 and TF32: ways to attend, both shapes, and networks at full size."""

from contextlib import nullcontext

import pytest
import torch
from made_sets import textures, write_set
from tf32 import Tf32, rounded
from trainings import OPTIONS, log_lines, small_training, train_until

from data_prep.tasks import get_task
from semanir.errors import InputError
from semanir.plan.plan import Plan
from semanir.train.loop import train
from semanir.train.recipe import Recipe, make_recipe
from semanir.train.state import resume, save_state
from semanir.train.training import make_training

ON_CPUS = ("auto", "reference", "mask", "gather")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Photographs that hold patches of 32, enlarged twice."""
    names = ("pond_0.png", "pond_1.png", "wine_0.png")
    return write_set(tmp_path_factory.mktemp("set"), textures(names, 64, 72))


def first_iteration(data, folder, network, task, precision, **switches):
    """Its line of the log, and the gradients, of a network whose layers all matter."""
    recipe = Recipe(**OPTIONS | {"batch": 2, "clip_norm": 0, "precision": precision})
    training = make_training(
        network, get_task(task), recipe, [(data, None)], folder, 0, code="", **switches
    )
    torch.manual_seed(0)
    torch.nn.init.normal_(training.network.conv_last.weight, std=0.1)  # else no gradient passes it
    train_until(training, 1)
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in training.network.parameters())
    return log_lines(folder)[0], [p.grad.flatten() for p in training.network.parameters()]


CASES = [{"backend": name} for name in ON_CPUS] + [{"keys": "all"}, {"attention": "cosine"}]


@pytest.mark.parametrize("switches", CASES, ids=lambda switches: "-".join(*switches.items()))
@pytest.mark.parametrize(
    ("network", "task"), [("semanir-u-tiny", "denoise_gray-sigma50"), ("semanir-s-tiny", "sr-x2")]
)
def test_bf16_moves_loss_and_gradients_by_its_rounding(data, tmp_path, network, task, switches):
    """bfloat16 has 8 bits, 0.4 % a product: the loss within 0.5 %, gradients in one direction."""
    options = {"network": network, "task": task, **switches}
    line, exact = first_iteration(data, tmp_path / "32", precision="float32", **options)
    rough, found = first_iteration(data, tmp_path / "16", precision="bf16", **options)
    print(f"loss {line['loss']:.6f} and {rough['loss']:.6f}")
    assert rough["loss"] != line["loss"]
    assert rough["loss"] == pytest.approx(line["loss"], rel=0.005)
    alike = torch.nn.functional.cosine_similarity(torch.cat(exact), torch.cat(found), dim=0)
    print(f"cosine of the gradients {alike:.6f}")
    assert alike > 0.999


def test_tf32_keeps_ten_bits():
    """1 + 2**-11 is half way to the next, which is 1 + 2**-10; signs and powers of two stay."""
    x = torch.tensor([1 + 2**-11, 1 + 2**-11 - 2**-20, -3.0, 0.0, 2.0**-30])
    assert rounded(x).tolist() == [1 + 2**-10, 1.0, -3.0, 0.0, 2.0**-30]


@pytest.mark.parametrize(
    ("network", "task"), [("semanir-u-tiny", "denoise_gray-sigma50"), ("semanir-s-tiny", "sr-x2")]
)
def test_tf32_moves_loss_and_gradients_by_its_rounding(data, tmp_path, network, task):
    """Ten bits, 0.05 % a product: an eighth of that of bfloat16. No GPU has run it."""
    options = {"network": network, "task": task, "backend": "mask"}
    line, exact = first_iteration(data, tmp_path / "32", precision="float32", **options)
    with Tf32() as mode:
        rough, found = first_iteration(data, tmp_path / "19", precision="tf32", **options)
    assert mode.rounded > 100 and rough["loss"] != line["loss"]
    print(
        f"loss {line['loss']:.7f} and {rough['loss']:.7f}, {rough['loss'] / line['loss'] - 1:.2e}"
    )
    alike = torch.nn.functional.cosine_similarity(torch.cat(exact), torch.cat(found), dim=0)
    print(f"cosine of the gradients {alike:.8f}")
    assert rough["loss"] == pytest.approx(line["loss"], rel=0.0006)
    assert alike > 0.9999


@pytest.mark.parametrize(
    ("precision", "of_five", "of_all"), [("bf16", 1e-3, 0.005), ("tf32", 5e-5, 0.01)]
)
def test_twenty_iterations_follow_those_in_float32(data, tmp_path, precision, of_five, of_all):
    """Five losses within one bound, all within the other, while they fall by a third.

    Rounding adds up, and where it selects another key the difference grows whatever it was: over
    four seeds at most 6e-4 and 1.2e-5 in the first five, 0.8 and 0.6 % in all.
    """
    courses = []
    for one in ("float32", precision):
        options = {"iterations": 20, "batch": 2, "lr": 1e-3, "validate_every": 99}
        with Tf32() if one == "tf32" else nullcontext():
            train(small_training(data, tmp_path / one, precision=one, backend="mask", **options))
        courses.append([line["loss"] for line in log_lines(tmp_path / one) if "loss" in line])
    exact, rough = courses
    for number in (5, 20):
        pairs = zip(rough[:number], exact, strict=False)
        print("largest difference", max(abs(a / b - 1) for a, b in pairs))
    assert len(exact) == 20 and min(exact) < 0.67 * exact[0]
    assert rough[:5] != exact[:5] and rough[:5] == pytest.approx(exact[:5], rel=of_five)
    assert rough == pytest.approx(exact, rel=of_all)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_a_gpu_rounds_to_tf32_where_the_recipe_says_so_alone(data, tmp_path, precision):
    """Products and convolutions, as torch's own switches say; no GPU has shown what that does."""
    small_training(data, tmp_path, precision=precision)
    try:
        assert torch.backends.cudnn.allow_tf32 == (precision == "tf32")
        assert torch.backends.cuda.matmul.allow_tf32 == (precision == "tf32")
    finally:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False


def test_a_back_end_without_bf16_says_which_has_it(data, tmp_path):
    options = {"network": "semanir-u-tiny", "task": "denoise_gray-sigma50", "precision": "bf16"}
    with pytest.raises(InputError, match=r"takes float32 on a CPU .*pass backend='mask'"):
        first_iteration(data, tmp_path, backend="fused", **options)


def full_size(data, folder, model, task):
    """The training that the scale `gpu` plans, but of one patch of 32 an iteration."""
    recipe = Plan("gpu").recipe(task, model) | {"iterations": 100, "batch": 1, "patch": 32}
    recipe |= {"holdout": "wine", "log_every": 1}
    preset, switches = Plan("gpu").network(model)
    sets = [(data, None)]
    return make_training(
        preset, get_task(task), make_recipe(recipe), sets, folder, 0, code="", **switches
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "task"), [("semanir-u", "denoise_gray-sigma50"), ("semanir-s", "sr-x2")]
)
def test_three_iterations_at_full_size(data, tmp_path, model, task):
    """In bfloat16, with the averaged weights that are kept; the third is done again from disk."""
    first = full_size(data, tmp_path, model, task)
    size = sum(p.numel() for p in first.network.parameters())
    assert size == pytest.approx({"semanir-u": 25.8e6, "semanir-s": 11.9e6}[model], rel=0.01)
    before = {name: p.detach().clone() for name, p in first.network.named_parameters()}
    train_until(first, 2)
    save_state(first)
    again = full_size(data, tmp_path, model, task)
    resume(again)
    for training in (first, again):
        train_until(training, 3)
    lines = log_lines(tmp_path)
    assert [line["step"] for line in lines] == [1, 2, 3, 3]
    assert all(0 < line["loss"] < 1 for line in lines) and lines[2] == lines[3]
    for kept in ("network", "average"):
        states = [getattr(training, kept).state_dict() for training in (first, again)]
        torch.testing.assert_close(*states, rtol=0, atol=0)
    moved = [not torch.equal(before[name], p) for name, p in first.network.named_parameters()]
    assert sum(moved) > 0.9 * len(moved)
    assert all(p.isfinite().all() for p in first.average.parameters())
