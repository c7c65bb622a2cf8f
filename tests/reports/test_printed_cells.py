"""The transcription of the paper's tables in reports/paper/: form, control totals, rows, columns.

Where the paper contradicts itself is a matter of claims: tests/reports/test_claims.py.
"""

import csv
import re
from collections import Counter
from decimal import Decimal
from itertools import groupby, product

import pytest
from checkout import REPOSITORY

PAPER = REPOSITORY / "reports" / "paper"
FIELDS = [
    *("table", "row", "method", "single_model", "task", "dataset", "setting", "metric"),
    *("value", "unit", "kind", "source"),
]
KEY = FIELDS[1:8]


# table: cells, numbers among them, control total, page (of the extras: table of the README), tasks.
# The control total is the sum of position x value, 1 for the first cell of a file: a wrong digit
# changes it, and so do two exchanged values.
TABLES = {
    "table01": (30, 27, "4335.22", 6, {""}),
    "table02": (114, 102, "93735.812", 6, {"deblur"}),
    "table03": (32, 32, "236565.28", 7, {"sr", "denoise_gray"}),
    "table04": (128, 128, "130391.3730", 8, {"jpeg_color"}),
    "table05": (9, 9, "1385.58", 8, {"denoise_gray"}),
    "table06": (12, 12, "2556.81", 8, {"denoise_color"}),
    "table07": (228, 219, "769333.27", 9, {"", "denoise_color", "denoise_gray"}),
    "table08": (21, 21, "6603.96", 9, {"weather"}),
    "table09": (18, 18, "7013.76", 9, {"demosaick"}),
    "table10": (220, 208, "407351.7261", 10, {"sr"}),
    "table11": (10, 10, "309", 18, {""}),
    "table12": (6, 0, "0", 19, {""}),
    "extra_jpeg_gray": (210, 210, "373331.8272", 1, {"jpeg_gray"}),
    "extra_sr_x3": (115, 115, "118185.2609", 8, {"sr"}),
    "extra_denoise": (30, 30, "15442.89", 5, {"", "denoise_color", "denoise_gray"}),
}

# metric: unit, decimals
UNITS = dict.fromkeys(("architecture", "time_complexity", "space_complexity"), ("", None))
UNITS |= {"PSNR": ("dB", 2), "SSIM": ("", 4), "stages": ("", 0), "layers_per_stage": ("", 0)}
UNITS |= {"params": ("M", 2), "FLOPs": ("G", 2), "runtime": ("ms", 2), "memory": ("GB", 2)}
DATASETS = {
    **{"": {""}, "denoise_gray": {"", "Set12", "BSD68", "Urban100"}},
    "denoise_color": {"CBSD68", "McMaster", "Kodak24", "Urban100"},
    "sr": {"", "Set5", "Set14", "BSD100", "Urban100", "Manga109"},
    **{"jpeg_color": {"LIVE1", "BSDS500"}, "jpeg_gray": {"Classic5", "LIVE1", "Urban100"}},
    **{"deblur": {"GoPro", "HIDE", "Average"}, "demosaick": {"Kodak", "McMaster"}},
    "weather": {"Test1", "SnowTest100k-L", "RainDrop"},
}


