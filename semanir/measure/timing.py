"""How long functions take beside each other, and how much memory they hold at their peak.

Only ratios of times taken in one run mean anything on another machine.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch

from semanir.memory import give_back_freed_memory


def where(device: str) -> dict[str, Any]:
    """What a record says of the place of its times: threads, instructions, and the device's name.

    device: "cpu" or "cuda".
    """
    return {
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
    }


def in_turns(
    functions: Mapping[str, Callable[[], Any]], seconds: float = 4, least: int = 5
) -> dict[str, list[float]]:
    """Milliseconds of every run of each function, run in turns for some seconds after a warm-up.

    At least `least` rounds. Wall-clock time; on a GPU the time between two events of its own.
    """
    clock = _cuda_milliseconds if torch.cuda.is_available() else _milliseconds
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        clock(function)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(times.values()))) < least:
        for name, function in functions.items():
            times[name].append(clock(function))
    return times


def interleaved(
    functions: Mapping[str, Callable[[], Any]], seconds: float = 4, least: int = 5
) -> dict[str, float]:
    """The medians of `in_turns`."""
    taken = in_turns(functions, seconds, least)
    return {name: median(times) for name, times in taken.items()}


def _milliseconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return 1e3 * (time.perf_counter() - start)


def _cuda_milliseconds(function: Callable[[], Any]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    function()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end)


def peak_bytes(function: Callable[[], Any]) -> int:
    """The most bytes that torch's CPU allocator held at a time beyond what it held at the start.

    Summed over the allocations and releases that torch.profiler records. The compiled kernels take
    their scratch memory from the same allocator.
    """
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        result = function()
        del result
    held = most = 0
    events = profile.profiler.kineto_results.events()
    for event in sorted(events, key=lambda event: event.start_ns()):
        if event.name() == "[memory]" and event.device_type() == torch.profiler.DeviceType.CPU:
            held += event.nbytes()
            most = max(most, held)
    return most


def peak_bytes_cuda(function: Callable[[], Any]) -> int:
    """As `peak_bytes`, of the GPU's allocator."""
    start = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    function()
    return torch.cuda.max_memory_allocated() - start


def peak_resident(function: Callable[[], Any]) -> int | None:
    """The most bytes of memory that the whole process had at a time while a function ran.

    What it used before is part of it, what it had freed is not. None where the system does not
    tell, as all but Linux.
    """
    give_back_freed_memory()
    process = Path("/proc/self")
    try:
        (process / "clear_refs").write_text("5")  # the highest so far is forgotten
    except OSError:
        function()
        return None
    function()
    lines = (process / "status").read_text(encoding="utf-8").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return 1024 * int(peak)
