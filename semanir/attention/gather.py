"""K and V rows copied out for every query: the paper's "torch-gather" (Sec. 3.3).

# B windows, H heads, N = h * w tokens, K keys per query, D head width
"""

import torch
from torch import Tensor

from semanir.attention.bias import selected_bias
from semanir.attention.dictionary import Dictionary


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dictionary: Dictionary,
    bias_table: Tensor | None,
    window: tuple[int, int] | None,
) -> Tensor:
    """q, k, v [B,H,N,D] -> [B,H,N,D]; holds two copies [B,H,N,K,D] and no N x N matrix.

    A query without keys gives zeros.
    """
    b, h, n, d = q.shape
    indices = dictionary.indices.long().clamp(max=n - 1)  # [B,N,K]
    slots = torch.arange(indices.shape[-1], device=q.device)
    padding = slots >= dictionary.counts[..., None]  # [B,N,K]
    padding = padding & ~dictionary.empty[..., None]  # an all-hidden row would turn into NaN

    # rows of the flat [B*H*N,D] tensors: index_select beats torch.gather by 1.5 on a CPU
    first_rows = n * torch.arange(b * h, device=q.device).view(b, h, 1, 1)
    rows = (indices[:, None] + first_rows).flatten()
    keys = k.reshape(-1, d).index_select(0, rows).view(b, h, n, -1, d)  # [B,H,N,K,D]
    values = v.reshape(-1, d).index_select(0, rows).view(b, h, n, -1, d)

    scores = (keys @ (q * d**-0.5)[..., None])[..., 0]  # [B,H,N,K]
    if bias_table is not None and window:
        scores = scores + selected_bias(bias_table, window, indices)
    weights = scores.masked_fill(padding[:, None], -torch.inf).softmax(-1)
    out = (weights[..., None, :] @ values)[..., 0, :]
    return out.masked_fill(dictionary.empty[:, None, :, None], 0)
