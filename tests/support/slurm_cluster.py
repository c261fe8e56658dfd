"""A real Slurm on this machine: munge, accounting in MariaDB, a controller and two nodes, all below one folder.

Nothing is written to ``/etc`` and no system service is touched, so it can run beside an installed Slurm. Two nodes of
two CPUs each (``config_overrides`` lets them claim that on any machine), each with a GPU that is only a name. There
are no cgroups: memory is watched by accounting (``OverMemoryKill``), as on clusters that have none.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd", "mariadb-install-db")
NODES = ("node1", "node2")
NODE_MEMORY_MB = 16_000
NODE_CPUS = 2
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
_DEADLINE = 90.0


def missing_programs() -> list[str]:
    """Return which of the programs a cluster needs are not installed."""
    return [program for program in PROGRAMS if shutil.which(program, path=_PATH) is None]


class SlurmCluster:
    """A cluster below ``folder``; ``environment`` is what a process needs to use it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = dict(zip(["controller", "accounting", "database", *NODES], _free_ports(5), strict=True))
        path = os.pathsep.join([str(folder / "bin"), _PATH])
        self.environment = {**os.environ, "PATH": path, "SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start everything and wait until both nodes are idle and jobs are accounted for."""
        for name in ("bin", "state", "logs", "run", "database"):
            (self.folder / name).mkdir(parents=True)
        self._write_srun()
        self._start_munge()
        self._start_database()
        self._write_configuration()
        self._daemon("slurmdbd", "slurmdbd", "-D")
        _wait(lambda: self.succeeds("sacctmgr", "-n", "show", "cluster"), "slurmdbd answers")
        for words in (
            ("add", "cluster", "abyssal"),
            ("add", "account", "abyssal", "Description=abyssal", "Organization=abyssal"),
            ("add", "user", _user(), "Account=abyssal", "AdminLevel=Admin"),
        ):
            self.call("sacctmgr", "-i", *words)
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        _wait(lambda: self.idle_nodes() == set(NODES), "both nodes are idle")
        self.call("srun", "--ntasks=1", "--mem=100", "true")
        _wait(lambda: "COMPLETED" in self.call("sacct", "-n", "-X", "-P", "-o", "State"), "sacct shows a job")

    def stop(self) -> None:
        """End every daemon and everything they started."""
        for node in NODES:
            if node in self._daemons and self.succeeds("scontrol", "ping"):
                self.kill_node(node)
        for name in reversed(list(self._daemons)):
            self._end(name, signal.SIGTERM if name == "mariadbd" else signal.SIGKILL)

    def cancel_all(self) -> None:
        """Cancel all jobs and wait until none is left."""
        self.call("scancel", "--user", _user())
        self.wait_until_empty()

    def wait_until_empty(self) -> None:
        """Wait until no job is left in the queue."""
        _wait(lambda: not self.call("squeue", "-h", "-o", "%A").split(), "the queue is empty")

    def start_controller(self) -> None:
        """Start the controller; its state on disk survives from before."""
        self._daemon("slurmctld", "slurmctld", "-D")
        _wait(lambda: self.succeeds("scontrol", "ping"), "slurmctld answers")

    def kill_controller(self) -> None:
        """Kill -9 the controller; running jobs go on."""
        self._end("slurmctld", signal.SIGKILL)

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self._daemon(node, "slurmd", "-D", "-N", node)

    def kill_node(self, node: str) -> None:
        """Kill -9 a node: its daemon and all that runs on it."""
        jobs = self.call("squeue", "--noheader", "--nodelist", node, "--states", "running", "--format", "%A").split()
        self._end(node, signal.SIGKILL)
        for job in jobs:
            for process in _processes_of_job(job, self.folder):
                _kill(process)

    def resume_node(self, node: str) -> None:
        """Start a lost node again and wait until it takes jobs."""
        self.start_node(node)
        self.succeeds("scontrol", "update", f"NodeName={node}", "State=RESUME")
        _wait(lambda: node in self.idle_nodes(), f"{node} is idle")

    def idle_nodes(self) -> set[str]:
        """The nodes that run nothing and could."""
        return set(self.call("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split())

    def jobs(self, *columns: str, since: str = "now-1day") -> list[dict[str, str]]:
        """Rows of sacct, one a job (not its steps), oldest first."""
        text = self.call("sacct", "-n", "-X", "-P", "-D", "-S", since, "-o", ",".join(columns))
        return [dict(zip(columns, line.split("|"), strict=True)) for line in text.splitlines()]

    def call(self, *command: str) -> str:
        """Run a Slurm command and return what it printed; a failure is an error with its words."""
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self.environment, timeout=60)
        if done.returncode:
            message = f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}"
            raise RuntimeError(message)
        return done.stdout

    def succeeds(self, *command: str) -> bool:
        """Whether a Slurm command ends with 0."""
        done = subprocess.run(command, capture_output=True, check=False, env=self.environment, timeout=60)
        return done.returncode == 0

    def _daemon(self, name: str, *command: str) -> None:
        with (self.folder / "logs" / f"{name}.out").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environment, start_new_session=True
            )

    def _end(self, name: str, how: signal.Signals) -> None:
        process = self._daemons.pop(name)
        process.send_signal(how)
        process.wait(timeout=60)

    def _write_srun(self) -> None:
        """Tell srun where the cluster is: Snakemake's plugin drops SLURM_CONF inside a job, and nothing is in /etc."""
        program = self.folder / "bin" / "srun"
        real = shutil.which("srun", path=_PATH)
        program.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {real} "$@"\n', encoding="ascii")
        program.chmod(0o755)

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)
        run = self.folder / "run"
        self._daemon(
            "munged", "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={run}/munge.socket",
            f"--pid-file={run}/munged.pid", f"--seed-file={run}/munged.seed",
            f"--log-file={self.folder}/logs/munged.log",
        )  # fmt: skip
        _wait((run / "munge.socket").exists, "munged listens")

    def _start_database(self) -> None:
        data, run = self.folder / "database", self.folder / "run" / "database.socket"
        self.call(
            "mariadb-install-db", "--no-defaults", f"--user={_user()}", f"--datadir={data}",
            "--auth-root-authentication-method=normal", "--skip-test-db",
        )  # fmt: skip
        self._daemon(
            "mariadbd", "mariadbd", "--no-defaults", f"--user={_user()}", f"--datadir={data}", f"--socket={run}",
            f"--pid-file={self.folder}/run/database.pid", "--bind-address=127.0.0.1",
            f"--port={self.ports['database']}", "--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900",
        )  # fmt: skip
        client = ("mariadb", "--no-defaults", f"--socket={run}", "-uroot", "-e")
        _wait(lambda: self.succeeds(*client, "SELECT 1"), "mariadbd answers")
        self.call(
            *client,
            "CREATE DATABASE slurm_acct_db; CREATE USER 'slurm'@'127.0.0.1' IDENTIFIED BY 'slurm'; "
            "GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1'",
        )

    def _write_configuration(self) -> None:
        settings = {
            "host": socket.gethostname().split(".")[0], "user": _user(), "folder": self.folder,
            "memory": NODE_MEMORY_MB, "cpus": NODE_CPUS, **self.ports,
        }  # fmt: skip
        nodes = "\n".join(_NODE.format(node=node, port=self.ports[node], **settings) for node in NODES)
        (self.folder / "slurm.conf").write_text(_SLURM.format(nodes=nodes, **settings), encoding="ascii")
        accounting = self.folder / "slurmdbd.conf"
        accounting.write_text(_ACCOUNTING.format(**settings), encoding="ascii")
        accounting.chmod(0o600)
        gpus = "".join(f"NodeName={node} Name=gpu File=/dev/null\n" for node in NODES)
        (self.folder / "gres.conf").write_text(gpus, encoding="ascii")
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\n", encoding="ascii")


