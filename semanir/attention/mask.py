"""Dense scores with -inf outside the dictionary: the paper's "torch-mask" (Sec. 3.3).

# B windows, H heads, N = h * w tokens, D head width
"""

import torch.nn.functional as F
from torch import Tensor

from semanir.attention.bias import dense_bias
from semanir.attention.dictionary import Dictionary


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dictionary: Dictionary,
    bias_table: Tensor | None,
    window: tuple[int, int] | None,
) -> Tensor:
    """q, k, v [B,H,N,D] -> [B,H,N,D]; adds a dense bias [H,N,N] and the stage's 0/-inf mask.

    Costs the same for every k. A query without keys gives zeros.
    """
    hidden = dictionary.additive.to(q.dtype)[:, None]  # [B,1,N,N]
    bias = dense_bias(bias_table, window) if bias_table is not None and window else None  # [H,N,N]

    if bias is not None and bias.requires_grad:
        # a mask with a gradient drops scaled_dot_product_attention to a path slower than this one
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)  # [B,H,N,N]
        scores += bias
        scores += hidden
        out = scores.softmax(-1) @ v
    else:
        added = hidden if bias is None else hidden + bias
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=added)
    return out.masked_fill(dictionary.empty[:, None, :, None], 0)
