"""Programs of the system: libvirt's own tools, the command line, other users, and the services themselves."""

import contextlib
import json
import os
import pathlib
import select
import signal
import subprocess
import time

TESTS = pathlib.Path(__file__).resolve().parents[2]
UNIT = "neuron-vmd.service"
DISKS = pathlib.Path("/var/lib/libvirt/images")
INTENTS = pathlib.Path("/var/lib/neuron-vm/intents")
MEDIA = pathlib.Path("/var/lib/libvirt/neuron-media")
TEMPLATES = [f"{guest}-{kind}" for guest in ("linux", "macos-sonoma", "windows11") for kind in ("basic", "passthrough")]
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def run(*command, check=True, timeout=120, stdin=None):
    """Runs a program to its end; its output as text."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, input=stdin)
    assert not check or result.returncode == 0, f"{' '.join(command)}: {result.stdout}{result.stderr}"
    return result


def virsh(*arguments, check=True, stdin=None):
    command = ["virsh", "--quiet", "--connect", "qemu:///system", *arguments]
    return run(*command, check=check, stdin=stdin).stdout.strip()


def media_files():
    """What is in the library, but for the file that must stay as it is."""
    return [file for file in MEDIA.iterdir() if file.name != "canary"]


def domains():
    """The names of libvirt's domains, of any state."""
    return virsh("list", "--all", "--name").split("\n") if virsh("list", "--all", "--name") else []


def neuron_vm(*arguments, check=True, timeout=120):
    return run("neuron-vm", *arguments, check=check, timeout=timeout)


def neuron_vm_json(*arguments):
    return json.loads(neuron_vm(*arguments, "--json").stdout)


def as_nobody(*command):
    return run(*NOBODY, *command, check=False)


def qemu_pid(name):
    """The process of a VM that runs."""
    return int(pathlib.Path(f"/run/libvirt/qemu/{name}.pid").read_text(encoding="ascii"))


def wait_until(condition, what, timeout=30):
    """Asks again and again; the condition itself waits for an answer, of the bus for example."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {timeout} s"


@contextlib.contextmanager
def stopped(pid):
    """While this is open a process does nothing; at the end it may be gone."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def wait_for_end(pid, timeout=30):
    """Waits until a process, anybody's, has ended."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended, _, _ = select.select([process], [], [], timeout)
        assert ended, f"process {pid} is still there after {timeout} s"
    finally:
        os.close(process)


class Service:
    """neuron-vmd as the sandbox has started it."""

    @property
    def pid(self):
        return int(pathlib.Path(f"/run/{UNIT}.pid").read_text(encoding="ascii"))

    @property
    def is_running(self):
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def stop(self, number=signal.SIGTERM):
        pid = self.pid
        if self.is_running:
            os.kill(pid, number)
            wait_for_end(pid)

    def start(self, *arguments):
        """Returns when the service says that it is ready."""
        run(str(TESTS / "start-unit"), "--log", "/run/log/neuron-vmd", UNIT, *arguments)

    def restart(self, *arguments):
        self.stop()
        self.start(*arguments)


class Usage:
    """What a process holds: descriptors, threads, and memory in kB."""

    def __init__(self, pid):
        self.directory = pathlib.Path(f"/proc/{pid}")

    def now(self):
        status = dict(line.split(":", 1) for line in (self.directory / "status").read_text().splitlines())
        memory = int(status["VmRSS"].split()[0])
        return len(list((self.directory / "fd").iterdir())), int(status["Threads"]), memory

    def wait_for(self, before, timeout=30):
        """Waits until it is back at what it was, but for what is made once when it is first needed.

        That is a descriptor or two, for a timer of another kind for instance, threads that pools of calls keep, and a tenth of the
        memory: what is lost with each call is lost a hundred times and more here.
        """
        deadline = time.monotonic() + timeout
        while True:
            now = self.now()
            if now[0] <= before[0] + 2 and now[1] <= before[1] + 8 and now[2] <= before[2] * 1.1:
                return now
            assert time.monotonic() < deadline, f"{now} descriptors, threads and kB, not {before} as before"
            select.select([], [], [], 0.1)


class LibvirtCalls:
    """Counts the calls that reach libvirtd, from whomever, by what its own log says of them while this is open."""

    LOG = pathlib.Path("/run/log/libvirtd-calls")
    # virt-admin's own calls, which are a protocol of their own.
    ADMIN = "prog=110102160 "

    def __enter__(self):
        self.outputs = self._admin("daemon-log-outputs").removeprefix("Logging outputs: ")
        self._admin("daemon-log-outputs", f"1:file:{self.LOG}")
        self._admin("daemon-log-filters", "1:rpc.netserverprogram")
        self.start = self.LOG.stat().st_size
        return self

    def __exit__(self, *_):
        self._admin("daemon-log-filters", "")
        self._admin("daemon-log-outputs", self.outputs)

    @property
    def count(self):
        with open(self.LOG, encoding="utf-8", errors="replace") as log:
            log.seek(self.start)
            return sum("virNetServerProgramDispatch:" in line and self.ADMIN not in line for line in log)

    @staticmethod
    def _admin(*arguments):
        return run("virt-admin", "--connect", "libvirtd:///system", *arguments).stdout.strip()


class Libvirtd:
    """The libvirtd that the sandbox has started."""

    @property
    def pid(self):
        return int(pathlib.Path("/run/libvirtd.pid").read_text(encoding="ascii"))

    def kill(self):
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        wait_for_end(pid)

    def suspended(self):
        """While this is open it takes connections and answers nothing."""
        return stopped(self.pid)

    def start(self):
        with open("/run/log/libvirtd", "ab") as log:
            subprocess.run(["libvirtd", "--daemon"], check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