_ACCOUNTING = """AuthType=auth/munge
AuthInfo={folder}/run/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={accounting}
SlurmUser={user}
LogFile={folder}/logs/slurmdbd.log
PidFile={folder}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
"""

_SLURM = """ClusterName=abyssal
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.%n.pid
SlurmctldLogFile={folder}/logs/slurmctld.log
SlurmdLogFile={folder}/logs/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_min_interval=100000,default_queue_depth=100
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting}
AccountingStoragePass={folder}/run/munge.socket
AccountingStorageEnforce=associations,limits
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
GresTypes=gpu
SlurmdParameters=config_overrides
MinJobAge=300
KillWait=5
InactiveLimit=0
SlurmctldTimeout=30
SlurmdTimeout=15
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefMemPerCPU=500 State=UP
"""

_NODE = (
    "NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} Boards=1 SocketsPerBoard=1 "
    "CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory={memory} Gres=gpu:1 State=UNKNOWN"
)


def _free_ports(count: int) -> list[int]:
    """Ports no process listens on; all are held open until the last is chosen, so that they differ."""
    holders = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(holder.getsockname()[1]) for holder in holders]
    for holder in holders:
        holder.close()
    return ports


def _user() -> str:
    import pwd  # not on every system; only Linux has Slurm

    return pwd.getpwuid(os.getuid()).pw_name


def _processes_of_job(job: str, cluster: Path) -> list[int]:
    """Processes that carry the job's number in their environment, and the step daemons that watch them."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        # Its folder is on the PATH of all that a cluster started; another one has jobs of the same numbers.
        ours = f"{cluster}/".encode() in environment
        if ours and (f"SLURM_JOB_ID={job}".encode() in environment.split(b"\0") or f"[{job}.".encode() in command):
            found.append(int(folder.name))
    return found


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def _wait(ready: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _DEADLINE
    while time.monotonic() < end:
        if ready():
            return
        time.sleep(0.2)
    message = f"after {_DEADLINE:.0f} s it is still not so that {what}"
    raise TimeoutError(message)
