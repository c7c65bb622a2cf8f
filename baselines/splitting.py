"""How authors' test scripts split a picture into pieces, and join what a network makes of them.

Every function takes a network [B,C,h,w] -> [B,C,s*h,s*w], a picture [B,C,H,W] and the numbers of a
script, and returns [B,C,s*H,s*W]. Which system asks for which stands in models.yaml (`split`).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from baselines.padding import pad_up_to

Network = Callable[[Tensor], Tensor]


def overlapping_tiles(network: Network, x: Tensor, tile: int, overlap: int) -> Tensor:
    """Square tiles, the last ones moved back to the edges; where they overlap, their mean.

    A tile is no larger than the shorter side. GRL's `forward_tile`, written for SwinIR.
    """
    tile = min(tile, *x.shape[-2:])
    if tile <= overlap:
        return network(x)
    tops, lefts = ([*range(0, size - tile, tile - overlap), size - tile] for size in x.shape[-2:])
    total = weight = torch.empty(0)
    for top in tops:
        for left in lefts:
            part = network(x[..., top : top + tile, left : left + tile])
            s = part.shape[-1] // tile
            if not total.numel():
                total = part.new_zeros(*part.shape[:2], *(s * side for side in x.shape[-2:]))
                weight = torch.zeros_like(total)
            place = (..., slice(s * top, s * (top + tile)), slice(s * left, s * (left + tile)))
            total[place] += part
            weight[place] += 1
    return total / weight


def overlapping_quarters(network: Network, x: Tensor, multiple: int) -> Tensor:
    """Four corners that overlap, sides multiples of `multiple`, joined in the middle.

    KAIR's `test_onesplit`. A picture below `multiple`, which it cannot take, passes as a whole.
    """
    if min(x.shape[-2:]) < multiple:
        return network(x)
    return _corners(network, x, *((side // 2 // multiple + 1) * multiple for side in x.shape[-2:]))


def recursive_quarters(network: Network, x: Tensor, shave: int, min_size: int) -> Tensor:
    """Four corners that reach `shave` pixels beyond the middle, again and again.

    Until a corner has fewer than `min_size` pixels. EDSR's `forward_chop`, which RCAN has from it.
    A picture below twice `shave`, which it cannot take, passes as a whole.
    """
    if min(x.shape[-2:]) < 2 * shave:
        return network(x)
    height, width = (side // 2 + shave for side in x.shape[-2:])
    if height * width >= min_size:
        network = partial(recursive_quarters, network, shave=shave, min_size=min_size)
    return _corners(network, x, height, width)


def _corners(network: Network, x: Tensor, height: int, width: int) -> Tensor:
    """The four corners of [height,width], of which each gives the quarter that it lies in."""
    rows, columns = (
        ((slice(0, part), 0, size // 2), (slice(size - part, size), part - size + size // 2, part))
        for size, part in zip(x.shape[-2:], (height, width), strict=True)
    )
    joined = []
    for row, top, bottom in rows:
        line = []
        for column, left, right in columns:
            out = network(x[..., row, column])
            s = out.shape[-1] // width
            line.append(out[..., s * top : s * bottom, s * left : s * right])
        joined.append(torch.cat(line, -1))
    return torch.cat(joined, -2)


def partitions(
    network: Network, x: Tensor, side: int, shave: int | str, multiple: int, mode: str
) -> Tensor:
    """As many equal parts a side as `side` pixels go into it, and one more; each with a margin.

    shave: the margin, "tenth" of a part; it is cut off again. The picture is padded so that parts
    are multiples of `multiple`. The `test` of CAT's and ART's models.
    """
    rows, columns = (_parts(size, side, shave, multiple) for size in x.shape[-2:])
    padded = pad_up_to(x, rows[-1][1], columns[-1][1], mode)
    joined = []
    for top, bottom, above, height in rows:
        line = []
        for left, right, before, width in columns:
            out = network(padded[..., top:bottom, left:right])
            s = out.shape[-1] // (right - left)
            inner = out[..., s * above : s * (above + height), s * before : s * (before + width)]
            line.append(inner)
        joined.append(torch.cat(line, -1))
    scale = joined[0].shape[-1] // padded.shape[-1]
    return torch.cat(joined, -2)[..., : scale * x.shape[-2], : scale * x.shape[-1]]


def _parts(
    size: int, side: int, shave: int | str, multiple: int
) -> list[tuple[int, int, int, int]]:
    """(start, end, margin before, length without margins) of the parts along one side."""
    count = size // side + 1
    length = -(-size // (count * multiple)) * multiple
    margin = length // 10 if shave == "tenth" else int(shave)
    parts = []
    for i in range(count):
        before, after = margin * (i > 0), margin * (i < count - 1)
        parts.append((i * length - before, (i + 1) * length + after, before, length))
    return parts


def overlapping_crops(network: Network, x: Tensor, side: int) -> Tensor:
    """Square crops a quarter of a side apart, and at the far edges; the middles are averaged.

    IPT's `forward_chop`. The first crop gives the margin before its middle, the one at the far edge
    all from the middle of what it shares with the last regular one.
    """
    step = side // 4
    tops, lefts = ([*range(0, size - side + 1, step), size - side] for size in x.shape[-2:])
    whole = corner = torch.empty(0)
    for i, top in enumerate(tops):
        pieces = [x[..., top : top + side, left : left + side] for left in lefts]
        restored = network(torch.cat(pieces)).unflatten(0, (len(lefts), -1))
        s = restored.shape[-1] // side
        if not i:
            whole = restored.new_zeros(*restored.shape[1:3], s * x.shape[-2], s * x.shape[-1])
            # as released, the first crop alone gives all of its first rows
            corner = restored[0, ..., : s * step, : _far(x.shape[-1], side, s)]
            rows, columns = (_shares(size, side, s).to(restored) for size in x.shape[-2:])
        for j, left in enumerate(lefts):
            place = (..., slice(s * top, s * (top + side)), slice(s * left, s * (left + side)))
            whole[place] += restored[j] * rows[i][:, None] * columns[j]
    whole[..., : corner.shape[-2], : corner.shape[-1]] = corner
    return whole


def _far(size: int, side: int, s: int) -> int:
    """Where the crop at the far edge takes over from the regular ones, in the output."""
    left_over = (size - side) % (side // 4)
    return s * (size - left_over) - (side - left_over) * s // 2


def _shares(size: int, side: int, s: int) -> Tensor:
    """[crops,s*side]: the share of every crop along one side of a picture in what it covers."""
    step = side // 4
    starts = torch.tensor([*range(0, size - side + 1, step), size - side])
    within = torch.arange(s * side)
    places = s * starts[:, None] + within  # [crops,s*side]
    far = _far(size, side, s)
    middle = (within >= s * step) & (within < s * (side - step)) & (places < far)
    middle[-1] = False
    covered = torch.zeros(s * size).index_put_((places[middle],), torch.ones(()), accumulate=True)
    shares = middle / covered[places].clamp(min=1)
    shares[0] += within < min(s * step, far)
    shares[-1] += places[-1] >= far
    return shares


SPLITS: dict[str, Callable[..., Tensor]] = {
    function.__name__: function
    for function in (
        overlapping_tiles,
        overlapping_quarters,
        recursive_quarters,
        partitions,
        overlapping_crops,
    )
}


def largest_piece(split: dict[str, dict[str, Any]], height: int, width: int) -> tuple[int, int]:
    """Sides of the largest piece that a picture is split into; computes nothing."""
    sizes: list[tuple[int, int]] = []

    def note_size(x: Tensor) -> Tensor:
        sizes.append((x.shape[0] * x.shape[-2], x.shape[-1]))
        return x

    for name, numbers in split.items():
        SPLITS[name](note_size, torch.empty(1, 1, height, width, device="meta"), **numbers)
    return max(sizes, key=lambda sides: sides[0] * sides[1], default=(height, width))
