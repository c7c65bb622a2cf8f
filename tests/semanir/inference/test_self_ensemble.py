"""The mean over eight positions of a picture."""

import numpy as np
import pytest
from restorable import make, photograph

from data_prep.tasks import get_task
from semanir.__main__ import main
from semanir.evaluate.systems import TrainedRestorer
from semanir.inference import checkpoint
from semanir.inference.restore import restore


def test_it_is_the_mean_of_eight_restored_pictures_turned_back():
    """Turns and mirrors of numpy; few values are clipped, which the mean is as a whole."""
    network, degraded = make("semanir-s-tiny", window=4, k=6, upscale=2), photograph(20, 29)
    degraded = degraded / 2 + np.float32(0.25)
    expected = []
    for turns in range(4):
        for flipped in (False, True):
            image = np.rot90(degraded, turns)
            image = image[:, ::-1] if flipped else image
            out = restore(network, np.ascontiguousarray(image), k=3)
            assert np.mean((out == 0) | (out == 1)) < 0.001
            expected.append(np.rot90(out[:, ::-1] if flipped else out, -turns))
    found = restore(network, degraded, k=3, self_ensemble=True)
    assert found.shape == (40, 58, 3)
    np.testing.assert_allclose(found, np.mean(expected, 0), rtol=0, atol=1e-3)
    assert np.mean(np.abs(found - np.mean(expected, 0))) < 1e-6
    assert np.abs(found - restore(network, degraded, k=3)).max() > 1e-3


def test_what_is_turned_before_is_turned_after():
    """Not so by the network alone."""
    network = make("semanir-u-tiny", window=4, k=6, dims=(6, 8), layers=1, channels=1)
    degraded = photograph(23, 31, 1)
    for turned in (np.flipud, np.fliplr, np.transpose, np.rot90):
        image = np.ascontiguousarray(turned(degraded))
        one, other = (restore(network, x, self_ensemble=True) for x in (degraded, image))
        np.testing.assert_allclose(turned(one), other, rtol=0, atol=1e-6)
        alone = turned(restore(network, degraded))
        assert np.abs(alone - restore(network, image)).max() > 1e-4


def test_tiles_are_restored_in_eight_positions():
    """Equal to the whole picture where they overlap enough and windows end with the picture."""
    network = make("semanir-u-tiny", window=4, k=6, dims=(6, 8), layers=1)
    degraded = photograph(96, 56)
    whole = restore(network, degraded, self_ensemble=True)
    tiled = restore(network, degraded, tile=64, overlap=40, self_ensemble=True)
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-6)


def test_a_trained_network_is_evaluated_alone_and_in_an_ensemble(tmp_path):
    network = make("semanir-u-tiny", window=4, k=6, dims=(6, 8), layers=1, channels=1).float()
    checkpoint.save(tmp_path / "w.safetensors", network)
    task, image = get_task("denoise_gray-sigma50"), photograph(24, 16, 1)
    alone = TrainedRestorer(tmp_path / "w.safetensors", task, 1, "semanir-u-tiny")
    assert alone.facts["tensors_sha256"] == checkpoint.digest(network)
    ensemble = alone.in_ensemble()
    for restorer, averaged in ((alone, False), (ensemble, True)):
        expected = restore(network.eval(), image, self_ensemble=averaged)
        np.testing.assert_array_equal(restorer(image, "sigma50")[0], expected)
    assert (alone(image, "sigma50")[0] != ensemble(image, "sigma50")[0]).any()


def test_what_is_not_trained_here_has_no_ensemble(capsys):
    command = ["evaluate", "--task", "sr-x2", "--model", "input", "--self-ensemble"]
    with pytest.raises(SystemExit):
        main(command)
    assert "input is not trained here" in capsys.readouterr().err
