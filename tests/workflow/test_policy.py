"""The policy of the repository (.ci/policy.py) finds what it is there to find."""

import subprocess
import sys
from runpy import run_path

import pytest
from checkout import REPOSITORY

SCRIPT = REPOSITORY / ".ci" / "policy.py"
faults = run_path(str(SCRIPT))["faults"]
HOST = "https://photographs.example.net/a"
GENERATED = ("data/a.txt", "results/a/results.csv", "reports/table04.html", "weights.safetensors")
HOME, REGISTRY = "/ho" + "me/someone", "--index-" + "url"  # in parts: this file is looked at, too


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("docs/a.md", f"x\nsee {HOME}/x", "docs/a.md:2: names a path"),
        ("tests/a.py", f"'{HOME}'", "names a path"),
        ("docs/a.md", "cd /tmp/x", "names a path"),
        ("tests/a.py", "cd /tmp/x", ""),
        ("docs/a.md", "C:" + r"\Users\me", "names a path"),
        ("docs/a.md", f"pip install {REGISTRY} x", "package registry"),
        ("docs/a.md", HOST, "unknown host photographs.example.net"),
        ("data_prep/datasets.yaml", f"a: {HOST}", ""),
        ("docs/a.md", "https://github.com/a/b", ""),
        ("docs/a.md", "on 2026-01-02", "the date 2026-01-02"),
        ("reports/accepted/a.csv", "2026-01-02", ""),
        ("docs/a.md", "line ", "ends in white space"),
        ("a.yaml", "a: 1\nb: 2\na: 3", "key twice"),
        ("a.yaml", "x: {a: 1, a: 1}", "key twice"),
        ("a.yaml", "base: &b {a: 1}\nx: {<<: *b, c: 2}", ""),
        ("a.yml", "a: [", "does not parse"),
        ("a.cff", "", "holds nothing"),
        ("a.json", "{,}", "does not parse"),
        *((name, "x", "is generated") for name in GENERATED),
        *(
            (name, "x", "")
            for name in ("reports/paper/table04.csv", "semanir/weights/a.safetensors")
        ),
        ("a.png", "x" * 1_000_001, "more than 1000000"),
        ("semanir/weights/a.safetensors", "x" * 1_000_001, ""),
        ("semanir/weights/a.safetensors", "x" * 3_000_001, "more than 3000000"),
        ("docs/a.bin", b"\xff\xfe", "is no text"),
        ("docs/a.png", b"\xff\xfe", ""),
    ],
)
def test_faults_are_named(name, text, fault):
    found = list(faults(name, text if isinstance(text, bytes) else text.encode()))
    assert len(found) == bool(fault) and all(fault in line for line in found)


def test_the_script_names_faults_and_fails(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "a.json").write_text("{")
    ended = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True)
    assert ended.returncode == 1 and ended.stdout.startswith("a.json: does not parse")
