"""One training by several ranks: the same as by one process, also after a kill, in one voice."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from checkout import REPOSITORY
from PIL import Image
from ranked import run_ranks, start_ranks
from ranked_trainings import ONE_SPIKE, STEPS, made, trained
from trainings import log_lines, small_training

from semanir.errors import InputError, OutputError
from semanir.network import build
from semanir.train import ranks
from semanir.train.training import train_network

PROGRAM = REPOSITORY / "tests/cases/ranked_trainings.py"


def difference(one, other):
    """The largest between two dicts of tensors."""
    return max(float((one[n].double() - t.double()).abs().max()) for n, t in other.items())


def losses(folder):
    return torch.tensor([line["loss"] for line in log_lines(folder) if "loss" in line])


def assert_alike(one, other, steps=STEPS):
    """Losses, held-out PSNR and pictures of two folders' trainings agree to 1e-6.

    So do their weights in float64. In float32 those have near zero gradients, which Adam divides by
    their own size, so that rounding moves them.
    """
    first, second = (torch.load(folder / "rank0.pt") for folder in (one, other))
    assert first["step"] == second["step"] == steps
    torch.testing.assert_close(losses(one), losses(other), rtol=0, atol=1e-6)
    assert first["psnr"] == pytest.approx(second["psnr"], abs=1e-4)  # its last digit
    if one.name == "float64":
        for part in ("network", "average"):
            assert difference(first[part], second[part]) < 1e-6
        return
    noise, restored = torch.rand(2, 1, 32, 32), []
    for found in (first, second):
        network = build("semanir-u-tiny", channels=1)
        network.load_state_dict(found["network"])
        with torch.no_grad():
            restored.append(network(noise))
    torch.testing.assert_close(*restored, rtol=0, atol=1e-6)


def assert_ranks_are_equal(folder, count):
    """To the bit: all took the same steps, and restored parts of one validation."""
    first, *others = (torch.load(folder / f"rank{n}.pt") for n in range(count))
    assert len(others) == count - 1
    for other in others:
        torch.testing.assert_close(first, other, rtol=0, atol=0)


# --- several processes -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    """Trainings of one process, each run once."""
    folder, done = tmp_path_factory.mktemp("alone"), set()
    torch.set_num_threads(1)

    def run(case, parts=1):
        place = folder / str(parts) / case
        if place not in done:
            trained(data, place, case, accumulate=parts)
            done.add(place)
        return place

    return run


@pytest.mark.slow
def test_two_ranks_and_two_parts_train_as_one_process(data, tmp_path, alone):
    """Two ranks are two parts of a batch to the bit: of Muon, too, whose bfloat16 magnifies."""
    cases = ("float32", "muon", "spike", "minutes")
    run_ranks(2, PROGRAM, data, tmp_path, *cases)
    for case in cases[:3]:
        assert_ranks_are_equal(tmp_path / case, 2)
    assert_alike(tmp_path / "float32", alone("float32"))
    for case in ("float32", "muon"):
        states = [torch.load(f / "rank0.pt") for f in (tmp_path / case, alone(case, 2))]
        torch.testing.assert_close(*states, rtol=0, atol=0)

    # what one rank alone met is skipped by both
    lines = [line for line in log_lines(tmp_path / "spike") if "spike" in line]
    facts = {"spike": "skip", "spike_loss": "nan", "spike_norm": "nan"}
    assert lines == [{"step": 4, **facts}]
    assert torch.load(tmp_path / "spike/rank1.pt")["step"] == ONE_SPIKE["iterations"]
    # 2 s an iteration on the slower one: 95 % of a minute
    answers = [torch.load(tmp_path / f"minutes/rank{n}.pt") for n in range(2)]
    assert answers == [[28, 28], [28, 28]]
    assert json.loads((tmp_path / "minutes/budget.json").read_text())["seconds"] == 2


@pytest.mark.slow
def test_four_ranks_train_as_one_process(data, tmp_path, alone):
    """In float64 to 1e-6 by every weight; so do four parts of a batch in one process."""
    run_ranks(4, PROGRAM, data, tmp_path, "float32", "float64")
    for case in ("float32", "float64"):
        assert_ranks_are_equal(tmp_path / case, 4)
        assert_alike(tmp_path / case, alone(case))
    assert_alike(alone("float64", 4), alone("float64"))
    before = made(data, tmp_path / "before", "float64").network.state_dict()
    after = torch.load(tmp_path / "float64/rank0.pt")["network"]
    assert difference(before, after) > 1e-2  # they have moved
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_one_process_goes_on_with_what_two_ranks_saved(data, tmp_path, alone):
    """Rank 0 is killed after iteration 20; the other ends by itself."""
    folder = tmp_path / "stuck"
    with start_ranks(2, PROGRAM, data, tmp_path, "stuck") as process:
        deadline = time.monotonic() + 120
        while not (folder / "state.pt").is_file():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(int((folder / "0.pid").read_text()), signal.SIGKILL)
    assert process.returncode
    assert not (folder / "rank0.pt").exists()

    saved = (folder / "state.pt").read_bytes()
    trained(data, folder, "float32", accumulate=2)
    states = [torch.load(f / "rank0.pt") for f in (folder, alone("float32", 2))]
    torch.testing.assert_close(*states, rtol=0, atol=0)
    steps = [[line["step"] for line in log_lines(f)] for f in (folder, alone("float32", 2))]
    assert steps[0] == steps[1]
    (folder / "state.pt").write_bytes(saved)
    trained(data, folder, "float32")
    assert_alike(folder, alone("float32", 2))


@pytest.mark.slow
def test_torchrun_starts_the_command(tmp_path, monkeypatch):
    """On photographs of one's own; the first rank alone speaks and writes."""
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    for name in "abc":
        Image.effect_noise((24, 20), 60).save(f"mine/{name}.png")
    command = "train --task denoise_gray-sigma50 --model semanir-u --data mine --batch 2 --patch 16"
    options = ["-m", "semanir", *command.split(), "--iterations", "2", "-o", "out"]
    said = run_ranks(2, *options, stdin=subprocess.DEVNULL)
    assert said.count("2 photographs, 1 held out besides") == 1
    assert said.count("2 iterations, held-out PSNR") == 1
    record = json.loads(Path("out/train.json").read_text())
    assert record["ranks"] == 2 and record["iterations_this_time"] == 2
    assert {p.name for p in Path("out").iterdir()} == {
        *(".lock", "log.jsonl", "photographs", "train.json", "weights.safetensors")
    }

    said = run_ranks(2, *options[:-1], "other", "--accumulate", "2", works=False)
    message = r"error: (rank 1: )?2 ranks x 2 parts \(accumulate\) must divide the batch of 2"
    assert re.search(message, said)
    assert "semanir/train/" not in said  # no traceback of ours above torchrun's page


