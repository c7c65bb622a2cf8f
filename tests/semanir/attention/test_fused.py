"""The compiled CPU kernels: attention against the float64 reference, selection against plain torch.

Skipped where there is no compiler. The default instruction set is this machine's best; the others
are built and run by the slow tests.

These tests, test_dictionary.py and test_attention.py have also run once with the extension built
for each instruction set under AddressSanitizer (592 tests): it reported nothing.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from attention_cases import CASES, IDS, assert_close, make, outputs
from checkout import REPOSITORY
from torch.utils.flop_counter import FlopCounterMode

import semanir
from semanir.attention import Dictionary, attend, build_dictionary, dispatch
from semanir.attention.cpu import build, fused
from semanir.attention.select import most_similar_op, select, select_op, select_plainly
from semanir.errors import InputError

needs_kernels = pytest.mark.skipif(build.kernels() is None, reason="no C++ compiler or no ninja")
WIDTHS = [((6, 11), 23, width, "regions") for width in (1, 16, 20, 30, 32, 33, 40, 48, 64)]


@needs_kernels
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "plain"])
@pytest.mark.parametrize("case", [*CASES, *WIDTHS], ids=[*IDS, *(f"D{c[2]}" for c in WIDTHS)])
def test_output_and_gradients_equal_the_float64_reference(case, bias):
    tensors, table, dictionary, window = make(case, torch.float32, bias)
    exact = [x.detach().double().requires_grad_() for x in tensors]
    exact_table = None if table is None else table.detach().double().requires_grad_()
    expected = outputs(exact, exact_table, dictionary, window, "reference")
    assert_close(outputs(tensors, table, dictionary, window, "fused"), expected, 5e-6)


@needs_kernels
def test_strided_inputs_and_large_scores():
    """Views as a layer makes them, the table too; its gradient is left out; scores of hundreds."""
    (h, w), n = (5, 7), 35
    qkv = torch.randn(2, n, 3, 2, 30).requires_grad_()
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    dictionary = build_dictionary(torch.randn(2, n, 8), 9)
    table = torch.randn((2 * h - 1) * (2 * w - 1), 2).t()
    results = {}
    for backend in ("fused", "reference"):
        out = attend(q * 30, k, v, dictionary, table, (h, w), backend=backend)
        (grad,) = torch.autograd.grad((out * torch.linspace(0, 1, 30)).sum(), qkv)
        results[backend] = {"out": out.detach(), "qkv": grad}
    assert_close(results["fused"], results["reference"], 1e-4)


@needs_kernels
def test_hub_keys_and_all_keys():
    """One token that every query selects, and k beyond N."""
    tokens = torch.randn(1, 49, 4)
    tokens[0, 7] = 100 * tokens[0].mean(0)
    for k in (3, 48, 500):
        q, key, v = torch.randn(3, 1, 2, 49, 20)
        dictionary = build_dictionary(tokens, k)
        expected = attend(q, key, v, dictionary, backend="reference")
        assert_close(
            {"out": attend(q, key, v, dictionary, backend="fused")}, {"out": expected}, 1e-6
        )


@needs_kernels
@pytest.mark.parametrize("place", ["q", "k", "v"])
def test_not_a_number_reaches_every_query_that_uses_it(place):
    tensors, table, dictionary, window = make(CASES[0], torch.float32)
    with torch.no_grad():
        tensors["qkv".index(place)][1, 2, 5, 3] = torch.nan
        got, expected = (
            attend(*tensors, dictionary, table, window, backend=name).isnan()
            for name in ("fused", "mask")
        )
    assert got[1, 2].any()
    if place == "q":
        assert torch.equal(got, expected)
    else:  # the dense product of the mask spreads a NaN of v to queries that do not have the key
        users = (dictionary.indices[1] == 5).any(-1)
        assert torch.equal(got[1, 2].any(-1), users)


@needs_kernels
def test_repeatable_whatever_the_number_of_threads():
    tensors, table, dictionary, window = make(((16, 17), 40, 30, ""), torch.float32, b=5)
    threads = torch.get_num_threads()
    found = []
    try:
        for number in (1, 2, 3, 7):
            torch.set_num_threads(number)
            found.append(outputs(tensors, table, dictionary, window, "fused"))
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert all(torch.equal(found[0][name], other[name]) for name in other)


@needs_kernels
def test_operators_are_proper(tmp_path):
    """Schema, fake tensors, autograd and their composition, as torch checks them."""
    tensors, table, dictionary, window = make(CASES[0], torch.float32)
    rest = (dictionary.indices, dictionary.counts, table, *window)
    torch.library.opcheck(fused.attend_op, (*tensors, *rest))
    torch.library.opcheck(fused.attend_op, (*tensors, *rest[:2], None, *window))
    torch.library.opcheck(select_op, (torch.randn(2, 5, 9), 4))
    torch.library.opcheck(most_similar_op, (torch.randn(2, 5, 9), 4, False, None))
    torch.library.opcheck(
        most_similar_op, (torch.randn(2, 5, 9), 4, True, torch.arange(10).view(2, 5))
    )


@needs_kernels
def test_compiles_without_a_graph_break():
    tensors, table, dictionary, window = make(CASES[0], torch.float32)
    indices, counts = dictionary.indices, dictionary.counts

    def layer(q, k, v, table):
        return fused.attend_op(q.relu(), k, v, indices, counts, table, *window)[0].sin()

    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    inputs = (*tensors, table)
    for run in (layer, compiled):
        out = run(*inputs)
        grads = torch.autograd.grad(out.sum(), inputs)
        if run is layer:
            expected = [out, *grads]
    for got, right in zip([out, *grads], expected, strict=True):
        assert torch.equal(got, right)


@needs_kernels
def test_a_second_derivative_is_refused():
    """Instead of a gradient that lacks a term."""
    tensors, table, dictionary, window = make(CASES[0], torch.float32)
    out = attend(*tensors, dictionary, table, window, backend="fused")
    (grad,) = torch.autograd.grad(out.square().sum(), tensors[:1], create_graph=True)
    with pytest.raises(NotImplementedError, match="no second derivative"):
        grad.square().sum().backward()


@needs_kernels
def test_flop_counters_see_the_kernels():
    """4 N K D a head forward and 10 N K D backward; fvcore counts a multiply-add as one."""
    tensors, table, dictionary, window = make(CASES[0], torch.float32)
    pairs = dictionary.indices.numel() * tensors[0].shape[1] * tensors[0].shape[3]
    with FlopCounterMode(display=False) as counter:
        out = attend(*tensors, dictionary, table, window, backend="fused")
        assert counter.get_total_flops() == 4 * pairs
        out.sum().backward()
    assert counter.get_total_flops() == 14 * pairs

    nn = pytest.importorskip("fvcore.nn")

    biases = table.detach()

    class Layer(torch.nn.Module):
        def forward(self, q, k, v):
            return attend(q, k, v, dictionary, biases, window, backend="fused")

    analysis = nn.FlopCountAnalysis(Layer(), tuple(x.detach() for x in tensors))
    analysis.set_op_handle("semanir::attend", fused.fvcore_attend)
    assert analysis.by_operator()["attend"] == 2 * pairs


@needs_kernels
@pytest.mark.parametrize("model", ["semanir-s", "semanir-u"])
def test_networks_agree_whatever_the_back_end(model):
    options = {"upscale": 2} if model == "semanir-s" else {"channels": 3}
    results, image = {}, torch.linspace(0, 1, 3 * 40 * 48).view(1, 3, 40, 48)
    for backend in ("mask", "fused", "gather"):
        torch.manual_seed(0)
        network = semanir.build(f"{model}-tiny", **options, backend=backend).eval()
        with torch.no_grad():
            for parameter in network.parameters():  # some start at zero
                parameter.add_(torch.randn(parameter.shape), alpha=0.01)
            results[backend] = network(image)
    for backend in ("fused", "gather"):
        assert (results[backend] - results["mask"]).abs().max() < 1e-4


# --- selection -----------------------------------------------------------------------------------


def rows(kind, b, r, n):
    source = np.random.default_rng(n)
    values = source.standard_normal((b, r, n)).astype(np.float32)
    if kind == "ties":
        values = values.round()
    if kind == "signed zeros":
        values = np.where(values > 0, np.float32(0), np.float32(-0.0))
    if kind == "hidden":
        values[source.random(values.shape) < 0.7] = -np.inf
    if kind == "all hidden":
        values[:] = -np.inf
    if kind == "tiny and huge":
        values *= np.float32(10) ** source.integers(-44, 38, values.shape).astype(np.float32)
    if kind == "neighbours":  # adjacent floats
        values = np.nextafter(np.float32(1), np.float32(2)) + values.round() * np.float32(2**-23)
    return torch.from_numpy(values.astype(np.float32))


KINDS = ["ties", "signed zeros", "hidden", "all hidden", "tiny and huge", "neighbours", "normal"]


@needs_kernels
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(2, 5, 63), (1, 3, 1), (2, 17, 16), (1, 33, 17), (3, 9, 1000)])
def test_selects_what_a_stable_sort_selects(kind, size):
    similarity = rows(kind, *size)
    n = size[-1]
    order = np.argsort(-similarity.numpy(), axis=-1, kind="stable")
    for k in sorted({1, n // 3 + 1, n - 1 or 1, n}):
        indices, counts = select(similarity, k)
        best = order[..., :k]
        real = np.take_along_axis(similarity.numpy(), best, -1) > -np.inf
        np.testing.assert_array_equal(counts, real.sum(-1))
        np.testing.assert_array_equal(indices, np.sort(np.where(real, best, n), axis=-1))
        for got, plain in zip((indices, counts), select_plainly(similarity, k), strict=True):
            assert torch.equal(got, plain)


@needs_kernels
@pytest.mark.parametrize("name", ["plain", "labels", "self"])
@pytest.mark.parametrize("size", [(2, 1, 3), (1, 13, 1), (3, 65, 7), (2, 257, 30)])
def test_the_compiled_dictionary_is_that_of_exact_products(name, size):
    """Whole numbers, whose products every order of summation gets right; ties among them."""
    tokens = torch.randint(-3, 4, size).float()
    b, n, _ = size
    labels = torch.randint(0, 3, (b, n)) if name == "labels" else None
    similarity = tokens @ tokens.mT
    if name != "self":
        similarity.diagonal(0, 1, 2).fill_(-torch.inf)
    if labels is not None:
        similarity[labels[:, :, None] != labels[:, None]] = -torch.inf
    for k in sorted({1, n // 2 + 1, n}):
        got = most_similar_op(tokens, k, name == "self", labels)
        for made, expected in zip(got, select_plainly(similarity, k), strict=True):
            assert torch.equal(made, expected)


@needs_kernels
def test_identical_tokens_get_identical_products():
    """Two tokens in many places of a window: every query takes the lowest of its favourites."""
    pair = torch.randn(2, 180)
    tokens = pair[torch.arange(300) % 2][None]
    scores = pair @ pair.T
    for token in range(2):
        favourite = int(scores[token].argmax())
        indices, _ = most_similar_op(tokens, 9, True, None)
        assert indices[0, token].tolist() == list(range(favourite, favourite + 18, 2))


# --- the choice, and what is refused -------------------------------------------------------------


@needs_kernels
@pytest.mark.parametrize(
    ("k", "instructions", "name"),
    [(59, "AVX2", "fused"), (60, "AVX2", "mask"), (60, "AVX512", "fused"), (99, "AVX512", "fused")],
)
def test_auto_is_fused_where_that_wins(k, instructions, name, monkeypatch):
    monkeypatch.setattr(dispatch, "kernels", lambda: SimpleNamespace(instruction_set=instructions))
    q = torch.randn(1, 2, 100, 8)
    dictionary = build_dictionary(torch.randn(1, 100, 4), k)
    monkeypatch.setitem(dispatch.BACKENDS, name, lambda *inputs: name)
    assert attend(q, q, q, dictionary) == name
    monkeypatch.setitem(dispatch.BACKENDS, "mask", lambda *inputs: "mask")
    assert attend(*[q.double()] * 3, dictionary) == "mask"
    assert attend(*[torch.randn(1, 2, 100, 65)] * 3, dictionary) == "mask"


@needs_kernels
def test_refuses_types_and_widths_by_name():
    tensors, _, dictionary, _ = make(CASES[0])
    with pytest.raises(InputError, match=r"takes float32 .* got torch.float64 on cpu, 30 wide"):
        attend(*tensors, dictionary, backend="fused")
    wide = torch.randn(2, 3, 63, 65)
    with pytest.raises(InputError, match="65 wide; pass backend='mask'"):
        attend(wide, wide, wide, dictionary, backend="fused")


def test_without_a_compiler_there_is_one_line_and_the_mask(monkeypatch, caplog):
    monkeypatch.setattr(build, "_library", lambda: (_ for _ in ()).throw(OSError("no c++")))
    build.kernels.cache_clear()
    try:
        tensors, table, dictionary, window = make(CASES[0], torch.float32)
        expected = attend(*tensors, dictionary, table, window, backend="mask")
        for _ in range(2):
            assert torch.equal(attend(*tensors, dictionary, table, window), expected)
        assert len(caplog.records) == 1
        assert "no fused CPU kernels: no c++" in caplog.text
        with pytest.raises(InputError, match=r"is not there: no c\+\+; or pass backend='mask'"):
            attend(*tensors, dictionary, table, window, backend="fused")
    finally:
        build.kernels.cache_clear()


@pytest.mark.parametrize(
    ("error", "environment", "told"),
    [
        (
            PermissionError(13, "Permission denied"),
            {},
            "{cache} (Permission denied); set TORCH_EXT",
        ),
        (
            OSError(30, "Read-only file system"),
            {},
            "{cache} (Read-only file system); set TORCH_EXT",
        ),
        (
            OSError(28, "No space left on device"),
            {},
            "{cache} (No space left on device); set TORCH",
        ),
        (
            RuntimeError("Error building: No space left on device"),
            {},
            "{cache} (no space left); set",
        ),
        (
            RuntimeError("Error building"),
            {"CXX": "no-such-c++ -v"},
            "no compiler no-such-c++; inst",
        ),
        (RuntimeError("Error building"), {"CXX": "python", "PATH": ""}, "no compiler python; inst"),
        (RuntimeError("Error building\nat length"), {}, "Error building"),
    ],
)
def test_why_there_are_no_kernels(tmp_path, monkeypatch, error, environment, told):
    """The reason and the next step: another folder, a compiler."""
    environment = {"TORCH_EXTENSIONS_DIR": str(tmp_path), "CXX": sys.executable, **environment}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(build.shutil, "which", lambda tool: tool if tool != "no-such-c++" else None)
    if environment.get("PATH") == "":
        monkeypatch.setattr(build.shutil, "which", lambda tool: None)
    monkeypatch.setattr(build, "_library", lambda: (_ for _ in ()).throw(error))
    build.kernels.cache_clear()
    try:
        assert build.kernels() is None
        assert told.format(cache=tmp_path) in build.why_not() and "\n" not in build.why_not()
    finally:
        build.kernels.cache_clear()


@needs_kernels
@pytest.mark.parametrize("harm", ["cut", "foreign", "empty", "no sum", "no library"])
def test_a_library_that_is_not_whole_is_built_again(tmp_path, monkeypatch, harm):
    """Loading one would end the process: in another, as a user's, with what it prints."""
    library = build._library()
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    monkeypatch.setattr(build, "_compile", lambda flags, made: made.write_bytes(b"built again"))
    copy = tmp_path / library.parent.name / library.name
    copy.parent.mkdir()
    whole = library.read_bytes()
    copy.write_bytes(whole)
    copy.with_suffix(".sha256").write_bytes(library.with_suffix(".sha256").read_bytes())
    assert build._library() == copy and copy.read_bytes() == whole
    if harm == "no sum":
        copy.with_suffix(".sha256").unlink()
    elif harm == "no library":
        copy.unlink()
    else:
        copy.write_bytes({"cut": whole[:20_000], "foreign": whole[::-1], "empty": b""}[harm])
    assert build._library() == copy and copy.read_bytes() == b"built again"


