"""One iteration: parts of a batch, precision, and the weights it starts from."""

import pytest
import torch
from made_sets import ponds
from trainings import log_lines, small_training, train_until

from semanir.errors import InputError
from semanir.inference.checkpoint import save
from semanir.inference.shipped import facts
from semanir.network import build
from semanir.train.training import start_from, train_network


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return ponds(tmp_path_factory.mktemp("set"))


def gradients(data, folder, **options):
    """Those of the first iteration, unclipped, and its line of the log."""
    training = small_training(data, folder, batch=4, clip_norm=0, **options)
    torch.manual_seed(0)
    torch.nn.init.normal_(training.network.conv_last.weight, std=0.1)  # else no gradient passes it
    train_until(training, 1)
    return {n: p.grad for n, p in training.network.named_parameters()}, log_lines(folder)[0]


def test_a_batch_in_parts_has_the_gradients_of_the_whole(data, tmp_path):
    whole, line = gradients(data, tmp_path / "1")
    for parts in (2, 4):
        found, logged = gradients(data, tmp_path / str(parts), accumulate=parts)
        torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-6)
        assert logged["loss"] == pytest.approx(line["loss"], rel=1e-6)
        assert logged["grad_norm"] == pytest.approx(line["grad_norm"], rel=1e-5)


def test_bf16_moves_the_loss_by_less_than_its_rounding(data, tmp_path):
    """bfloat16 has 8 bits: 0.4 % a product. tf32 is a matter of GPUs, a CPU computes the same."""
    _, line = gradients(data, tmp_path / "float32")
    _, rough = gradients(data, tmp_path / "bf16", precision="bf16")
    _, same = gradients(data, tmp_path / "tf32", precision="tf32")
    assert rough["loss"] != line["loss"]
    assert rough["loss"] == pytest.approx(line["loss"], rel=0.01)
    assert rough["grad_norm"] == pytest.approx(line["grad_norm"], rel=0.05)
    assert same == line


def test_levels_are_drawn_from_the_whole_range(data, tmp_path):
    """sigma 0 to 3 instead of 15, 25 and 50: the loss of a network that returns its input."""
    pairs = small_training(data, tmp_path, levels=(0, 3), task="denoise_gray-blind").pairs
    noise = [float((a - b).std()) * 255 for a, b in (pairs.batch(0, step, 1) for step in range(99))]
    assert {round(sigma) for sigma in noise} == {0, 1, 2, 3}


def test_a_training_starts_from_weights_and_says_so(data, tmp_path):
    first = small_training(data, tmp_path / "1")
    train_network(first, tmp_path / "1.safetensors", task="denoise_gray-sigma50")
    second = small_training(data, tmp_path / "2", init=tmp_path / "1.safetensors", seed=5)
    torch.testing.assert_close(
        second.network.state_dict(), first.network.state_dict(), rtol=0, atol=0
    )
    train_network(second, tmp_path / "2.safetensors", task="denoise_gray-sigma50")
    trainings = facts(tmp_path / "2.safetensors")["trainings"]
    assert [one["fingerprint"] for one in trainings] == [first.fingerprint, second.fingerprint]
    assert trainings[0]["iterations"] == 12 and trainings[0]["datasets"] == ["ponds"]
    other = small_training(data, tmp_path / "3", seed=5)
    assert other.fingerprint != second.fingerprint


def test_what_fits_is_taken_of_weights_for_another_task(tmp_path):
    """From x2 to x3, grey to colour: all but what depends on the enlargement or the channels."""
    for name, one, other in (
        ("semanir-s-tiny", {"upscale": 2}, {"upscale": 3}),
        ("semanir-u-tiny", {"channels": 1}, {"channels": 3}),
    ):
        source, target = build(name, **one), build(name, **other)
        save(tmp_path / "w.safetensors", source)
        before = target.state_dict()
        own = {key: tensor.clone() for key, tensor in before.items()}
        start_from(target, tmp_path / "w.safetensors")
        given = source.state_dict()
        for key, tensor in target.state_dict().items():
            fits = given[key].shape == own[key].shape
            assert torch.equal(tensor, given[key] if fits else own[key])
    with pytest.raises(InputError, match=r"w\.safetensors"):
        start_from(build("semanir-u-small"), tmp_path / "w.safetensors")


def test_a_deeper_network_starts_with_what_the_file_gives(tmp_path):
    shallow, deep = build("semanir-u-tiny"), build("semanir-u-tiny", layers=(2, 3))
    images = torch.rand(1, 3, 24, 20)
    torch.nn.init.normal_(shallow.conv_last.weight)  # else the network is its skip connection
    save(tmp_path / "w.safetensors", shallow)
    assert not torch.equal(deep(images), shallow(images))
    start_from(deep, tmp_path / "w.safetensors")
    assert torch.equal(deep(images), shallow(images))
    assert sum(p.numel() for p in deep.parameters()) > sum(p.numel() for p in shallow.parameters())
