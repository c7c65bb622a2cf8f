"""Key-semantic attention as plainly as possible, in float64: the other back ends are tested on it.

# B windows, H heads, N = h * w tokens, D head width
"""

import torch
from torch import Tensor

from semanir.attention.dictionary import Dictionary


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dictionary: Dictionary,
    bias_table: Tensor | None,
    window: tuple[int, int] | None,
) -> Tensor:
    """q, k, v [B,H,N,D] -> [B,H,N,D] of q's type (paper Sec. 3.2), computed in float64.

    Softmax written out with membership weights: 1 for a key of the dictionary, 0 for any other.
    """
    b, _, n, d = q.shape
    scores = q.double() @ k.double().transpose(-1, -2) / d**0.5  # [B,H,N,N]
    if bias_table is not None and window:
        scores = scores + bias_table.double()[:, _relative_index(window, q.device)]

    member = torch.zeros(b, n, n + 1, dtype=torch.float64, device=q.device)
    member.scatter_(-1, dictionary.indices.long(), 1)
    member = member[:, None, :, :n]  # [B,1,N,N]

    largest = scores.detach().where(member > 0, -torch.inf).amax(-1, keepdim=True)
    weights = member * (scores - largest).clamp(max=0).exp()
    total = weights.sum(-1, keepdim=True)
    return (weights / total.where(total > 0, 1) @ v.double()).to(q.dtype)


def _relative_index(window: tuple[int, int], device: torch.device) -> Tensor:
    """[N,N] table entry of query i and key j: (yi-yj+h-1) * (2w-1) + (xi-xj+w-1)."""
    h, w = window
    token = torch.arange(h * w, device=device)
    y, x = token // w, token % w
    dy, dx = y[:, None] - y, x[:, None] - x
    return (dy + h - 1) * (2 * w - 1) + (dx + w - 1)