def entries(change):
    """A good dictionary of 6 tokens and 3 keys, one of its rows two keys long, then changed."""
    indices = torch.tensor([[[1, 2, 3], [0, 2, 6], [0, 1, 5], [0, 1, 2], [1, 2, 3], [2, 3, 4]]])
    indices, counts = indices.int(), torch.tensor([[3, 2, 3, 3, 3, 3]]).int()
    return change(indices, counts)


def at(place, value):
    def change(indices, counts):
        indices[place] = value
        return indices, counts

    return change


@pytest.mark.parametrize("backend", ["fused", "mask", "gather", "reference", "auto"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (at((0, 2, 2), 6), r"indices\[0, 2, 2\] is 6: not in 0..5"),
        (at((0, 2, 0), -1), r"indices\[0, 2, 0\] is -1: not in 0..5"),
        (at((0, 0, 1), 2**31 - 1), r"indices\[0, 0, 1\] is 2147483647: not in"),
        (at((0, 4, 1), 1), r"indices\[0, 4, 1\] is 1: not above the one before \(duplicated"),
        (at((0, 4, 0), 3), r"indices\[0, 4, 1\] is 2: not above"),
        (at((0, 1, 2), 4), r"indices\[0, 1, 2\] is 4: not 6, which fills up"),
        (lambda i, c: (i.long(), c), "indices of a dictionary must be contiguous int32.*int64"),
        (lambda i, c: (i, c.float()), "counts of a dictionary must be contiguous int32.*float32"),
        (lambda i, c: (i.mT.contiguous().mT, c), r"contiguous int32.*strides \(18, 1, 6\)"),
        (lambda i, c: (i, c[..., :5]), r"got \[1, 6, 3\] and \[1, 5\]"),
        (lambda i, c: (i, c + 1), r"counts of a dictionary must be 0..3, got up to 4|is 6: not in"),
    ],
)
def test_refuses_wrong_dictionaries_before_any_kernel_runs(change, message, backend):
    q = torch.randn(1, 2, 6, 8)
    with pytest.raises(InputError, match=message) as error:
        attend(q, q, q, Dictionary(*entries(change)), backend=backend)
    assert "\n" not in str(error.value)


