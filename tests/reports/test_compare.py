"""Two results beside each other, and an accepted file over its commits."""

import gzip
import io
import subprocess

import pandas as pd
import pytest
from pages import assert_self_contained

from reports.collect import COLUMNS, WEIGHTS
from reports.compare import history
from reports.compare.pairs import by_group, equal_weights, match
from reports.compare.sides import read_side
from reports.gate.compare import KEY
from semanir.cli import main
from semanir.errors import InputError

ONE = """
t,m,d,l,0,psnr,a,30
t,m,d,l,1,psnr,a,32
t,m,d,l,0,psnr,b,20
t,m,d,l,0,psnr,c,99
t,m,e,l,0,psnr,a,inf
t,m,f,l,0,psnr,a,10
,n,,v,,params,,100
,n,,v,,median_ms,,8
,gone,,,,params,,5
"""
OTHER = """
t,m,d,l,0,psnr,a,33
t,m,d,l,0,psnr,b,20.5
t,m,d,l,0,psnr,new,1
t,m,e,l,0,psnr,a,inf
t,m,f,l,0,psnr,z,11
,n,,v,,params,,100
,n,,v,,median_ms,,2
,come,,,,params,,6
"""


def scores(text):
    return pd.read_csv(
        io.StringIO(text), names=[*KEY, "value"], dtype=dict.fromkeys(KEY, str)
    ).fillna(dict.fromkeys(KEY, ""))


@pytest.fixture
def lines():
    matched = match(scores(ONE), scores(OTHER))
    return matched.set_index(["model", "dataset", "metric"])


def test_rows_are_matched_over_the_images_that_both_have(lines):
    """a: 31 over two seeds, then 33; b: 20, then 20.5; c and new have no partner."""
    row = lines.loc[("m", "d", "psnr")]
    assert (row["one"], row["other"], row["difference"]) == (25.5, 26.75, 1.25)
    assert (row["images"], row["left_out"], row["side"]) == (2, 2, "both")
    assert (row["low"], row["high"]) == (0.5, 2.0)
    assert row["spread"] == pytest.approx(1.5 / 2**0.5)


def test_what_is_equal_apart_or_alone(lines):
    assert lines.loc[("m", "e", "psnr"), "difference"] == 0  # both restored without error
    apart = lines.loc[("m", "f", "psnr")]
    assert (apart["one"], apart["other"], apart["images"], apart["left_out"]) == (10, 11, 0, 2)
    assert pd.isna(apart["difference"])
    assert lines["side"].to_dict()[("gone", "", "params")] == "one"
    assert lines["side"].to_dict()[("come", "", "params")] == "other"
    assert len(lines) == 7


def test_the_summary_counts_rows_and_names_the_farthest(lines):
    psnr, counts, times = by_group(lines.reset_index())
    assert (psnr["rows"], psnr["equal"], psnr["largest"]) == (3, 1, 1.25)
    assert psnr["at"] == "m, t, d l" and psnr["mean"] == pytest.approx(0.625)
    assert {counts[name] for name in ("rows", "equal", "only_one", "only_other")} == {1}
    assert counts["ratio"] is None
    assert (times["ratio"], times["at"]) == (0.25, "n, v")


def test_equal_weights_are_counted_and_are_no_rows():
    text = f"t,m,,,0,{WEIGHTS},,7\nt,m,,,1,{WEIGHTS},,8\n"
    one, other = scores(text), scores(text.replace(",8", ",9"))
    assert equal_weights(one, other) == (1, 2)
    assert match(one, other).empty


ACCEPTED = "# machine: A Processor <at> 2 GHz\n# commit: 0123456789ab\n" + ",".join(
    [*KEY, "accepted"]
)


def accepted(text):
    return f"{ACCEPTED}\n{text.strip()}\n"


