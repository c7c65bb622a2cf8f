"""How pictures are cut and joined: which piece gives which pixel, by numbers from the scripts."""

import pytest
import torch

from baselines.splitting import (
    SPLITS,
    largest_piece,
    overlapping_crops,
    overlapping_quarters,
    overlapping_tiles,
    partitions,
    recursive_quarters,
)

EVERY = {
    "overlapping_tiles": {"tile": 40, "overlap": 8},
    "overlapping_quarters": {"multiple": 16},
    "recursive_quarters": {"shave": 10, "min_size": 1600},
    "partitions": {"side": 30, "shave": "tenth", "multiple": 4, "mode": "symmetric"},
    "overlapping_crops": {"side": 48},
}


def enlarged(scale):
    return lambda x: x.repeat_interleave(scale, -1).repeat_interleave(scale, -2)


def numbered(scale=1):
    """A network that answers with the number of the piece, counted from 0, at every pixel."""
    count = iter(range(1000))

    def network(x):
        numbers = torch.tensor([float(next(count)) for _ in range(len(x))])
        height, width = (scale * side for side in x.shape[-2:])
        return numbers.view(-1, 1, 1, 1).expand(-1, 1, height, width).clone()

    return network


@pytest.mark.parametrize("cut", EVERY)
@pytest.mark.parametrize("size", [(48, 48), (57, 86), (60, 61), (100, 131)])
@pytest.mark.parametrize("scale", [1, 3])
def test_pieces_join_to_the_whole(cut, size, scale):
    """Where every piece is right the whole is, in a batch, of odd sides, enlarged."""
    assert set(EVERY) == set(SPLITS)
    torch.manual_seed(0)
    x = torch.rand(2, 3, *size)
    out = SPLITS[cut](enlarged(scale), x, **EVERY[cut])
    torch.testing.assert_close(out, enlarged(scale)(x))


def test_tiles_are_averaged_where_they_overlap():
    """GRL's engines/base.py:97-115: 6 of 14 columns, 4 apart: from 0, 4 and 8."""
    out = overlapping_tiles(numbered(), torch.zeros(1, 1, 6, 14), tile=6, overlap=2)
    assert out[0, 0, 3].tolist() == [0, 0, 0, 0, 0.5, 0.5, 1, 1, 1.5, 1.5, 2, 2, 2, 2]
    # the last tile is moved back to the edge: from 0, 4 and 5
    out = overlapping_tiles(numbered(), torch.zeros(1, 1, 6, 11), tile=6, overlap=2)
    assert out[0, 0, 0].tolist() == [0, 0, 0, 0, 0.5, 1, 1.5, 1.5, 1.5, 1.5, 2]
    # line 94: no larger than the shorter side
    out = overlapping_tiles(numbered(), torch.zeros(1, 1, 4, 7), tile=6, overlap=2)
    assert out[0, 0, 0, -1] == 2


@pytest.mark.parametrize(
    ("cut", "numbers"),
    [(overlapping_quarters, {"multiple": 4}), (recursive_quarters, {"shave": 2, "min_size": 1000})],
)
def test_corners_meet_in_the_middle(cut, numbers):
    """DPIR utils/utils_model.py:133-136, RCAN model/__init__.py:143-151: at h // 2, w // 2."""
    out = cut(numbered(2), torch.zeros(1, 1, 9, 11), **numbers)
    assert out.shape == (1, 1, 18, 22)
    assert out[0, 0, 7].tolist() == [0] * 10 + [1] * 12
    assert out[0, 0, 8].tolist() == [2] * 10 + [3] * 12


def test_corners_are_cut_again_while_they_are_large():
    """model/__init__.py:126: 22 x 22 are no less than 400 and cut again, 13 x 13 not."""
    out = recursive_quarters(numbered(), torch.zeros(1, 1, 40, 40), shave=2, min_size=400)
    # of 22 columns the first 20 are kept, their middle is 11; of the other half the last 20
    assert out[0, 0, 0].tolist() == [0] * 11 + [1] * 9 + [4] * 9 + [5] * 11
    assert out[0, 0, :, 0].tolist() == [0] * 11 + [2] * 9 + [8] * 9 + [10] * 11


