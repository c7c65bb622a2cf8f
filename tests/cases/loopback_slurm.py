"""A Slurm cluster of two nodes on this machine, on its loopback device, for as long as a test runs.

Real daemons: munged, slurmctld, and a slurmd for each node, which claims more cores, memory and
GPUs than there are. All that they write lies in one folder.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from typed import program

PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue")
PLUGIN = "snakemake_executor_plugin_slurm"
NODES = ("n1", "n2")
CORES, GPUS = 16, 2
PATH = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))  # daemons may lie there
MARK = "LOOPBACK_SLURM_NODE"  # in the environment of a node's own processes

# a job goes to n1 as long as that has room
CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
ReturnToService=2
SlurmdTimeout=6
KillWait=5
MinJobAge=3600
SchedulerParameters=batch_sched_delay=0,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} Weight=1 {size}
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} Weight=2 {size}
PartitionName=main Nodes=ALL Default=YES State=UP
"""
SIZE = f"CPUs={CORES} RealMemory=200000 Gres=gpu:{GPUS}"
DEVICES = "Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n"  # Slurm asks for device files


# the plugin takes SLURM_CONF out of what it gives to srun
SRUN = '#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {srun} "$@"\n'


class Cluster:
    """The daemons, and what a test asks them; `environment` leads Slurm's commands to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = f"{folder / 'bin'}{os.pathsep}{PATH}"
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}

    def start(self) -> None:
        """Start all daemons and wait until both nodes are idle."""
        (self.folder / "state").mkdir(parents=True)
        text = CONFIGURATION.format(folder=self.folder, ports=free_ports(3), size=SIZE)
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text(DEVICES)
        srun = SRUN.format(folder=self.folder, srun=shutil.which("srun"))
        program(self.folder / "bin/srun", srun)
        munge = self.folder / "munge"
        self.said("mungekey", "--create", f"--keyfile={munge}.key")
        files = [f"--{name}-file={munge}.{name}" for name in ("key", "pid", "log", "seed")]
        self.said("munged", "--force", f"--socket={munge}.socket", *files)
        self.said("slurmctld")
        for node in NODES:
            self.start_node(node)
        wait_for(lambda: [self.state(node) for node in NODES] == ["idle", "idle"], self.log)

    def stop(self) -> None:
        """End all daemons and whatever jobs still run."""
        for node in NODES:
            self.vanish(node)
        for name in ("slurmctld", "munge"):
            end(self.folder / f"{name}.pid")

    def start_node(self, node: str) -> None:
        """Start a node, for the first time or after it has vanished."""
        self.said("slurmd", "-N", node, **{MARK: node})

    def vanish(self, node: str) -> None:
        """Kill all that runs on a node, as if it lost power."""
        daemons = [one for one in psutil.process_iter() if self.runs_node(one, node)]
        for process in [*daemons, *(child for one in daemons for child in children(one))]:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def runs_node(self, process: psutil.Process, node: str) -> bool:
        """Whether a process is a slurmd or slurmstepd of a node.

        A slurmstepd writes its title over the beginning of its environment.
        """
        marks = {MARK: node, "SLURM_CONF": self.environment["SLURM_CONF"]}
        try:
            words = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
        except OSError:  # ended
            return False
        return all(f"{name}={value}".encode() in words for name, value in marks.items())

    def state(self, node: str) -> str:
        """idle, allocated, mixed, down, ..."""
        return self.said("sinfo", "--noheader", "-N", "-n", node, "-o", "%T").strip().rstrip("*")

    def begin_now(self) -> None:
        """Start requeued jobs, which Slurm keeps back for two minutes."""
        for job in self.jobs():
            if job["JobState"] == "PENDING" and job["Restarts"] != "0":
                self.said("scontrol", "update", f"JobId={job['JobId']}", "StartTime=now")

    def end_soon(self, job: str) -> None:
        """Bring the end of a running job's time near; Slurm looks every 30 seconds."""
        self.said("scontrol", "update", f"JobId={job}", "EndTime=now")

    def jobs(self) -> list[dict[str, str]]:
        """What scontrol shows of every job, finished ones too, oldest first."""
        lines = self.said("scontrol", "--oneliner", "show", "job").splitlines()
        words = (line.split() for line in lines if line.startswith("JobId="))
        shown = [dict(word.split("=", 1) for word in line if "=" in word) for line in words]
        return sorted(shown, key=lambda job: int(job["JobId"]))

    def jobs_of(self, rule: str) -> list[dict[str, str]]:
        """Those that Snakemake submitted for a rule."""
        return [job for job in self.jobs() if job["Comment"].startswith(f"rule_{rule}_")]

    def said(self, *command: str, **extra: str) -> str:
        """What one of Slurm's commands says, which has to work."""
        environment = os.environ | self.environment | extra
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, f"{command}\n{run.stdout}{run.stderr}\n{self.log()}"
        return run.stdout

    def log(self) -> str:
        """The ends of the daemons' logs, for a test that fails."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {path.name}\n{path.read_text()[-2000:]}" for path in logs)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A running cluster; the test is skipped where one cannot be started."""
    missing = [name for name in PROGRAMS if not shutil.which(name, path=PATH)]
    if missing:
        pytest.skip(f"no Slurm here: {', '.join(missing)} missing (Debian: slurm-wlm, munge)")
    if not find_spec(PLUGIN):
        pytest.skip(f'no {PLUGIN}; pip install -c constraints.txt -e ".[cluster]"')
    if os.geteuid():
        pytest.skip("Slurm's daemons are started by root alone")
    running = Cluster(folder)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def wait_for(happened: Callable[[], object], told: Callable[[], str], seconds: float = 300) -> None:
    """Wait until something has happened; AssertionError, with what is told then, if it does not."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, told()
        time.sleep(0.2)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as open_ones:
        sockets = [open_ones.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def children(process: psutil.Process) -> list[psutil.Process]:
    """All that descend from a process."""
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def end(pid_file: Path) -> None:
    """End the daemon of a file, if it runs, and wait until it has."""
    with suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int(pid_file.read_text()))
        process.terminate()
        with suppress(psutil.TimeoutExpired):
            process.wait(20)
            return
        process.kill()
