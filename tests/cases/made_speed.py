"""Made-up records of `semanir bench`, with and without --growth, in the shape of real ones."""

from made_records import put_kind

TIMES = {"fused": 2.0, "mask": 8.0, "dense": 4.0, "dense without bias": 3.0}
SHARES = {"fused": 0.25, "mask": 0.125, "dense": 0.5, "dense without bias": 0.75}


def bench(**more):
    case = {"N": 1024, "K": 64, "forward": TIMES}
    case |= {"forward_backward": {name: 3 * time for name, time in TIMES.items()}}
    case |= {"share": dict.fromkeys(("forward", "forward_backward"), SHARES)}
    facts = {"threads": 2, "instructions": "AVX512", "device": "cpu"}
    return facts | {"layers": [case], "stage_layers": [case | {"K": 256}]} | more


def growth():
    """Twice the time of a megapixel in the second picture; k from 8 to 16 on a map of 8 x 8."""
    sizes = {"megapixels": 1.0, "in_tiles": 1.27, "seconds": 3.0, "bytes": 2**25}
    pictures = [
        sizes | {"time_ratio": 1.0, "memory_ratio": 1.0},
        sizes
        | {"megapixels": 4.0, "seconds": 24.0, "time_ratio": 2.0}
        | {"bytes": None, "memory_ratio": None},
    ]
    usual = {"sweep": "k", "H": 8, "W": 8, "C": 12, "h": 2, "M": 8, "maps": 1}
    layers = [
        usual
        | {"k": k, "milliseconds": {"SemanIR MSA": ms, "W-MSA": 4.0}}
        # 4 HWC^2 + 2 k HWC and 4 HWC^2 + 2 M^2 HWC
        | {"multiply_adds": {"SemanIR MSA": 768 * (48 + 2 * k), "W-MSA": 768 * 176}}
        for k, ms in ((8, 2.0), (16, 2.5))
    ]
    facts = {"threads": 2, "instructions": "AVX512", "device": "cpu"}
    facts |= {"network": "semanir-u-tiny", "tile": 512, "overlap": 64}
    return facts | {"pictures": pictures, "layers": layers}


def speed_records(folder, **more):
    """Both below a folder; more: fields of both, or in place of theirs."""
    folder /= "results/smoke/cost/attention"
    return tuple(
        put_kind(folder / f"{kind}.json", kind, "attention", **made() | more)
        for kind, made in (("bench", bench), ("growth", growth))
    )
