"""Where the project lies, and what its files are called."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
