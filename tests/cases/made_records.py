"""Made-up records of runs, in the shape of real ones; tests of the reports are fed with them."""

import base64
import io
import itertools
import json

import numpy as np
from PIL import Image

from data_prep.tasks import get_task
from semanir.plan.cells import Cell
from semanir.plan.models import get_model, get_scale
from semanir.plan.plan import Plan
from semanir.plan.runs import Run

STAMP = get_scale("smoke")["stamp"]
PROVENANCE = {
    **{"commit": "0123456789ab", "source": "abcdefabcdef", "created": "2026-01-02T03:04:05+00:00"},
    **{"machine": "A Processor <at> 2 GHz & more", "instruction_set": "AVX2", "threads": 1},
    "versions": {"torch": "2.13.0"},
}
COUNTS = {  # only SemanIR-B x4 is not what the paper prints
    "semanir-s": {"x2": 11_869_775, "x3": 12_054_415, "x4": 12_015_563},
    "semanir-b": {"x2": 19_896_000, "x3": 20_080_640, "x4": 20_000_000},
    "semanir-u": {"rgb": 25_818_459},
}
STRUCTURE = {
    **{"semanir-s": [("", 6, 6)], "semanir-b": [("", 8, 8)]},
    "semanir-u": [("down", 4, 6), ("up", 4, 6), ("final", 1, 6)],
}


def put(path, record):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return path


def put_kind(path, kind, identity, **body):
    """Write a record of a kind; identity: of a run, or the name of what a cost is of."""
    if isinstance(identity, str):
        identity = {"scale": "smoke", "model": identity}
    elif isinstance(identity, Run):
        identity = {name: getattr(identity, name) for name in ("scale", "task", "model", "seed")}
    head = {"schema": 1, "kind": kind, "identity": identity, "provenance": PROVENANCE}
    return put(path, head | body)


def eval_record(folder, task, model, scores, *, seed=0, **more):
    """scores: (dataset, level, psnr, ssim_matlab, ssim_zero_padded) of one image each."""
    run = Run("smoke", task, model, seed)
    names = ("dataset", "level", "psnr", "ssim_matlab", "ssim_zero_padded")
    body = {
        "protocols": {level: {"name": f"p-{level}", "version": 1} for _, level, *_ in scores},
        "batch": 1,
        "scores": [
            dict(zip(names, score, strict=True)) | {"image": f"{number}.png"}
            for number, score in enumerate(scores)
        ],
    }
    if run.trained:
        body |= {"network": f"{model}-tiny", "parameters": 34_567, "config": {"k": 32}}
    return put_kind(folder / run.record, "eval", run, **body | more)


def count_record(folder, model):
    entry = get_model(model)
    counts = COUNTS.get(model) or dict.fromkeys(entry["variants"], 1_234_567)
    rows = [{"variant": v, "metric": "params", "value": n} for v, n in counts.items()]
    for cell in entry.get("flops", {}):
        for metric in ("FLOPs", "FLOPs_by_modules"):
            row = {"variant": cell, "metric": metric, "value": 215_320_000_000}
            rows.append(row | {"protocol": "as fvcore counts"})
    for part, *numbers in STRUCTURE.get(model, []):
        for metric, value in zip(("stages", "layers_per_stage"), numbers, strict=True):
            rows.append({"variant": part, "metric": metric, "value": value})
    path = folder / f"results/smoke/cost/{model}/count.json"
    return put_kind(path, "count", model, rows=rows)


def runtime_record(folder):
    rows = [
        {"group": "sr", "input": "3x64x64", "network": name, "rounds": 3}
        | {"median_ms": ms, "quartiles_ms": [ms, ms], "ratio": ms / 50}
        for name, ms in (("swinir:x4", 50.0), ("semanir-s:x4:k=64", 40.0))
    ]
    return put_kind(folder / "results/smoke/cost/runtime.json", "runtime", "runtime", rows=rows)


