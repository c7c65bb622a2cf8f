"""PSNR and SSIM under the named protocols of the paper's tables. Does not import torch.

SSIM exists in two conventions in this literature, whose difference is as large as many a printed
lead, so every score holds both:

- `ssim_matlab`: the valid region of the window only (Wang et al. 2004, MATLAB, BasicSR; what the
  borrowed baselines print);
- `ssim_zero_padded`: all pixels, the image padded with zeros (the GRL code base).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from data_prep.errors import InputError
from data_prep.names import pick

Image = NDArray[np.uint8] | NDArray[np.float32] | NDArray[np.float64]

PEAK = 255.0
WINDOW = 11  # side of the SSIM window; SciPy cuts a gaussian of sigma 1.5 at 3.5 sigma: 11 taps
SIGMA = 1.5
TRUNCATE = 3.5
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2


@dataclass(frozen=True)
class Protocol:
    """What is compared: which channels, and how many border pixels are left out on each side.

    version goes on record with every score: raise it whenever the same images would score
    differently. channels: "gray" one channel as it is, "rgb" all three, "y" the BT.601 luma.
    """

    version: int
    channels: Literal["gray", "rgb", "y"]
    border: int = 0


PROTOCOLS = {
    "denoise_gray": Protocol(1, "gray"),
    "denoise_color": Protocol(1, "rgb"),
    "sr-x2": Protocol(1, "y", border=2),
    "sr-x3": Protocol(1, "y", border=3),
    "sr-x4": Protocol(1, "y", border=4),
    "jpeg_gray": Protocol(1, "gray"),
    "jpeg_color": Protocol(1, "rgb"),
    "demosaick": Protocol(1, "rgb", border=10),
    "deblur": Protocol(1, "rgb"),
    "weather": Protocol(1, "y"),
}


def score(output: Image, target: Image, protocol: str) -> dict[str, float]:
    """Score a restored image against the ground truth under a protocol, a name of PROTOCOLS.

    output, target: one shape, [H,W] (or [H,W,1]) for a "gray" protocol and [H,W,3] in RGB order for
    the others; each uint8, or float32/float64 on [0,1]. Values of the output beyond [0,1] are
    clipped, and floats are rounded to 8 bit before anything else, as saving the image would.

    Returns psnr in dB (infinite for equal images), ssim_matlab and ssim_zero_padded (at most 1).
    PSNR is that of the mean squared error over all compared values, SSIM the mean over channels.

    Raises InputError (a ValueError) for an unknown protocol, another dtype or shape, shapes that
    differ, NaN or infinity, a float target beyond [0,1], and images smaller than the SSIM window
    after cropping.
    """
    rule = PROTOCOLS[pick(protocol, PROTOCOLS, "protocol")]
    if np.shape(output) != np.shape(target):
        raise InputError(
            f"output and target differ in shape: {np.shape(output)} and {np.shape(target)}; "
            "crop or pad them alike"
        )
    images = [_eight_bit(output, "output"), _eight_bit(target, "target")]
    x, y = (_compared(image, rule, protocol) for image in images)
    return {
        "psnr": _psnr(x, y),
        "ssim_matlab": _ssim_matlab(x, y),
        "ssim_zero_padded": _ssim_zero_padded(x, y),
    }


def luma(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """BT.601 luma of an RGB image on 16..235: uint8 [H,W,3] -> float64 [H,W], not rounded.

    MATLAB's rgb2ycbcr rounds; the codes behind the super-resolution tables (BasicSR) do not, which
    is worth 0.02 to 0.09 dB.
    """
    r, g, b = (image[..., channel].astype(np.float64) for channel in range(3))
    return (65.481 * r + 128.553 * g + 24.966 * b) / PEAK + 16


def _eight_bit(image: Image, name: str) -> NDArray[np.uint8]:
    """Check one image and round it to uint8."""
    if not isinstance(image, np.ndarray) or image.dtype not in (np.uint8, np.float32, np.float64):
        kind = getattr(image, "dtype", type(image).__name__)
        raise InputError(f"{name}: expected an array of uint8, float32 or float64, got {kind}")
    if image.size == 0:
        raise InputError(f"{name} is empty, shape {image.shape}; check how it was cropped")
    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    broken = image.size - np.count_nonzero(np.isfinite(image))
    if broken:
        raise InputError(f"{name} holds {broken} NaN or infinite values; it cannot be scored")
    if name == "target" and (image.min() < 0 or image.max() > 1):
        raise InputError(
            f"target lies on [{image.min():.6g}, {image.max():.6g}]; divide by 255 or pass uint8"
        )
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8)


def _compared(image: NDArray[np.uint8], rule: Protocol, protocol: str) -> NDArray[np.float64]:
    """The values that a protocol compares: [H,W,C] float64 on 0..255, border left out."""
    valid = image.ndim in (2, 3) and image.shape[2:] in (
        [(), (1,)] if rule.channels == "gray" else [(3,)]
    )
    if not valid:
        wanted = "[H,W]" if rule.channels == "gray" else "[H,W,3]"
        raise InputError(f"{protocol} compares images {wanted}, got shape {image.shape}")

    crop, (height, width) = rule.border, image.shape[:2]
    if min(height, width) - 2 * crop < WINDOW:
        need = WINDOW + 2 * crop
        raise InputError(
            f"image of {height}x{width} is too small: {protocol} needs {need}x{need} or more, "
            f"the {WINDOW}x{WINDOW} SSIM window inside a border of {crop}"
        )
    inner = image[crop : height - crop, crop : width - crop]
    if rule.channels == "y":
        return luma(inner)[..., None]
    return inner.reshape(*inner.shape[:2], -1).astype(np.float64)


def _psnr(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    error = float(np.mean((x - y) ** 2))
    return 10 * float(np.log10(PEAK**2 / error)) if error else float("inf")


def _ssim_matlab(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    # scikit-image filters with a mirrored border and leaves the outer 5 pixels out of the mean,
    # which is the region where the 11x11 window lies inside the image
    return float(
        structural_similarity(
            x,
            y,
            data_range=PEAK,
            gaussian_weights=True,
            sigma=SIGMA,
            use_sample_covariance=False,
            channel_axis=-1,
        )
    )


def _ssim_zero_padded(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = map(_blur, (x, y, x * x, y * y, x * y))
    covariance = mean_xy - mean_x * mean_y
    variances = mean_xx - mean_x**2 + mean_yy - mean_y**2
    similarity = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    return float(np.mean(similarity / ((mean_x**2 + mean_y**2 + C1) * (variances + C2))))


def _blur(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian window over [H,W] of each channel, zeros beyond the border."""
    blurred: NDArray[np.float64] = gaussian_filter(
        image, SIGMA, truncate=TRUNCATE, mode="constant", axes=(0, 1)
    )
    return blurred
