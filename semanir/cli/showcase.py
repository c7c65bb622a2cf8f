"""One picture a task: `python -m semanir.cli.showcase docs/restored.png`.

A row for each network that comes with the project: the degraded photograph, restored, and clean,
with the PSNR of the part shown. The photographs are embedded ones that no network was trained on.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from data_prep.degradations import degradation
from data_prep.images import match_channels, read_image
from data_prep.tasks import get_task
from semanir.errors import one_line_errors
from semanir.files import replacing
from semanir.inference.checkpoint import load
from semanir.inference.restore import restore
from semanir.inference.shipped import shipped
from semanir.paths import ROOT

EMBEDDED = ROOT / "data_prep" / "embedded"
# task: the level shown, the photograph, and what the degraded picture is called
SHOWN = {
    "denoise_gray-blind": ("sigma25", "test_gray/camera.png", "noise of sigma 25"),
    "denoise_color-blind": ("sigma50", "test_rgb/chelsea.png", "noise of sigma 50"),
    "jpeg_color-blind": ("qf10", "test_rgb/coffee.png", "JPEG, QF 10"),
    "sr-x2": ("x2", "test_rgb/flower.png", "half the size"),
    "sr-x3": ("x3", "test_rgb/china.png", "a third of the size"),
    "sr-x4": ("x4", "test_rgb/astronaut.png", "a quarter of the size"),
    "demosaick-rggb": ("rggb", "test_rgb/picosdeeuropa.png", "mosaic, by Malvar's filters"),
}
SIDE, MARGIN, TEXT = 192, 4, 16  # pixels


def row(name: str, weights: Path) -> list[tuple[str, NDArray[np.uint8]]]:
    """(caption, picture [H,W,3]) of degraded, restored and clean."""
    level, file, called = SHOWN[name]
    task, path = get_task(name), EMBEDDED / file
    clean = match_channels(read_image(path), task.channels, path, task.gray)
    scale = task.upscale or 1
    height, width = (side // scale * scale for side in clean.shape[:2])
    clean = clean[:height, :width]
    degraded = degradation(task.degradation)(clean, task.levels[level], 0)
    restored = restore(load(weights), degraded, dtype=np.uint8)
    # shown as large as what comes of it
    small = degraded
    if degraded.dtype != np.uint8:
        small = (np.clip(degraded, 0, 1) * 255).round().astype(np.uint8)
    large = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    captions = (
        f"{called}: {psnr(large, clean):.1f} dB",
        f"restored: {psnr(restored, clean):.1f} dB",
        "clean",
    )
    return list(zip(captions, (large, restored, clean), strict=True))


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Of all channels, peak 255, in dB."""
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float(10 * np.log10(255**2 / error))


def picture(names: Sequence[str] = ()) -> Image.Image:
    """The rows of these networks, all that there are if none is named."""
    rows = [row(name, path) for name, path in shipped().items() if name in (names or SHOWN)]
    step = SIDE + MARGIN
    sheet = Image.new("RGB", (3 * step - MARGIN, len(rows) * (step + TEXT)), "white")
    draw = ImageDraw.Draw(sheet)
    for down, pictures in enumerate(rows):
        for across, (caption, pixels) in enumerate(pictures):
            place = across * step, down * (step + TEXT)
            draw.text(place, caption, fill="black")
            sheet.paste(Image.fromarray(pixels).convert("RGB"), (place[0], place[1] + TEXT))
    return sheet


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m semanir.cli.showcase", description=__doc__)
    parser.add_argument("path", type=Path, help="where the picture goes")
    parser.add_argument("names", nargs="*", help="of shipped weights (default: all)")
    args = parser.parse_args(argv)
    with replacing(args.path) as partial:
        picture(args.names).save(partial, "PNG")


if __name__ == "__main__":
    main()