def read(table):
    with (PAPER / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def decimals(cell):
    """Of a number as printed: Table 2 prints SSIM with three, and Table 10 does so once."""
    once = (cell["row"], cell["dataset"], cell["metric"]) == ("ART ×4", "BSD100", "SSIM")
    if cell["metric"] == "SSIM" and (cell["table"] == "table02" or once):
        return 3
    return UNITS[cell["metric"]][1]


@pytest.mark.parametrize("table", sorted({*TABLES, *(p.stem for p in PAPER.glob("*.csv"))}))
def test_a_file_is_plain_long_form_with_its_rows_and_control_total(table):
    raw = (PAPER / f"{table}.csv").read_bytes()
    text = raw.decode("utf-8")
    assert b"\r" not in raw and text.endswith("\n")
    assert text.split("\n")[0].split(",") == FIELDS
    cells = read(table)
    keys = [tuple(cell[field] for field in KEY) for cell in cells]
    assert len(set(keys)) == len(keys)
    says = LABELS.get(table, lambda cell: cell["method"])
    for cell in cells:
        assert None not in cell and None not in cell.values(), cell
        assert [text for text in cell.values() if text != text.strip()] == [], cell
        assert cell["table"] == table and cell["row"] == says(cell), cell
        assert cell["dataset"] in DATASETS[cell["task"]], cell
        assert cell["kind"] in {"number", "dash", "oom", "formula"}, cell
        assert cell["single_model"] in {"yes", "no"}, cell
        assert cell["unit"] == UNITS[cell["metric"]][0], cell
        assert (cell["value"] == "") == (cell["kind"] in {"dash", "oom"}), cell
        assert (cell["dataset"] != "") == (cell["metric"] in {"PSNR", "SSIM"}), cell
        assert all(cell[field] for field in ("row", "method", "source")), cell
        assert not re.search(r"[†\[\]()]", cell["method"]), cell
        if cell["kind"] == "number":
            assert re.fullmatch(r"\d+(\.\d+)?", cell["value"]) and float(cell["value"]) > 0, cell
            assert len(cell["value"].partition(".")[2]) == decimals(cell), cell
    if table in ROWS:
        assert [row for row, _ in groupby(cell["row"] for cell in cells)] == ROWS[table].split("|")

    count, numbers, total, page, tasks = TABLES[table]
    values = {n: Decimal(c["value"]) for n, c in enumerate(cells, 1) if c["kind"] == "number"}
    assert (len(cells), len(values)) == (count, numbers)
    assert sum(place * value for place, value in values.items()) == Decimal(total)
    assert {cell["task"] for cell in cells} == tasks
    paper = f"paper Table {int(table[5:])} p. {page}" if table.startswith("table") else ""
    assert {c["source"] for c in cells} == {paper or f"authors' README, KGT Table {page}"}


def test_counts_of_the_whole_paper():
    """Dashes: 12 in Table 2, 9 in Table 7, 12 in Table 10. Out of memory: 3 in Table 1."""
    kinds = Counter(cell["kind"] for n in range(1, 12) for cell in read(f"table{n:02d}"))
    assert kinds == {"number": 786, "dash": 33, "oom": 3}


SR = "RCAN|SAN|HAN|IPT|SwinIR|CAT-A|ART|EDT|SemanIR-S|SemanIR-B"
WINDOWS = "window 8|window 16|window 32"
GREY = ("Classic5", "LIVE1", "Urban100")
PARTS = {"sr": "×4 SR: ", "denoise_gray": "Denoising σ=50: "}
ROWS = {
    "table01": "N=512|N=1024|N=2048|N=4096|N=8192|k=32|k=64|k=128|k=256|k=512",
    "table02": "DeblurGAN|Nah et al.|DeblurGAN-v2|SRN|Gao et al.|DBGAN|MT-RNN|DMPHN|Suin et al."
    "|CODE|SPAIR|MIMO-UNet+|IPT|MPRNet|KiT|NAFNet|Restormer|Ren et al.|SemanIR",
    "table03": "×4 SR: SwinIR|×4 SR: CAT|×4 SR: HAT|×4 SR: SemanIR-S|Denoising σ=50: SwinIR"
    "|Denoising σ=50: Restormer|Denoising σ=50: GRL|Denoising σ=50: SemanIR",
    "table04": "|".join(f"{name} QF{n}0" for name in ("LIVE1", "BSDS500") for n in range(1, 5)),
    **{"table05": WINDOWS, "table06": WINDOWS},
    "table07": "†DnCNN|†FFDNet|†DRUNet|†Restormer|†SemanIR"
    "|DnCNN|EDT-B|DRUNet|SwinIR|Restormer|Xformer|SemanIR",
    "table09": "Matlab|MMNet|DDR|DeepJoint|RLDD|DRUNet|RNAN|GRL|SemanIR",
    "table10": "|".join(f"{name} ×{scale}" for scale in (2, 4) for name in SR.split("|")),
    "table11": "stages|layers per stage",
    "table12": "MSA|W-MSA|SemanIR MSA",
    "extra_jpeg_gray": "|".join(f"{name} QF{n}0" for name in GREY for n in range(1, 5)),
    "extra_sr_x3": "RCAN ×3|SAN ×3|HAN ×3|NLSA ×3|IPT ×3|SwinIR ×3|CAT-A ×3|ART ×3|EDT ×3"
    "|SemanIR-S ×3|SemanIR-B ×3",
    "extra_denoise": "†IRCNN|RNAN|IPT",
}

LABELS = {
    "table01": lambda c: c["setting"],
    "table03": lambda c: PARTS[c["task"]] + c["method"],
    "table04": lambda c: f"{c['dataset']} {c['setting'].upper()}",
    "table05": lambda c: c["setting"].removeprefix("sigma25 ").replace("window", "window "),
    "table07": lambda c: "†" * (c["single_model"] == "yes") + c["method"],
    "table10": lambda c: f"{c['method']} ×{c['setting'].removeprefix('x')}",
    "table11": lambda c: c["metric"].replace("_", " "),
    "extra_sr_x3": lambda c: f"{c['method']} ×3",
}
LIKE = {"extra_jpeg_gray": "table04", "table06": "table05", "extra_denoise": "table07"}
LABELS |= {table: LABELS[other] for table, other in LIKE.items()}


def with_metrics(*names):
    return [(name, metric) for name in names for metric in ("PSNR", "SSIM")]


# In Table 4 the dagger stands before QGAC, FBCNN, DRUNet and the first SemanIR.
JPEG = "JPEG no|QGAC yes|FBCNN yes|DRUNet yes|SemanIR yes|SwinIR no|GRL-S no|SemanIR no"
JPEG_GRAY = "JPEG no|DnCNN3 yes|DRUNet yes|SemanIR yes|GRL-S no|SwinIR no|ART no|CAT no|SemanIR no"
SIGMAS = ("sigma15", "sigma25", "sigma50")
NOISE = [
    ("", "", "", "params"),
    *product(["denoise_color"], ("CBSD68", "McMaster", "Urban100"), SIGMAS, ["PSNR"]),
    *product(["denoise_gray"], ("Set12", "BSD68", "Urban100"), SIGMAS, ["PSNR"]),
]
ENLARGED = [("", "params"), *with_metrics("Set5", "Set14", "BSD100", "Urban100", "Manga109")]


def by_method(names):
    fields = ("method", "single_model", "metric")
    return fields, [(*name.split(), metric) for name, metric in with_metrics(*names.split("|"))]


def pairs(text):
    return [tuple(pair.split(":")) for pair in text.split()]


TABLE6 = ("McMaster", "CBSD68", "Kodak24", "Urban100")
STRUCTURE = "SemanIR-S: SemanIR-B: SemanIR:down SemanIR:up SemanIR:final"
# table: the fields its column headings give, and the columns of every row, left to right
COLUMNS = {
    "table01": (("method",), [("Triton",), ("Torch-Gather",), ("Torch-Mask",)]),
    "table02": (("dataset", "metric"), with_metrics("GoPro", "HIDE", "Average")),
    "table03": (("dataset", "metric"), pairs(":params :FLOPs :runtime Urban100:PSNR")),
    "table04": by_method(JPEG),
    "table05": (("method", "dataset"), pairs("SemanIR:Set12 SemanIR:BSD68 SemanIR:Urban100")),
    "table06": (("method", "dataset"), list(product(["SemanIR"], TABLE6))),
    "table07": (("task", "dataset", "setting", "metric"), NOISE),
    "table09": (("dataset",), [("Kodak",), ("McMaster",)]),
    "table10": (("dataset", "metric"), ENLARGED),
    "table11": (("method", "setting"), pairs(STRUCTURE)),
    "table12": (("metric",), [("time_complexity",), ("space_complexity",)]),
    "extra_jpeg_gray": by_method(JPEG_GRAY),
    "extra_sr_x3": (("dataset", "metric"), ENLARGED),
    "extra_denoise": (("task", "dataset", "setting", "metric"), NOISE),
}


def _given(table, row, column):
    """False for the cells that the README's tables leave out."""
    if table == "extra_jpeg_gray":
        return not (row.endswith("QF20") and column[0] == "ART")
    if (table, row) == ("extra_sr_x3", "IPT ×3"):
        return column[1] != "SSIM" and column[0] != "Manga109"
    if table == "extra_denoise" and row != "†IRCNN":
        return column[2] in {"", "sigma50"} and not (row == "IPT" and column[0] == "denoise_gray")
    return True


@pytest.mark.parametrize("table", COLUMNS)
def test_every_row_has_the_columns_of_its_heading(table):
    fields, columns = COLUMNS[table]
    rows = {}
    for cell in read(table):
        rows.setdefault(cell["row"], []).append(tuple(cell[field] for field in fields))
    for row, found in rows.items():
        assert found == [column for column in columns if _given(table, row, column)], row


# what the control totals leave out, and where the PDF's text runs values together
SPOTS = """
table01|k=128|Torch-Gather|
table01|k=512|Torch-Mask|17.43
table02|IPT|HIDE PSNR|
table04|LIVE1 QF40|SemanIR no SSIM|0.9204
table04|BSDS500 QF10|JPEG PSNR|25.84
table06|window 32|CBSD68|31.75
table07|EDT-B|Set12 sigma15|
table08|CCN|RainDrop|31.34
table08|SwinIR|SnowTest100k-L|28.18
table10|IPT ×2|Manga109 PSNR|
table12|MSA|time_complexity|4HWC^2 + 2(HW)^2 C
table12|MSA|space_complexity|4HWC^2 + 2h(HW)^2 C
table12|W-MSA|time_complexity|4HWC^2 + 2(M)^2 HWC
table12|W-MSA|space_complexity|4HWC^2 + 2h(M)^2 HWC
table12|SemanIR MSA|time_complexity|4HWC^2 + 2kHWC
table12|SemanIR MSA|space_complexity|4HWC^2 + 2hkHWC
"""


@pytest.mark.parametrize("spot", SPOTS.split("\n")[1:-1])
def test_spot_value(spot):
    table, row, words, value = spot.split("|")
    (cell,) = [c for c in read(table) if c["row"] == row and {*words.split()} <= {*c.values()}]
    assert cell["value"] == value