def records_of(folder, table):
    """Made-up records of everything a table needs: 20 dB for inputs, 26 dB for networks.

    Of Tables 1 and 12 they are empty; tests/reports/test_evidence.py looks at their pages.
    """
    made = []
    for name in Plan("smoke").records([table]):
        _, _, place, task, *rest = name.split("/")
        if task == "attention":
            kind = rest[0].removesuffix(".json")
            made.append(put_kind(folder / name, kind, task, device="cpu", rows=[]))
        elif task == "runtime.json":
            made.append(runtime_record(folder))
        elif place == "cost":
            made.append(count_record(folder, task))
        else:
            dataset = "embedded_gray" if "gray" in task else "embedded_rgb"
            psnr, levels = 20.0 if rest[0] == "input" else 26.0, get_task(task).levels
            scores = [(dataset, lv, psnr + extra, 0.71, 0.72) for lv in levels for extra in (0, 1)]
            made.append(eval_record(folder, task, rest[0], scores))
    return made


def cell(value="35.78", metric="PSNR", **fields):
    """A printed number of the degraded input, whose measurement needs no training."""
    standard = {
        **{"table": "table99", "row": "Matlab", "method": "Matlab", "single_model": False},
        **{"task": "demosaick", "dataset": "Kodak", "setting": "", "metric": metric},
        **{"value": value, "unit": "dB", "kind": "number", "source": "paper"},
    }
    return Cell(**standard | fields)


def denoised(folder, gains, seeds=(0, 1, 2), images=6):
    """gains: model -> dB above 30, of some images that differ by decibels, and some seeds."""
    records = []
    for (model, gain), seed in itertools.product(gains.items(), seeds):
        scores = [("set12", "sigma25", 30 + n + gain, 0.9, 0.9) for n in range(images)]
        records.append(eval_record(folder, "denoise_gray-sigma25", model, scores, seed=seed))
    return records


def train_record(folder, model, points, task="sr-x2", seconds=6.0):
    """Of the second half of a training that was interrupted, in some seconds."""
    run = Run("smoke", task, model, 0)
    body = {
        "history": [{"step": step, "psnr": {task.split("-")[1]: psnr}} for step, psnr in points],
        **{"recipe": {"iterations": 80}, "iterations_this_time": 40, "seconds_this_time": seconds},
        "tensors_sha256": "00000102" + 56 * "f",
    }
    return put_kind(folder / run.train_record, "train", run, **body)


def activation_record(folder):
    """A made-up one in the shape of semanir.evaluate.activation's."""
    run = Plan("smoke").figure_run
    rng = np.random.default_rng(0)
    maps = {name: rng.random((32, 32)).tolist() for name in ("8", "16", "64", "256", "all")}
    stages = [
        {"stage": stage, "similarity": similarity, "N": 64, "k": 8, "histogram": [3, 5, 9, 2]}
        | {"never": 0.2, "most": 40}
        for stage in ("down.0", "down.1")
        for similarity in ("dot", "cosine", "layernorm")
    ]
    body = {
        **{"dataset": "embedded_rgb", "level": "sigma15", "image": "astronaut"},
        **{"crop": rng.integers(0, 256, (32, 32, 3)).tolist(), "query": [4, 8], "region": 4},
        **{"maps": maps, "stages": stages, "bins": [0, 1, 2, 4]},
    }

    return put_kind(folder / run.activation, "activation", run, **body)


def grey_png(value):
    """Base64 of a grey PNG of 96 x 96 pixels."""
    out = io.BytesIO()
    Image.fromarray(np.full((96, 96), value, np.uint8)).save(out, format="PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode("ascii")


def visual_record(folder, task="sr-x2", model="semanir-s", image="0.png", **more):
    """A made-up record of one image, best, median and worst, with grey pictures of four shades.

    more: fields of the record, or of its image.
    """
    run = Run("smoke", task, model, 0)
    shade = {"whole": 220, "degraded": 40, "restored": 120, "clean": 200}
    shown = {
        **{"ranks": ["best", "median", "worst"], "image": image},
        **{"crop": [48, 96, 96], "size": [192, 384], "beside": []},
        "pictures": {name: grey_png(value) for name, value in shade.items()},
        "scores": {"psnr_crop": 27.125, "psnr_crop_input": 23.5},
    }
    body = {
        **{"dataset": "embedded_rgb", "level": task.partition("-")[2]},
        **{"images": 8, "protocol": {"name": "p", "version": 1}},
    }
    shown |= {name: more.pop(name) for name in list(more) if name in shown}
    return put_kind(folder / run.visual, "visual", run, shown=[shown], **body | more)
