"""The Triton kernels without a GPU: run by the interpreter, compiled for two; on one where it is.

The interpreter is chosen where a kernel is defined, so that both happen in processes of their own.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch
from attention_cases import CASES, IDS, assert_close, exact, make, outputs
from checkout import REPOSITORY

from semanir.attention import attend, dispatch
from semanir.attention.select import select, select_plainly
from semanir.errors import InputError

CASES_FOLDER = REPOSITORY / "tests" / "cases"
needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def python(*command, **environment):
    """What a process of its own prints."""
    environment |= {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command, env = [sys.executable, *command], os.environ | environment
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, (run.stdout + run.stderr)[-4000:]
    return run.stdout


@needs_triton
@pytest.mark.slow
@pytest.mark.parametrize("architecture", [80, 90])
def test_machine_code_spills_nothing_and_uses_the_tensor_cores(architecture):
    """What an A100 (80) and an H100 (90) would run, with the launches' own choices."""
    kernels = json.loads(python(str(CASES_FOLDER / "triton_compile.py"), str(architecture)))
    assert len(kernels) == 2 * (2 * 3 + 2 * 2 + 4) + 2
    for name, use in kernels.items():
        assert use["instructions"] > 300, name  # it was disassembled
        assert (use["stack"], use["spills"], use["atomics"]) == (0, 0, 0), (name, use)
        assert (use["mma"] > 0) == name.startswith("flash"), (name, use)
        # a row of 32 floats is added by the 32 threads of a warp, a float each; rows of N
        # similarities start anywhere
        narrow = name.startswith(("gather_add_pieces", "select"))
        assert use["wide_loads"] or narrow, (name, use)


@needs_triton
@pytest.mark.slow
def test_interpreted_kernels_equal_the_float64_reference():
    script = str(CASES_FOLDER / "triton_interpreted.py")
    out = python("-m", "pytest", "-q", script, TRITON_INTERPRET="1", PYTEST_ADDOPTS="")
    assert "skipped" not in out and int(out.split(" passed")[0].split()[-1]) >= 30


@pytest.mark.parametrize("backend", ["triton", "triton-gather"])
def test_without_a_gpu_it_is_refused_by_name(backend, monkeypatch):
    tensors, table, dictionary, window = make(CASES[0], torch.float32)
    if find_spec("triton") is not None:
        with pytest.raises(InputError, match="on cpu; move them"):
            attend(*tensors, dictionary, table, window, backend=backend)
        with pytest.raises(InputError, match=r"got torch\.float64"):
            attend(*(x.double() for x in tensors), dictionary, backend=backend)
    for module in ("flash", "gather"):
        monkeypatch.delitem(sys.modules, f"semanir.attention.gpu.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(InputError, match="need the package triton"):
        attend(*tensors, dictionary, table, window, backend=backend)


def test_few_keys_are_read_one_by_one_on_a_gpu():
    for dtype, k in ((torch.float32, 170), (torch.bfloat16, 64), (torch.float16, 64)):
        assert dispatch.faster_on_gpu(dtype, 1024, k) == "triton-gather"
        assert dispatch.faster_on_gpu(dtype, 1024, k + 1) == "triton"


@needs_triton
@needs_gpu
@pytest.mark.parametrize("backend", ["triton", "triton-gather"])
@pytest.mark.parametrize("case", [*CASES, ((16, 17), 60, 30, "")], ids=[*IDS, "N272"])
def test_on_a_gpu(case, backend):
    tensors, table, dictionary, window = make(case, torch.float32)
    expected = exact(tensors, table, dictionary, window)
    moved = [x.detach().cuda().requires_grad_() for x in (*tensors, table)]
    on_gpu = type(dictionary)(dictionary.indices.cuda(), dictionary.counts.cuda())
    got = outputs(moved[:3], moved[3], on_gpu, window, backend)
    assert_close({name: x.cpu() for name, x in got.items()}, expected, 1e-5)


@needs_triton
@needs_gpu
@pytest.mark.parametrize("n", [1, 63, 1000, 4096, 8192])
def test_the_selection_on_a_gpu(n):
    similarity = torch.randn(2, 9, n, generator=torch.Generator().manual_seed(n))
    similarity[1] = (4 * similarity[1]).round()  # many ties
    similarity[1, 0, n // 3 :] = -torch.inf
    for k in {1, max(1, n // 3), n}:
        selected = [x.cpu() for x in select(similarity.cuda(), k)]
        assert all(map(torch.equal, selected, select_plainly(similarity, k)))
