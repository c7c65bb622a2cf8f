"""What tests of restoring pictures share: pixels, networks, and the command `semanir`."""

import numpy as np
import pytest
import torch
from photographs import pixels
from PIL import Image

from semanir import cli
from semanir.inference import checkpoint
from semanir.inference.restore import restore
from semanir.network import build


def names_in(folder):
    """Names of what lies in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def picture(path, *shape, **options):
    """A file of random 8-bit pixels, and these."""
    image = pixels(*shape, **options)
    Image.fromarray(image).save(path)
    return image


def written(path):
    """The pixels of a file by Pillow."""
    with Image.open(path) as image:
        return np.asarray(image)


def trained(name, seed=0, **options):
    """A network whose output differs from its input, unlike that of a fresh U-shape."""
    torch.manual_seed(seed)
    network = build(name, **options).eval()
    with torch.no_grad():
        network.conv_last.weight.normal_(std=0.02)
    return network


def save(path, network, **facts):
    """The weights file of a network."""
    checkpoint.save(path, network, **facts)
    return path


def restored(network, image, **options):
    """What `restore` makes of an array, as whole numbers of the same type."""
    full = np.iinfo(image.dtype).max
    floats = restore(network, (image / full).astype(np.float32), **options)
    return np.rint(floats * full).astype(image.dtype)


def semanir(*arguments):
    """The command `semanir` in this process."""
    cli.main([str(argument) for argument in arguments])


def shown_by(capsys, *arguments, code):
    """stdout and stderr of a command that ends with `code`."""
    with pytest.raises(SystemExit) as stop:
        semanir(*arguments)
    shown = capsys.readouterr()
    assert stop.value.code == code and "Traceback" not in shown.err
    return shown


def fails(capsys, *arguments, code=2):
    """stderr of a command that ends with `code`; one line if that is 2."""
    shown = shown_by(capsys, *arguments, code=code).err
    if code == 2:
        assert shown.startswith("error: ") and shown.count("\n") == 1
    return shown
