"""How pictures are split and joined: which piece gives which pixel, by numbers from the scripts."""

import pytest
import torch
from small_networks import enlarged

from baselines.splitting import SPLITS, largest_piece

EVERY = {
    "overlapping_tiles": {"tile": 40, "overlap": 8},
    "overlapping_quarters": {"multiple": 16},
    "recursive_quarters": {"shave": 10, "min_size": 1600},
    "partitions": {"side": 30, "shave": "tenth", "multiple": 4, "mode": "symmetric"},
    "overlapping_crops": {"side": 48},
}


def piece_numbers(split, size, scale=1, **numbers):
    """[s*H,s*W]: what a network gives that answers with a piece's number, counted from 0."""
    count = iter(range(1000))

    def network(x):
        numbered = [torch.full((1, *x.shape[-2:]), float(next(count))) for _ in x]
        return enlarged(torch.stack(numbered), scale)

    return SPLITS[split](network, torch.zeros(1, 1, *size), **numbers)[0, 0]


@pytest.mark.parametrize("split", EVERY)
@pytest.mark.parametrize("size", [(48, 48), (57, 86), (60, 61), (100, 131)])
@pytest.mark.parametrize("scale", [1, 3])
def test_pieces_join_to_the_whole(split, size, scale):
    """Where every piece is right the whole is, in a batch, of odd sides, enlarged."""
    assert set(EVERY) == set(SPLITS)
    x = torch.rand(2, 3, *size)
    out = SPLITS[split](lambda piece: enlarged(piece, scale), x, **EVERY[split])
    torch.testing.assert_close(out, enlarged(x, scale))


def test_tiles_are_averaged_where_they_overlap():
    """GRL's engines/base.py:97-115: 6 of 14 columns, 4 apart: from 0, 4 and 8."""
    wide, narrow, flat = (
        piece_numbers("overlapping_tiles", size, tile=6, overlap=2)
        for size in ((6, 14), (6, 11), (4, 7))
    )
    assert wide[3].tolist() == [0, 0, 0, 0, 0.5, 0.5, 1, 1, 1.5, 1.5, 2, 2, 2, 2]
    # the last tile is moved back to the edge: from 0, 4 and 5
    assert narrow[0].tolist() == [0, 0, 0, 0, 0.5, 1, 1.5, 1.5, 1.5, 1.5, 2]
    assert flat[0, -1] == 2  # line 94: no larger than the shorter side


@pytest.mark.parametrize("split", ["overlapping_quarters", "recursive_quarters"])
def test_corners_meet_in_the_middle(split):
    """DPIR utils/utils_model.py:133-136, RCAN model/__init__.py:143-151: at h // 2, w // 2."""
    recursive = split == "recursive_quarters"
    few = {"shave": 2, "min_size": 1000} if recursive else {"multiple": 4}
    out = piece_numbers(split, (9, 11), scale=2, **few)
    assert out.shape == (18, 22)
    assert out[7].tolist() == [0] * 10 + [1] * 12
    assert out[8].tolist() == [2] * 10 + [3] * 12
    # a picture too small for corners passes as a whole
    many = {"shave": 10, "min_size": 160000} if recursive else {"multiple": 64}
    assert (piece_numbers(split, (19, 70), **many) == 0).all()


def test_corners_are_split_again_while_they_are_large():
    """model/__init__.py:126: 22 x 22 are no less than 400 and split again, 13 x 13 not."""
    out = piece_numbers("recursive_quarters", (40, 40), shave=2, min_size=400)
    # of 22 columns the first 20 are kept, their middle is 11; of the other half the last 20
    assert out[0].tolist() == [0] * 11 + [1] * 9 + [4] * 9 + [5] * 11
    assert out[:, 0].tolist() == [0] * 11 + [2] * 9 + [8] * 9 + [10] * 11


def test_middles_of_crops_are_averaged():
    """IPT's model/__init__.py:149-202, crops of 48 from 0, 12 and the edge.

    Of 60 columns: 24 of the first, 12 that two middles share, then the crop at the edge (line 200).
    """
    out = piece_numbers("overlapping_crops", (60, 60), side=48)
    # crops are numbered row by row: 0 1 2, 3 4 5, 6 7 8, the last of each is that at the edge
    assert out[20].tolist() == [0] * 24 + [0.5] * 12 + [2] * 24
    assert out[30].tolist() == [1.5] * 24 + [2] * 12 + [3.5] * 24
    assert out[50].tolist() == [6] * 24 + [6.5] * 12 + [8] * 24
    # line 188: the first crop alone gives the first rows
    assert out[5].tolist() == [0] * 36 + [2] * 24


# lines 158 and 200: 54 columns leave 6 over, (48 - 6) / 2 = 21 before column 48, enlarged;
# 53 leave 5 over: int(43 / 2 * 3) = 64 of 144 are given away
@pytest.mark.parametrize(("columns", "first", "last"), [(54, 81, 81), (53, 80, 79)])
def test_the_crop_at_the_edge_takes_over_in_the_middle_of_what_is_shared(columns, first, last):
    out = piece_numbers("overlapping_crops", (48, columns), scale=3, side=48)[70]
    assert out.tolist() == [0] * first + [1] * last


def test_largest_pieces():
    assert largest_piece({}, 321, 481) == (321, 481)
    quarters = {"recursive_quarters": {"shave": 10, "min_size": 160000}}
    assert largest_piece(quarters, 900, 1000) == (240, 265)