def test_a_dictionary_made_elsewhere_is_accepted():
    good = Dictionary(*entries(lambda indices, counts: (indices, counts)))
    q = torch.randn(1, 2, 6, 8)
    expected = attend(q, q, q, good, backend="reference")
    assert_close({"out": attend(q, q, q, good)}, {"out": expected}, 1e-6)


# --- other instruction sets ----------------------------------------------------------------------


OWN = torch.backends.cpu.get_cpu_capability().lower()  # whose kernels this process tests


@needs_kernels
@pytest.mark.slow
@pytest.mark.parametrize("instructions", [name for name in ("avx2", "default") if name != OWN])
def test_other_instruction_sets(instructions):
    """The tests of this file, with kernels that are compiled once for each version of their source.

    Where this machine keeps its own, so that a second run of the tests finds them.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", __file__]
    command += ["-m", "not slow", "-k", "reference or select or strided or repeatable or number"]
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": instructions, "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, (run.stdout + run.stderr)[-4000:]
    assert "passed" in run.stdout and "skipped" not in run.stdout


def test_one_process_compiles_and_the_others_wait(tmp_path, monkeypatch):
    """Four ask at once for kernels that nobody has: each library is that of the one compiler."""
    compiled = []

    def compiler(*, name, build_directory, **options):
        compiled.append(options["extra_cflags"])
        time.sleep(0.2)  # long enough for all to have asked
        (Path(build_directory) / f"{name}.so").write_bytes(b"compiled")

    monkeypatch.setattr("torch.utils.cpp_extension.load", compiler)
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    with ThreadPoolExecutor(4) as several:
        (library,) = set(several.map(lambda _: build._library(), range(4)))
    assert library.read_bytes() == b"compiled" and len(compiled) == 1
    assert library.parent.name.startswith(f"semanir-{OWN}-")
    assert not [path for path in library.parent.iterdir() if path.is_dir()]
    # another source is another library
    monkeypatch.setattr(build, "FLAGS", [*build.FLAGS, "-DOTHER"])
    assert build._library() != library and len(compiled) == 2


@needs_kernels
@pytest.mark.parametrize(
    ("name", "options"),
    [("semanir-s", {"upscale": 4, "stages": 2, "layers": 2}), ("semanir-u", {"layers": 1})],
)
def test_full_width_networks_agree_on_the_same_dictionaries(name, options, monkeypatch):
    """Within 1e-5. With dictionaries of their own they need not: rounding in one stage may swap two
    nearly equal keys in the next, as the choice of k keys is not continuous.
    """
    made = []

    def keep(*inputs, **options):
        made.append(build_dictionary(*inputs, **options))
        return made[-1]

    x = torch.rand(2, 3, 24, 40)
    torch.manual_seed(0)
    network = semanir.build(name, **options, window=16, k=64, backend="fused").eval()
    with torch.no_grad():
        monkeypatch.setattr("semanir.network.layers.build_dictionary", keep)
        expected = network(x)
        for backend in ("mask", "gather"):
            again = iter(made)
            monkeypatch.setattr(
                "semanir.network.layers.build_dictionary", lambda *a, again=again, **o: next(again)
            )
            for module in network.modules():
                if hasattr(module, "backend"):
                    module.backend = backend
            assert (network(x) - expected).abs().max() < 1e-5 * expected.abs().max()
            assert next(again, None) is None
