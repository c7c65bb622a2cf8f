"""PSNR and SSIM under the named protocols of the paper's tables. Does not import torch.

SSIM exists in two conventions in this literature, whose difference is as large as many a printed
lead, so every score holds both:

- `ssim_matlab`: the valid region of the window only (Wang et al. 2004, MATLAB, BasicSR; what the
  borrowed baselines print);
- `ssim_zero_padded`: all pixels, the image padded with zeros (the GRL code base).

Two tasks have further scores whose lineage prints them, named in Protocol.extra:

- `ssim_matlab_3d`: MATLAB's ssim of an RGB array, whose window is three-dimensional;
- `psnr_rgb` and `psnr_transweather_legacy`, beside the PSNR on Y of the weather sets.

Super-resolution has two conventions for files of grey photographs, of which Set14 has one (bridge).
BasicSR and all who test with it read every file as RGB, whose Y lies on 16..235: `psnr`. The MATLAB
scripts behind older tables convert colour alone and score a grey file as it is, on 0..255:
`psnr_grey_full_range`, 1.3 dB lower for that photograph and 0.09 dB for the mean of Set14.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.images import luma
from semanir.errors import InputError
from semanir.names import known_name

Image = NDArray[np.uint8] | NDArray[np.float32] | NDArray[np.float64]

PEAK = 255.0
WINDOW = 11  # side of the SSIM window, a gaussian of sigma 1.5
SIGMA = 1.5
RADIUS = WINDOW // 2
TAPS = np.exp(-(np.arange(-RADIUS, RADIUS + 1) ** 2) / (2 * SIGMA**2))
TAPS /= TAPS.sum()
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2


@dataclass(frozen=True)
class Protocol:
    """What is compared: which channels, and how many border pixels are left out on each side.

    version goes on record with every score: raise it whenever the same images would score
    differently. channels: "gray" one channel as it is, "rgb" all three, "y" the BT.601 luma.
    extra: further scores, names of EXTRA.
    """

    version: int
    channels: Literal["gray", "rgb", "y"]
    border: int = 0
    extra: tuple[str, ...] = ()


PROTOCOLS = {
    "denoise_gray": Protocol(1, "gray"),
    "denoise_color": Protocol(1, "rgb"),
    "sr-x2": Protocol(1, "y", border=2),
    "sr-x3": Protocol(1, "y", border=3),
    "sr-x4": Protocol(1, "y", border=4),
    "jpeg_gray": Protocol(1, "gray"),
    "jpeg_color": Protocol(1, "rgb"),
    "demosaick": Protocol(1, "rgb", border=10),
    "deblur": Protocol(1, "rgb", extra=("ssim_matlab_3d",)),
    "weather": Protocol(1, "y", extra=("psnr_rgb", "psnr_transweather_legacy")),
}


def score(output: Image, target: Image, protocol: str) -> dict[str, float]:
    """Score a restored image against the ground truth under a protocol, a name of PROTOCOLS.

    output, target: one shape, [H,W] (or [H,W,1]) for a "gray" protocol and [H,W,3] in RGB order for
    the others; each uint8, or float32/float64 on [0,1]. Values of the output beyond [0,1] are
    clipped, and floats are rounded to 8 bit before anything else, as saving the image would.

    Returns psnr in dB (infinite for equal images), ssim_matlab and ssim_zero_padded (at most 1),
    and the protocol's extra scores. PSNR is that of the mean squared error over all compared
    values, SSIM the mean over channels.

    Raises InputError (a ValueError) for an unknown protocol, another dtype or shape, shapes that
    differ, NaN or infinity, a float target beyond [0,1], and images smaller than the SSIM window
    after cropping.
    """
    rule = PROTOCOLS[known_name(protocol, PROTOCOLS, "protocol")]
    if np.shape(output) != np.shape(target):
        raise InputError(
            f"output and target differ in shape: {np.shape(output)} and {np.shape(target)}; "
            "crop or pad them alike"
        )
    images = [_eight_bit(output, "output"), _eight_bit(target, "target")]
    x, y = (_compared(image, rule, protocol) for image in images)
    similarity = _ssim_map(x, y)
    inside = similarity[RADIUS:-RADIUS, RADIUS:-RADIUS]  # windows that no padding touches
    return {
        "psnr": _psnr(x, y),
        "ssim_matlab": float(inside.mean()),
        "ssim_zero_padded": float(similarity.mean()),
        **{name: EXTRA[name](output, target) for name in rule.extra},
    }


def on_full_range(psnr: float) -> float:
    """PSNR on the grey values 0..255 of a grey photograph, of the PSNR on its Y of 16..235."""
    return psnr + 20 * float(np.log10(219 / 255))


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


def _ssim_map(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """SSIM of every pixel and channel [H,W,C], zeros beyond the border."""
    return _similarity(_blur, x, y)


def _blur(image: NDArray[np.float64]) -> NDArray[np.float64]:
    blurred = cv2.sepFilter2D(image, cv2.CV_64F, TAPS, TAPS, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(blurred, np.float64).reshape(image.shape)  # OpenCV drops a single channel


def _similarity(
    blur: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> NDArray[np.float64]:
    # of both variances the sum alone is needed: four passes instead of five
    both = x * x
    both += y * y
    mean_x, mean_y, covariance, variances = map(blur, (x, y, x * y, both))
    product = mean_x * mean_y
    squares = np.square(mean_x, out=mean_x)
    squares += np.square(mean_y, out=mean_y)
    covariance -= product
    variances -= squares
    # (2 product + C1) (2 covariance + C2) / ((squares + C1) (variances + C2)), where they lie: new
    # arrays take as long as the sums
    for values, term in ((product, C1), (covariance, C2)):
        values *= 2
        values += term
    squares += C1
    variances += C2
    product *= covariance
    squares *= variances
    product /= squares
    return product


# --- scores of one lineage ---------------------------------------------------------------------


def _ssim_matlab_3d(output: Image, target: Image) -> float:
    """MATLAB's ssim of a whole RGB array, as some deblurring papers call it.

    The window is 11x11x11 and reaches over the colours, borders are replicated: 0.08 to 0.2 above
    the usual one.
    """
    from scipy.ndimage import gaussian_filter  # a third of a second, needed by deblurring alone

    def blur(image: NDArray[np.float64]) -> NDArray[np.float64]:
        blurred: NDArray[np.float64] = gaussian_filter(image, SIGMA, radius=RADIUS, mode="nearest")
        return blurred

    x, y = (_eight_bit(image, "image").astype(np.float64) for image in (output, target))
    return float(_similarity(blur, x, y).mean())


def _psnr_rgb(output: Image, target: Image) -> float:
    x, y = (_eight_bit(image, "image").astype(np.float64) for image in (output, target))
    return _psnr(x, y)


def _psnr_transweather_legacy(output: Image, target: Image) -> float:
    """The number that TransWeather's own code prints, which is not a PSNR of the images.

    utils.py reads a [3,H,W] tensor as [H,W,3] without permuting it, so that "one pixel" is three
    neighbours of one row, takes OpenCV's full-range Y of that, and scores it before rounding to
    8 bit. On the embedded photographs it lies 1.3 dB above the PSNR on Y after a gaussian blur of
    sigma 1, 0.2 above after sigma 2 and 0.3 below after sigma 3.
    Kept to recognise printed numbers that carry the bug. Values beyond [0,1] are not clipped.
    """
    x, y = (_misread_luma(image) for image in (output, target))
    error = float(np.mean((x - y) ** 2))
    return 10 * float(np.log10(1 / error)) if error else float("inf")


def _misread_luma(image: Image) -> NDArray[np.float64]:
    scaled = image.astype(np.float32) / (255 if image.dtype == np.uint8 else 1)
    misread = np.ascontiguousarray(scaled.transpose(2, 0, 1)).reshape(image.shape)
    return cv2.cvtColor(misread, cv2.COLOR_BGR2YCrCb)[..., 0].astype(np.float64)


EXTRA: dict[str, Callable[[Image, Image], float]] = {
    "ssim_matlab_3d": _ssim_matlab_3d,
    "psnr_rgb": _psnr_rgb,
    "psnr_transweather_legacy": _psnr_transweather_legacy,
}
