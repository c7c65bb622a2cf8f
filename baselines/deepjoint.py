"""DeepJoint (Gharbi et al., SIGGRAPH Asia 2016): demosaicking with one network, no denoising.

Layer names and the product of filters and masks are those of the released weights (demosaicnet
0.0.14, MIT); the paper describes neither.
"""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MARGIN = 32  # 15 convolutions at half resolution and one at full lose 31 pixels on every side


class DeepJoint(nn.Module):
    """Convolutions without padding on the 2x2 Bayer cells, joined with the mosaic at full size."""

    def __init__(self, depth: int = 15, width: int = 64) -> None:
        super().__init__()
        self.width = width
        widths = [4, *[width] * (depth - 1), 2 * width]
        layers: list[tuple[str, nn.Module]] = [("pack_mosaic", nn.Conv2d(3, 4, 2, stride=2))]
        for number in range(1, depth + 1):
            layers.append((f"conv{number}", nn.Conv2d(widths[number - 1], widths[number], 3)))
            layers.append((f"relu{number}", nn.ReLU()))
        self.main_processor = nn.Sequential(OrderedDict(layers))
        self.residual_predictor = nn.Conv2d(width, 12, 1)
        self.upsampler = nn.ConvTranspose2d(12, 3, 2, stride=2, groups=3)
        self.fullres_processor = nn.Sequential(
            OrderedDict(
                post_conv=nn.Conv2d(6, width, 3), post_relu=nn.ReLU(), output=nn.Conv2d(width, 3, 1)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """RGB [B,3,H,W] whose samples at RGGB positions are the mosaic -> demosaicked, same shape.

        The other samples are ignored. The network knows the pattern GRBG: an odd number of columns
        mirrored on the left makes it of RGGB.
        """
        height, width = x.shape[-2:]
        right, bottom = MARGIN + 1 + width % 2, MARGIN + height % 2
        mosaic = F.pad(x, (MARGIN + 1, right, MARGIN, bottom), "reflect")
        mosaic = mosaic * _grbg(mosaic)
        filters, masks = self.main_processor(mosaic).split(self.width, dim=1)
        residual = self.upsampler(self.residual_predictor(filters * masks))
        margin = (mosaic.shape[-1] - residual.shape[-1]) // 2
        joined = torch.cat((mosaic[..., margin:-margin, margin:-margin], residual), 1)
        out = self.fullres_processor(joined)
        left, top = MARGIN + 1 - margin - 1, MARGIN - margin - 1
        return out[..., top : top + height, left : left + width]


def _grbg(x: Tensor) -> Tensor:
    """1 where a sample of [B,3,H,W] belongs to the pattern G R / B G, else 0."""
    mask = torch.zeros(3, *x.shape[-2:], dtype=x.dtype, device=x.device)
    mask[0, ::2, 1::2] = mask[1, ::2, ::2] = mask[1, 1::2, 1::2] = mask[2, 1::2, ::2] = 1
    return mask