# --- one process -----------------------------------------------------------------------------


def test_a_share_is_a_part_of_the_batch(monkeypatch):
    """Together all items, each once; what does not fit is refused by its numbers."""
    monkeypatch.setattr(ranks, "count", lambda: 3)
    shares = []
    for number in range(3):
        monkeypatch.setattr(ranks, "number", lambda number=number: number)
        shares += ranks.share(12, 2)
    assert shares == list(range(12))
    for batch, parts in ((12, 3), (8, 1)):
        message = rf"3 ranks x {parts} parts \(accumulate\) must divide the batch of {batch}"
        with pytest.raises(InputError, match=message):
            ranks.share(batch, parts)


@pytest.fixture
def only_rank(monkeypatch):
    """The surroundings in which torchrun starts a process, here the only one."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    values = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "MASTER_PORT": port}
    values |= {"MASTER_ADDR": "localhost", "TORCHELASTIC_RUN_ID": "test"}
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))


def test_a_group_of_one_trains_to_the_same_bit(data, tmp_path, only_rank):
    """All that ranks call together changes nothing where there is one of them."""
    outcomes = []
    for name in ("alone", "group"):
        folder = tmp_path / name
        with ranks.joined() if name == "group" else nullcontext():
            training = small_training(data, folder, iterations=4)
            assert ranks._several() == (name == "group")
            facts = train_network(training, folder / "w.safetensors", task="x")
        outcomes.append((facts["tensors_sha256"], facts["holdout_psnr"], log_lines(folder)))
    assert outcomes[0] == outcomes[1]
    assert not ranks._several()


def test_ranks_wait_for_days_for_the_first(monkeypatch, only_rank):
    """It waits for another training, or prepares photographs; C libraries count ms in 31 bits."""
    start, waits = ranks.dist.init_process_group, []

    def noted(*backends, timeout):
        waits.append(timeout)
        start(*backends, timeout=timeout)

    monkeypatch.setattr(ranks.dist, "init_process_group", noted)
    with ranks.joined():
        assert ranks.largest(1.0) == 1.0
    assert waits == [timedelta(days=14)] and waits[0] < timedelta(milliseconds=2**31)


def test_errors_of_the_first_rank_reach_all(monkeypatch, only_rank):
    """And those of the others say whose they are, whatever their kind."""

    def fail():
        raise OutputError("no space")

    with pytest.raises(OutputError, match=r"^no space$"), ranks.joined():
        ranks.of_first(fail)
    with pytest.raises(OutputError, match=r"^rank 3: no space$"), ranks.joined():
        monkeypatch.setattr(ranks, "number", lambda: 3)
        fail()


def test_a_lost_rank_is_one_line(monkeypatch, only_rank):
    def lost(*_):
        raise RuntimeError("Connection closed by peer\nException raised from")

    with ranks.joined():
        monkeypatch.setattr(ranks.dist, "all_reduce", lost)
        with pytest.raises(InputError, match=r"lost the other ranks \(Connection closed by peer\)"):
            ranks.largest(1.0)


def test_more_ranks_than_gpus_are_refused(monkeypatch, only_rank):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    message = "rank 2 of this machine has no GPU, there are 2; pass --nproc-per-node 2"
    with pytest.raises(InputError, match=message), ranks.joined():
        pass


def test_ranks_of_different_trainings_are_refused(data, tmp_path, monkeypatch):
    training = small_training(data, tmp_path)
    monkeypatch.setattr(ranks, "of_all", lambda value: [value, "0123456789ab"])
    with pytest.raises(InputError, match=r"ranks have different trainings, .*0123456789ab"):
        train_network(training, tmp_path / "w.safetensors", task="x")
    assert not training.log_path.exists()


def test_parts_of_a_batch_are_no_other_training(data, tmp_path):
    """So that fewer devices go on with what more have begun, in smaller parts."""
    one, other, third = (
        small_training(data, tmp_path, batch=4, **options)
        for options in ({}, {"accumulate": 2}, {"accumulate": 2, "lr": 1e-4})
    )
    assert one.fingerprint == other.fingerprint != third.fingerprint
