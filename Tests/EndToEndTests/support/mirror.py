"""What a subscriber knows of the VMs from signals alone; each must fit to those before."""

from .bus import MANAGER, VM_INTERFACE


class Mirror:
    """Follows the signals of a recorder, from a list that was read when there were none."""

    def __init__(self, client, recorder):
        self.recorder = recorder
        recorder.catch_up()
        recorder.signals.clear()
        self.states = {path: state for path, _, _, state, *_ in client.manager("ListVMs")}
        # The same by ObjectManager and Properties, which come before the manager's own signals.
        self.objects = dict(self.states)
        self.counts = {"VMAdded": 0, "VMRemoved": 0, "VMStateChanged": 0}

    def follow(self):
        """Takes in all signals so far, and checks that each says something new and nothing is left out."""
        self.recorder.catch_up()
        for signal in self.recorder.signals:
            self._take(signal)
        self.recorder.signals.clear()
        assert self.objects == self.states

    def _take(self, signal):
        match signal.member:
            case "InterfacesAdded" | "InterfacesRemoved" if "/jobs/" in signal.arguments[0]:
                pass
            case "InterfacesAdded":
                path, interfaces = signal.arguments
                assert path not in self.objects, signal
                self.objects[path] = interfaces[VM_INTERFACE]["State"]
            case "InterfacesRemoved":
                del self.objects[signal.arguments[0]]
            case "PropertiesChanged" if signal.path != MANAGER and "State" in signal.changed:
                assert self.objects[signal.path] != signal.changed["State"], signal
                self.objects[signal.path] = signal.changed["State"]
            case "VMAdded":
                path = signal.arguments[0]
                assert path not in self.states, signal
                self.states[path] = self.objects[path]
            case "VMRemoved":
                del self.states[signal.arguments[0]]
            case "VMStateChanged":
                path, _, new, old, _ = signal.arguments
                assert self.states[path] == old != new, signal
                assert self.objects[path] == new, signal
                self.states[path] = new
        if signal.member in self.counts:
            self.counts[signal.member] += 1
