"""What a folder says of a training that has finished there, so that it is not done again."""

from pathlib import Path
from typing import Any

from semanir.errors import remake
from semanir.files import read_json, sha256
from semanir.paths import RECORD_FILE, STATE_FILE, WEIGHTS_FILE


def finished(folder: Path) -> dict[str, Any]:
    """The record of the training whose weights lie in a folder, {} without one.

    Where a state lies, a training is to go on from it. Raises InputError for a broken record.
    """
    state, record, weights = (folder / name for name in (STATE_FILE, RECORD_FILE, WEIGHTS_FILE))
    if state.is_file() or not (record.is_file() and weights.is_file()):
        return {}
    said: dict[str, Any] = read_json(record, dict, remake(record))
    return said if said.get("weights_sha256") == sha256(weights) else {}
