"""Get the weights of VGG16, as published without pickle. Never imports torch.

The SHA-256 of the first download is recorded in data/lock.json and another file refused.
"""

from pathlib import Path

from data_prep.fetch import fetch
from data_prep.lock import remember
from data_prep.mirror import mirror_from_environment

URL = (
    "https://huggingface.co/timm/vgg16.tv_in1k/resolve/"
    "3394518cba29aee1ea82a49d971be90d2dd1dab7/model.safetensors"
)


def fetch_vgg16(out: Path, mirror: str | None = None) -> None:
    """Put the released weights (553 MB) at `out`, a file in a folder below data/.

    mirror: folder or server that is asked first, or "A,B". Raises InputError where the file cannot
    be had, or has another SHA-256 than the first download.
    """
    digest = fetch([URL], out, mirror=mirror or mirror_from_environment())
    remember(out.parent, f"weights/{out.name}", digest)
