"""What the command `semanir` says: help, lists, `semanir info`, and what it passes on."""

import re
import tomllib
from pkgutil import resolve_name

import pytest
from checkout import REPOSITORY, python
from restoring import fails, save, semanir, shown_by

from semanir import cli
from semanir.attention import BACKENDS
from semanir.inference.shipped import TASKS
from semanir.measure import bench, growth
from semanir.network import PRESETS, build, flops


@pytest.mark.parametrize(
    "command", ["list", "--help", "restore --help", "report --help", "gate --help"]
)
def test_help_and_lists_come_without_torch(command):
    program = (
        "import sys, semanir; from semanir.cli import main\n"
        f"try: main({command.split()!r})\n"
        "except SystemExit as stop: assert not stop.code\n"
        "heavy = {'torch', 'cv2', 'scipy', 'pandas', 'jinja2', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules)"
    )
    shown = python(program, check=True)
    assert (b"denoise" in shown.stdout or command[0] in "rg") and shown.stderr == b""


def test_the_list_is_what_there_is(shipped, capsys):
    levels = ({"level": "sigma15", "psnr": 32.0}, {"level": "sigma25", "psnr": 30.214})
    scores = [{"dataset": "set12", "images": 12, "input": 20.37} | level for level in levels]
    about = {"task": "denoise_gray-blind", "scores": scores}
    save(shipped / "denoise_gray-blind.safetensors", build("semanir-u-tiny", channels=1), **about)
    (shipped / "sr-x2.safetensors").write_bytes(b"broken")
    semanir("list")
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) < 40 and max(map(len, shown.splitlines())) <= 80
    assert re.search(r"denoise_gray-blind +grey +set12 sigma25: 20\.37 -> 30\.21 dB", shown)
    assert re.search(r"sr-x2 +broken; install", shown)
    assert re.search(r"semanir-s +11\.9 M +super-resolution", shown)  # the paper prints 11.87 M
    for word in (*PRESETS, *BACKENDS, *TASKS, "--sigma 15|25|50", "--qf 10|20|30|40"):
        assert word in shown, word


def read_info(capsys, *arguments):
    semanir("info", *arguments)
    joined = re.sub(r"\n {15}", " ", capsys.readouterr().out)
    return {line[:15].strip(): line[15:] for line in joined.splitlines()}


def test_info_of_weights(shipped, capsys):
    network = build("semanir-u-tiny", channels=1, k=20)
    path = save(shipped / "denoise_gray-sigma25.safetensors", network, task="x", fingerprint="f00")
    info = read_info(capsys, path, "--input", "1x40x48")
    assert info == read_info(capsys, "denoise_gray-sigma25", "--input", "1x40x48")
    assert info["weights"] == str(path)
    assert info["trained on"] == "x" and info["fingerprint"] == "f00"
    assert info["parameters"] == f"0.06 M ({sum(p.numel() for p in network.parameters())})"
    gather = build("semanir-u-tiny", channels=1, k=20, backend="gather")
    cost = flops.multiply_adds(gather, (1, 1, 40, 48))
    assert info["multiply-adds"] == f"{cost / 1e9:.2f} G for an input of 1x40x48 ({cost})"
    assert "k=20" in info["configuration"] and "dims=(16, 24)" in info["configuration"]


def test_info_of_a_network(capsys):
    info = read_info(capsys, "semanir-s-tiny", "--input", "3x16x16", "--scale", 2)
    assert info["network"] == "semanir-s-tiny" and "random" in info["trained on"]
    parameters = sum(p.numel() for p in build("semanir-s-tiny", upscale=2).parameters())
    assert info["parameters"].endswith(f"({parameters})")
    assert "upscale=2" in info["configuration"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("semanir-x", "unknown network 'semanir-x'; did you mean semanir-"),
        ("gone.safetensors", "no such weights: gone.safetensors; see semanir list"),
        ("semanir-u-tiny --input 128", "--input must be channels x height x width"),
        ("semanir-u-tiny --input 2x8x8", "channels must be 1 (grey) or 3 (colour), got 2"),
        ("semanir-x --scale 3", "unknown network 'semanir-x'"),
        ("semanir-u-tiny --scale 3", "--scale is of networks"),
        ("gone.safetensors --scale 3", "--scale is of networks"),
    ],
)
def test_info_of_nothing(capsys, arguments, message):
    assert message in fails(capsys, "info", *arguments.split())


def test_bench_is_passed_on(monkeypatch):
    asked = []
    monkeypatch.setattr(bench, "bench", lambda *given: asked.append(given) or {"device": "cpu"})
    semanir("bench", "--seconds", 0.5, "--json")
    assert asked == [(0.5, "cpu")]


def test_growth_is_passed_on_and_its_options_belong_to_it(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(growth, "growth", lambda **given: asked.append(given) or {})
    semanir("bench", "--growth", "--seconds", 0.5, "--json")
    semanir("bench", "--growth", "--megapixels", "0.5,2", "--network", "sr-x4", "--json")
    assert asked == [
        {"seconds": 0.5, "device": "cpu"},
        {"seconds": 4, "device": "cpu", "megapixels": [0.5, 2], "network": "sr-x4"},
    ]
    for option in ("--megapixels 1", "--network sr-x4"):
        assert "belongs to --growth" in fails(capsys, "bench", *option.split())


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--fromat", "png"], "--fromat png; see semanir restore --help"),
        (["--backend", "fast"], "invalid choice: 'fast'"),
    ],
)
def test_options_that_do_not_parse(capsys, option, message):
    assert message in shown_by(capsys, *["restore", "a.png", "-o", "b.png"], *option, code=2).err


def test_the_package_has_the_command():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert resolve_name(project["project"]["scripts"]["semanir"]) is cli.main