def results(text):
    """A results.csv that holds the scores."""
    frame = scores(text).reindex(columns=COLUMNS)
    frame["scale"], frame["machine"], frame["instruction_set"] = "mini", "B", "AVX2"
    frame["commit"], frame["created"], frame["torch"] = (
        "ba9876543210",
        "2026-01-02T03:04:05",
        "2.13.0",
    )
    return frame.to_csv(index=False)


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_both_forms_of_results_are_read_compressed_or_not(tmp_path, ending):
    text = results(OTHER)
    path = tmp_path / f"mini-b{ending}"
    path.write_bytes(gzip.compress(text.encode()) if ending == ".csv.gz" else text.encode())
    side = read_side(path)
    assert side.facts == {
        "scale": "mini",
        "machine": "B, AVX2",
        "torch": "2.13.0",
        "commit": "ba9876543210",
        "date": "2026-01-02",
    }
    assert len(match(scores(OTHER), side.scores)) == 6
    assert match(scores(OTHER), side.scores)["difference"].fillna(0).eq(0).all()


def test_results_that_are_none_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no results .*nothing\.csv"):
        read_side(tmp_path / "nothing.csv")
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(b"not compressed")
    with pytest.raises(InputError, match="broken results"):
        read_side(broken)
    with pytest.raises(SystemExit):
        main(["report", "compare", str(broken), "--out", str(tmp_path)])


def test_the_page_says_what_the_csv_says(tmp_path, capsys):
    (tmp_path / "a.csv").write_text(accepted(ONE))
    (tmp_path / "b.csv").write_text(results(OTHER))
    main(
        ["report", "compare", *(f"{tmp_path}/{name}.csv" for name in "ab"), "--out", str(tmp_path)]
    )
    told = capsys.readouterr().out
    assert told in (tmp_path / "compare.md").read_text() and "+1.2500" in told
    page = assert_self_contained((tmp_path / "compare.html").read_text())
    shown = " ".join(" ".join(page.text).split())
    assert "A Processor <at> 2 GHz" in shown and "2 rows that" not in shown
    assert "+1.2500" in shown and "+0.5000 to +2.0000" in shown and "no image in common" in shown
    assert not [to for to in page.attributes("a", "href") if to.startswith("index")]
    lines = pd.read_csv(tmp_path / "compare.csv", keep_default_na=False)
    assert len(lines) == 7 and set(lines["side"]) == {"both", "one", "other"}


@pytest.fixture
def committed(tmp_path):
    """An accepted file with three versions in git, the first of another form, once renamed."""
    folder = tmp_path / "repository"
    folder.mkdir()

    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True)

    git("init")
    old = ONE.replace("t,m,", "sr-x2,semanir-s,")
    new = old.replace(",20\n", ",21\n").replace(",gone,", ",come,")
    for name, text in (
        ("old", "task,accepted\nt,1\n"),
        ("old", accepted(old)),
        ("smoke", accepted(new)),
    ):
        if name == "smoke":
            git("mv", "old.csv", "smoke.csv")
        (folder / f"{name}.csv").write_text(text)
        git("add", "-A")
        git("commit", "-m", f"{name}: <b>{len(text)}</b>")
    return folder / "smoke.csv"


def test_a_files_history_is_read_from_git(committed):
    """One image of four moves by 1 dB, the mean of its set's three images by a third."""
    first, old, new = history.versions(committed)
    assert first.side is None and "column" in first.problem
    assert old.subject.startswith("old: ") and new.subject.startswith("smoke: ")
    steps = history.steps([first, old, new])
    assert [(s.rows, s.new, s.gone, s.moved) for s in steps] == [(6, 6, 0, 0), (6, 1, 1, 1)]
    assert steps[1].largest == pytest.approx(1 / 3) and steps[1].at == "semanir-s, sr-x2, d l"
    curves = history.curves([first, old, new])
    assert list(curves) == ["semanir-s, sr-x2"]


def test_the_history_is_a_page_and_a_csv(committed, tmp_path, capsys):
    main(["report", "compare", "--history", str(committed), "--out", str(tmp_path)])
    assert "semanir-s, sr-x2, d l" in capsys.readouterr().out
    text = (tmp_path / "history.html").read_text()
    page = assert_self_contained(text)
    assert "<b>" not in text[text.index("<tbody>") : text.index("</tbody>")]
    assert "smoke.csv over its commits" in " ".join(page.text) and "<svg" in text
    assert list(pd.read_csv(tmp_path / "history.csv")["moved"]) == [0, 1]
    with pytest.raises(InputError, match="git has no version"):
        history.versions(committed.parent / "never.csv")