@pytest.mark.parametrize("cut", [overlapping_quarters, recursive_quarters])
def test_pictures_too_small_for_corners_pass_as_a_whole(cut):
    numbers = {"multiple": 64} if cut is overlapping_quarters else {"shave": 10, "min_size": 160000}
    out = cut(numbered(), torch.zeros(1, 1, 19, 70), **numbers)
    assert (out == 0).all()


def test_partitions_are_equal_and_margins_are_cut_off():
    """CAT's cat_model.py:45-69 and ART's art_model.py:15-29: 25 columns are 25 // 10 + 1 parts."""
    seen = []

    def network(x):
        seen.append(x[0, 0, 0].tolist())
        return x

    x = torch.arange(25.0).expand(1, 1, 5, 25)
    assert torch.equal(partitions(network, x, side=10, shave=2, multiple=1, mode="reflect"), x)
    # 25 + 2 columns are 3 parts of 9, the new ones reflected without the edge
    assert [(s[0], s[-1], len(s)) for s in seen] == [(0, 10, 11), (7, 19, 13), (16, 22, 11)]
    seen.clear()
    partitions(network, x, side=10, shave="tenth", multiple=4, mode="symmetric")
    # 25 + 11 columns are 3 parts of 12, multiples of 4; a tenth of 12 is 1
    assert [len(s) for s in seen] == [13, 14, 13]
    assert seen[-1][:3] == [23, 24, 24]


def test_middles_of_crops_are_averaged():
    """IPT's model/__init__.py:149-202, crops of 48 with 12 between: from 0, 12 and the edge.

    Of 60 columns: 12 of the first crop, its middle alone, 12 that two middles share, then from the
    middle of the crop at the edge (its columns 24 and on, line 200) that one.
    """
    out = overlapping_crops(numbered(), torch.zeros(1, 1, 60, 60), side=48)[0, 0]
    # crops are numbered row by row: 0 1 2, 3 4 5, 6 7 8, the last of each is that at the edge
    assert out[20].tolist() == [0] * 24 + [0.5] * 12 + [2] * 24
    assert out[30].tolist() == [1.5] * 24 + [2] * 12 + [3.5] * 24
    assert out[50].tolist() == [6] * 24 + [6.5] * 12 + [8] * 24
    # line 188: the first crop alone gives the first rows
    assert out[5].tolist() == [0] * 36 + [2] * 24


def test_the_crop_at_the_edge_takes_over_in_the_middle_of_what_is_shared():
    """Lines 158 and 200: 54 columns leave 6 over; (48 - 6) / 2 = 21 before column 48, enlarged."""
    out = overlapping_crops(numbered(3), torch.zeros(1, 1, 48, 54), side=48)[0, 0, 70]
    assert out.tolist() == [0] * 81 + [1] * 81
    # 53 leave 5 over: int(43 / 2 * 3) = 64 of 144 are given away
    out = overlapping_crops(numbered(3), torch.zeros(1, 1, 48, 53), side=48)[0, 0, 70]
    assert out.tolist() == [0] * 80 + [1] * 79


def test_largest_pieces():
    """What has to fit into memory at once."""
    partition = {"side": 200, "shave": 16, "multiple": 4, "mode": "symmetric"}
    for split, size, largest in (
        ({}, (321, 481), (321, 481)),
        ({"overlapping_tiles": {"tile": 256, "overlap": 32}}, (321, 481), (256, 256)),
        ({"overlapping_quarters": {"multiple": 64}}, (321, 481), (192, 256)),
        ({"recursive_quarters": {"shave": 10, "min_size": 160000}}, (900, 1000), (240, 265)),
        ({"partitions": partition}, (60, 500), (60, 200)),
    ):
        assert largest_piece(split, *size) == largest
