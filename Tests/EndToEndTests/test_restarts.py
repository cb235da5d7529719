"""libvirtd is killed again and again while VMs change: the service stays, and knows and tells what is true then."""

import os
import random
import re
import secrets
import subprocess
import threading
import time
from collections import Counter

from support.bus import ERROR, MANAGER, BusError, Client, vm_path
from support.mirror import Mirror
from support.system import neuron_vm_json, qemu_pid, virsh, wait_until

ROUNDS = int(os.environ.get("NEURON_TEST_ROUNDS", "6"))
SEED = int(os.environ.get("NEURON_TEST_SEED") or secrets.randbits(32))
VMS = 8
# What a call may end with while libvirtd comes and goes, besides success.
ERRORS = {ERROR + code for code in ("HypervisorUnavailable", "InvalidState", "NotFound", "Busy")}
ENDED = re.compile("monitor|no longer running")
# virsh has other words for them.
STATES = {"shut off": "shut-off", "in shutdown": "shutting-down", "no state": "unknown", "pmsuspended": "suspended"}


class Load:
    """Callers that start, pause, resume and destroy VMs and read the list, all the time."""

    def __init__(self, names):
        self.names, self.errors, self.slowest_list, self.slowest_outage = names, Counter(), 0, 0
        self.unexpected = []
        self.is_over = threading.Event()
        self.is_away = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(random.Random(SEED + n),)) for n in range(3)]
        for thread in self.threads:
            thread.start()

    def _run(self, choice):
        client = Client()
        while not self.is_over.is_set():
            before = time.monotonic()
            client.list()
            self.slowest_list = max(self.slowest_list, time.monotonic() - before)
            method = choice.choice(("StartVM", "PauseVM", "ResumeVM", "DestroyVM"))
            was_away, before = self.is_away.is_set(), time.monotonic()
            try:
                client.manager(method, "(sa{sv})", choice.choice(self.names), {})
                error = "done"
            except BusError as caught:
                error = caught.name
                # What somebody else has ended in the middle is a failure like any other.
                was_ended = error == ERROR + "Failed" and ENDED.search(caught.message)
                if error not in ERRORS and not was_ended:
                    self.unexpected.append(f"{method}: {caught}")
                # All of them would be refused at once, thousands of times a second.
                if error == ERROR + "HypervisorUnavailable":
                    self.is_over.wait(0.01)
            self.errors[error.removeprefix(ERROR)] += 1
            if was_away and self.is_away.is_set():
                self.slowest_outage = max(self.slowest_outage, time.monotonic() - before)
        client.close()

    def end(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()


def libvirts_view():
    """The state of each VM by UUID, as virsh tells it in one call."""
    lines = virsh("list", "--all", "--uuid", "--name").splitlines()
    uuids = dict(reversed(line.split(maxsplit=1)) for line in lines if line)
    rows = (re.match(r"\s*\S+\s+(\S+)\s+(.+?)\s*$", line) for line in virsh("list", "--all").splitlines())
    states = {row[1]: STATES.get(row[2], row[2]) for row in rows if row}
    return {uuid: states.get(name.strip()) for name, uuid in uuids.items()}


def services_view():
    return {vm["uuid"]: vm["state"] for vm in neuron_vm_json("list")}


class Rounds:
    """What happens in one round, by chance."""

    def __init__(self, vms, names):
        self.vms, self.names, self.passing = vms, names, []
        self.random = random.Random(SEED)

    def change(self, times):
        """Changes by virsh, some of which are not possible in the state that the VM is in."""
        for _ in range(times):
            verb = self.random.choice(("start", "suspend", "resume", "destroy", "define", "undefine"))
            if verb == "define":
                self.passing.append(self.vms.define(is_known=False)[0])
            elif verb == "undefine" and self.passing:
                virsh("undefine", self.passing.pop(self.random.randrange(len(self.passing))), check=False)
            elif verb != "undefine":
                virsh(verb, self.random.choice(self.names), check=False)

    def kill_in_the_middle(self, libvirtd):
        """libvirtd dies while virsh wants something of it."""
        verb = self.random.choice(("start", "suspend", "resume", "destroy"))
        command = ["virsh", "--quiet", "--connect", "qemu:///system", verb, self.random.choice(self.names)]
        null = subprocess.DEVNULL
        virsh_process = subprocess.Popen(command, stdin=null, stdout=null, stderr=null)
        # It takes some ten milliseconds to get there.
        time.sleep(self.random.uniform(0, 0.1))
        libvirtd.kill()
        virsh_process.wait(timeout=30)

    def end_a_guest(self):
        """A guest ends while nobody watches it."""
        try:
            os.kill(qemu_pid(self.random.choice(self.names)), 9)
        except (FileNotFoundError, ProcessLookupError):
            pass


def test_libvirtd_is_killed_again_and_again(client, vms, recorder, service, libvirtd):
    print(f"NEURON_TEST_SEED={SEED} NEURON_TEST_ROUNDS={ROUNDS}")
    names = [vms.define(is_known=False)[0] for _ in range(VMS)]
    wait_until(lambda: client.list().keys() >= set(names), "VMs")
    pid, mirror, rounds, load = service.pid, Mirror(client, recorder), Rounds(vms, names), Load(names)
    slowest = 0

    def is_connected(value):
        return any(s.path == MANAGER and s.changed.get("HypervisorConnected") is value for s in recorder.signals)

    try:
        for number in range(ROUNDS):
            rounds.change(3)
            rounds.kill_in_the_middle(libvirtd)
            load.is_away.set()
            try:
                recorder.wait_for(lambda: is_connected(False), timeout=5, what="loss")
                if rounds.random.random() < 0.5:
                    rounds.end_a_guest()
            finally:
                load.is_away.clear()
                libvirtd.start()
            back = time.monotonic()
            if rounds.random.random() < 0.5:
                rounds.change(rounds.random.randrange(4))
            recorder.wait_for(lambda: is_connected(True), timeout=10, what="connection")
            slowest = max(slowest, time.monotonic() - back)
            load.end()
            wait_until(lambda: services_view() == libvirts_view(), f"agreement in round {number}", timeout=10)
            assert service.pid == pid and service.is_running
            mirror.follow()
            assert {vm_path(uuid): state for uuid, state in services_view().items()} == mirror.states
            assert not load.unexpected, "\n".join(load.unexpected[:10])
            assert load.slowest_outage <= 5 and load.slowest_list <= 5
            previous, load = load, Load(names)
            load.errors += previous.errors
    finally:
        load.end()
    print("signals:", mirror.counts, "calls:", dict(load.errors))
    print("seconds from libvirtd to the connection:", round(slowest, 2))
