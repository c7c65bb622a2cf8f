"""Compiles the Triton kernels for a GPU that need not be there; prints what the code uses as JSON.

python tests/cases/triton_compile.py 80    (in its own process: the interpreter must be off)
"""

import json
import re
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from semanir.attention.gpu import bias_gradient, flash, gather, select
from semanir.attention.gpu.blocks import COLUMNS, PIECE, ROWS
from semanir.attention.gpu.common import PRECISION, WIDTHS
from semanir.attention.gpu.common import SIZES as SHARED_SIZES
from semanir.attention.gpu.gather import SLOTS

FLASH = ("_forward", "_backward_q", "_backward_kv")
GATHER = ("_forward", "_backward_q", "_backward_kv", "_add_pieces")
CONSTANTS = {"BLOCK": ROWS, "COLUMNS": COLUMNS, "SLOTS": SLOTS, "PIECE": PIECE}
CONSTANTS["PRECISION"] = PRECISION
INTEGERS = {"words", "tiles", "counts", "indices", "queries"}  # pointers to int32
LONG = {"starts", "keys", "begins", "firsts"}  # pointers to int64
SUMS = {"table", "lse", "delta", "parts"}  # pointers to float32, whatever the heads are
TYPES = {torch.float32: "fp32", torch.bfloat16: "bf16"}  # float16 compiles to the same shapes
SIZES = {*SHARED_SIZES, "pieces", "k_most"}


def source(kernel, dtype, chosen):
    """The kernel for heads of a type, every pointer aligned to 16 bytes, as torch allocates."""
    constants = CONSTANTS | chosen
    constants = {name: constants[name] for name in kernel.arg_names if name in constants}
    known = dict.fromkeys(INTEGERS, "*i32") | dict.fromkeys(LONG, "*i64")
    known |= dict.fromkeys(SUMS, "*fp32") | dict.fromkeys(SIZES, "i32") | {"scale": "fp32"}
    known |= dict.fromkeys(constants, "constexpr")
    types = {name: known.get(name, "*" + dtype) for name in kernel.arg_names}
    pointers = [place for place, kind in enumerate(types.values()) if kind.startswith("*")]
    aligned = {(place,): [["tt.divisibility", 16]] for place in pointers}
    return ASTSource(kernel, types, constants, aligned)


def measured(kernel, dtype, chosen, warps, stages, architecture):
    """Bytes of stack, and counts of instructions by kind, from the machine code."""
    target, options = GPUTarget("cuda", architecture, 32), {"num_warps": warps}
    options["num_stages"] = stages
    compiled = triton.compile(source(kernel, dtype, chosen), target, options)
    tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "kernel.cubin"
        cubin.write_bytes(compiled.asm["cubin"])
        use, code = (
            subprocess.run([tools / tool, *arguments, cubin], capture_output=True, text=True).stdout
            for tool, arguments in (("cuobjdump", ["-res-usage"]), ("nvdisasm", []))
        )
    return {
        "stack": int(re.search(r"STACK:(\d+)", use)[1]),
        "spills": len(re.findall(r"\b(?:STL|LDL)\b", code)),
        "mma": len(re.findall(r"\b(?:HMMA|HGMMA|IMMA)\b", code)),
        "wide_loads": len(re.findall(r"\bLDG\S*\.128|\bLDGSTS\S*\.128", code)),
        "instructions": len(re.findall(r"/\*[0-9a-f]{4,}\*/", code)),
        "atomics": len(re.findall(r"\b(?:ATOM\w*|RED)\b", code)),
    }


def cases(architecture):
    """(name, kernel, type, constants, warps, stages): as the launches choose them."""
    for dtype, short in TYPES.items():
        for width, name in product(WIDTHS, FLASH):
            code = getattr(flash, name)
            rows = flash.rows_of(code, dtype, width, architecture >= 90)
            chosen = {"D": width, "ROWS": rows}
            yield f"flash{name} {short} D{width}", code, short, chosen, 4, flash.STAGES
        for width, w in product(WIDTHS, (16, 32)):
            code, strip = bias_gradient._backward_table, bias_gradient.strip_of(dtype, width, w)
            name = f"flash_backward_table {short} D{width} window {w}"
            launch = bias_gradient.table_launch(dtype, strip)
            yield name, code, short, {"D": width, "STRIP": strip}, *launch
        for name in GATHER:
            code = getattr(gather, name)
            yield f"gather{name} {short} D32", code, short, {"D": 32}, gather.WARPS, 3
    for n in (1024, 8192):
        warps = select.warps_of(n)
        yield f"select {n} keys", select._select, "fp32", {"BLOCK": n}, warps, 3


if __name__ == "__main__":
    architecture = int(sys.argv[1])
    print(json.dumps({name: measured(*case, architecture) for name, *case in cases(architecture)}))
