"""Freed memory is kept for the next array, and given back where memory is measured."""

import subprocess
import sys

import pytest

from semanir import memory

PAGES = """
import resource
import numpy as np
from semanir.memory import give_back_freed_memory, keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(64 * 2**20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

new = faults()
keep_freed_memory()
first, again = faults(), faults()
give_back_freed_memory()
print(new, first, again, faults())
"""


@pytest.mark.skipif(not memory.glibc(), reason="another C library than glibc")
def test_the_next_array_takes_pages_that_were_freed():
    run = subprocess.run([sys.executable, "-c", PAGES], capture_output=True, text=True, check=True)
    new, first, again, after = map(int, run.stdout.split())
    assert min(new, first, after) > 10 * again


def test_other_c_libraries_are_left_as_they_are(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    assert memory.glibc() is None
    memory.keep_freed_memory()
    memory.give_back_freed_memory()
