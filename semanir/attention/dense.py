"""Dense window attention: all keys. The dense twin shows what the dictionary's sparsity buys.

# B windows, H heads, N = h * w tokens, D head width
"""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from semanir.attention.bias import dense_bias
from semanir.attention.constant import outside_inference


@dataclass(frozen=True, eq=False)
class AllKeys:
    """In place of a dictionary: each query has all keys; with labels [B,N], those of its label."""

    labels: Tensor | None = None

    @cached_property
    @outside_inference
    def additive(self) -> Tensor | None:
        """[B,1,N,N] float32 to add to scores, 0 or -inf; None where nothing is hidden."""
        if self.labels is None:
            return None
        hidden = self.labels[:, :, None] != self.labels[:, None]
        zeros = torch.zeros(hidden.shape, dtype=torch.float32, device=hidden.device)
        return zeros.masked_fill_(hidden, -torch.inf)[:, None]


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    keys: AllKeys,
    bias_table: Tensor | None,
    window: tuple[int, int] | None,
) -> Tensor:
    """q, k, v [B,H,N,D] -> [B,H,N,D] through torch's scaled_dot_product_attention."""
    added = None if keys.additive is None else keys.additive.to(q.dtype)
    if bias_table is not None and window:
        bias = dense_bias(bias_table, window)[None]  # [1,H,N,N]
        added = bias if added is None else added + bias
    return F.scaled_dot_product_attention(q, k, v, attn_mask=added)
