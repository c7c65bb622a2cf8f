"""Errors of libraries that mean too little memory end in one line as well."""

import numpy as np
import pytest
import torch

from semanir.errors import one_line_errors

HUGE = 2**52


def by_numpy():
    np.empty(HUGE)


def by_torch():
    torch.empty(HUGE)


@pytest.mark.parametrize("fill", [by_numpy, by_torch])
def test_too_little_memory_is_one_line_with_the_next_step(capsys, fill):
    """Asked of the libraries themselves: their words may change."""
    with pytest.raises(SystemExit) as end:
        one_line_errors(lambda argv: fill())()
    told = capsys.readouterr().err
    assert end.value.code == 2 and told.count("\n") == 1
    assert "not enough memory" in told and "--cores 1" in told


def test_other_errors_stay_tracebacks():
    """They are faults of the programme."""

    def fault(argv):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        one_line_errors(fault)()
