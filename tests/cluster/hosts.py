"""Hosts on one machine: network, PID, mount, UTS and IPC namespaces, each with its own sshd and home.

Hosts share the file system except /tmp, /run and /dev/shm, and reach only each other, at 10.77.0.0/24. Only
root can create them.
"""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

NET = "10.77.0"
LAUNCHER = 1  # the address of the bridge itself
SSHD = """
Port 22
HostKey {folder}/host_key
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile {folder}/key.pub
"""


def why_not() -> str | None:
    """Return why no host can be created here; None if hosts can be created."""
    if os.geteuid() != 0:
        return "only root can make network namespaces"
    for program in ("ip", "sshd", "rsync", "ssh", "unshare", "nsenter"):
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
            return f"there is no {program}"
    if Path.cwd().is_relative_to("/tmp"):
        return "the checkout is below /tmp, and hosts have a /tmp of their own"
    return None


def ip(*words: str) -> None:
    """Run `ip` of iproute2. `CalledProcessError` if it fails."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Host:
    """A host. It is off until it is booted; its home is kept when it goes off."""

    def __init__(self, network: "Network", name: str, number: int) -> None:
        self.name, self.address = name, f"{NET}.{number}"
        self.folder = network.folder / name
        self.home = self.folder / "home"
        self._bridge, self._namespace = network.namespace, f"{network.mark}-{name}"
        self._link = f"to-{name}"
        self._init: psutil.Process | None = None
        for folder in (self.home / ".ssh", self.folder / "tmp", self.folder / "etc"):
            folder.mkdir(parents=True)
        if number == LAUNCHER:
            self._namespace = self._bridge
            return
        ip("netns", "add", self._namespace)
        ip("-n", self._namespace, "link", "set", "lo", "up")
        peer = ("peer", "name", "eth0", "netns", self._namespace)
        ip("-n", self._bridge, "link", "add", self._link, "type", "veth", *peer)
        ip("-n", self._bridge, "link", "set", self._link, "master", "bridge")
        ip("-n", self._namespace, "addr", "add", f"{self.address}/24", "dev", "eth0")
        ip("-n", self._namespace, "link", "set", "eth0", "up")
        # The link ends at the bridge; Ray finds a host's address by it.
        ip("-n", self._namespace, "route", "add", "default", "via", f"{NET}.{LAUNCHER}")

    def boot(self, names: dict[str, str]) -> None:
        """Start the host; ssh answers soon. `names` are all hosts' addresses."""
        etc, folder = self.folder / "etc", self.folder
        users = Path("/etc/passwd").read_text().splitlines()
        others = [line for line in users if not line.startswith("root:")]
        root = f"root:x:0:0:root:{self.home}:/bin/bash"
        (etc / "passwd").write_text("\n".join([root, *others]) + "\n")
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in names.items())]
        (etc / "hosts").write_text("\n".join(lines) + "\n")
        # No DNS server answers for other names, and each of Ray's queries would take 10 s.
        (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
        (etc / "sshd_config").write_text(SSHD.format(folder=folder.parent))
        self.mend()
        script = str(Path(__file__).with_name("host.sh"))
        unshare = ["unshare", "-m", "-p", "-f", "-u", "-i", "--mount-proc", "--kill-child=KILL"]
        with (folder / "console").open("a") as console:
            outer = psutil.Popen(
                ["ip", "netns", "exec", self._namespace, *unshare, "bash", script, str(folder), self.name],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 30
        while "listening" not in (folder / "console").read_text() or not outer.children():
            assert outer.poll() is None, (folder / "console").read_text()
            assert time.monotonic() < deadline, (folder / "console").read_text()
            time.sleep(0.1)
        self._outer, (self._init,) = outer, outer.children()

    def power_off(self) -> None:
        """Turn the host off without notice: its processes cannot close anything."""
        if self._init is None:
            return
        self.cut()
        self._init.send_signal(signal.SIGKILL)  # the kernel kills all others of its PID namespace
        self._outer.wait(30)
        self._init = None
        (self.folder / "console").unlink()

    def cut(self) -> None:
        """Take the host's network away; no connection is closed."""
        if self._namespace != self._bridge:
            ip("-n", self._bridge, "link", "set", self._link, "down")

    def mend(self) -> None:
        """Restore the host's network."""
        if self._namespace != self._bridge:
            ip("-n", self._bridge, "link", "set", self._link, "up")

    def inside(self, *words: str, **variables: str) -> list[str]:
        """Return the command that runs `words` on the host, in this process's directory."""
        assert self._init, f"{self.name} is off"
        variables = {
            "HOME": str(self.home),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
        } | variables
        enter = ["nsenter", "-t", str(self._init.pid), "-m", "-p", "-n", "-u", "-i", f"--wd={Path.cwd()}"]
        return [*enter, "env", "-i", *(f"{name}={value}" for name, value in variables.items()), *words]

    def processes(self, title: str = "") -> list[psutil.Process]:
        """Return the host's processes whose command line begins with `title`."""
        found = []
        space = _pid_namespace(self._init.pid) if self._init else None
        for process in psutil.process_iter():
            try:
                on_it = space is not None and _pid_namespace(process.pid) == space
                if on_it and " ".join(process.cmdline()).startswith(title):
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found


class Network:
    """Hosts and the launcher, the machine from which a user commands them, connected by a bridge."""

    def __init__(self) -> None:
        self.mark = f"lr{secrets.token_hex(3)}"
        self.namespace = f"{self.mark}-launcher"
        # not shared, and short, because it is part of socket paths
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.mark}-", dir="/var/tmp"))
        for name in ("key", "host_key"):
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
            subprocess.run(words, check=True)
        ip("netns", "add", self.namespace)
        ip("-n", self.namespace, "link", "set", "lo", "up")
        ip("-n", self.namespace, "link", "add", "bridge", "type", "bridge")
        ip("-n", self.namespace, "addr", "add", f"{NET}.{LAUNCHER}/24", "dev", "bridge")
        ip("-n", self.namespace, "link", "set", "bridge", "up")
        self.hosts: list[Host] = []
        self.launcher = self.add("launcher", LAUNCHER)

    def add(self, name: str, number: int) -> Host:
        """Create a host, off."""
        self.hosts.append(Host(self, name, number))
        return self.hosts[-1]

    def boot(self, *hosts: Host) -> None:
        """Boot these hosts."""
        for host in hosts:
            host.boot({host.name: host.address for host in self.hosts})

    def close(self) -> None:
        """End all hosts and remove everything that was created for them, logs included."""
        for host in self.hosts:
            host.power_off()
        for name in self._namespaces():
            ip("netns", "del", name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def left(self) -> list[Any]:
        """Return everything that is left of the network: namespaces, mounts, processes, files."""
        mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if self.mark in line]
        folder = [self.folder] if self.folder.exists() else []
        return [*self._namespaces(), *mounts, *self._processes(), *folder]

    def _namespaces(self) -> Sequence[str]:
        told = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
        return [line.split()[0] for line in told.splitlines() if line.startswith(self.mark)]

    def _processes(self) -> Sequence[str]:
        found = []
        for process in psutil.process_iter():
            try:
                words = [*process.cmdline(), *process.environ().values()]
            except (psutil.Error, OSError):
                continue
            if any(self.mark in word for word in words):
                found.append(f"{process.pid} {' '.join(process.cmdline())}")
        return found


def _pid_namespace(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/ns/pid")
