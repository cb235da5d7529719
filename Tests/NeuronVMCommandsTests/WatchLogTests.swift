import Testing
import VMManagerClient
import VMModel

@testable import NeuronVMCommands

struct WatchLogTests {
    private let one = VMUUID(high: 0, low: 1)
    private let two = VMUUID(high: 0, low: 2)

    private func vm(_ uuid: VMUUID, _ name: String, _ state: String) -> VMSummary {
        VMSummary(uuid: uuid, name: name, state: state, memoryMB: 1, vcpus: 1, autostart: false)
    }

    @Test func changesAreLines() {
        var log = WatchLog([vm(one, "a\u{1b}", "running")], asJSON: false)
        #expect(
            log.lines(for: .stateChanged(one, from: "running", to: "paused", reason: "user"))
                == [.change("a\\u001b: running -> paused (user)\n")])
        #expect(log.lines(for: .renamed(one, to: "b")) == [.change("b: is the new name of 'a\\u001b'\n")])
        #expect(log.lines(for: .added(two, name: "c")) == [.change("c: is new\n")])
        #expect(
            log.lines(for: .stateChanged(two, from: "creating", to: "shut-off", reason: ""))
                == [.change("c: creating -> shut-off\n")])
        #expect(log.lines(for: .removed(one, name: "b")) == [.change("b: is gone\n")])
    }

    @Test func jsonIsOneObjectPerLine() {
        var log = WatchLog([vm(one, "a\n", "running")], asJSON: true)
        let uuid = one.description
        #expect(
            log.lines(for: .stateChanged(one, from: "running", to: "paused", reason: "user")) == [
                .change(
                    #"{"event": "state-changed", "name": "a\n", "uuid": "\#(uuid)", "old": "running", "new": "paused", "#
                        + #""reason": "user"}"# + "\n")
            ])
        #expect(
            log.lines(for: .removed(one, name: "a\n"))
                == [.change(#"{"event": "removed", "name": "a\n", "uuid": "\#(uuid)"}"# + "\n")])
    }

    @Test func whatTheListToldIsNotToldAgain() {
        var log = WatchLog([vm(one, "a", "paused")], asJSON: false)
        #expect(log.lines(for: .added(one, name: "a")) == [])
        #expect(log.lines(for: .stateChanged(one, from: "running", to: "paused", reason: "user")) == [])
        #expect(log.lines(for: .renamed(one, to: "a")) == [])
        #expect(log.lines(for: .renamed(two, to: "unknown")) == [])
    }

    @Test func aVMThatNobodyToldOfHasItsUUID() {
        var log = WatchLog([], asJSON: false)
        #expect(
            log.lines(for: .stateChanged(one, from: "running", to: "paused", reason: ""))
                == [.change("\(one): running -> paused\n")])
        #expect(log.lines(for: .removed(two, name: "b")) == [.change("b: is gone\n")])
    }

    @Test func theStateOfTheServiceIsANote() {
        var log = WatchLog([], asJSON: true)
        for change in [VMChange.serviceLost, .serviceBack, .hypervisorConnected(true), .hypervisorConnected(false)] {
            let lines = log.lines(for: change)
            #expect(lines.count == 1)
            guard case .note? = lines.first else {
                Issue.record("not a note: \(lines)")
                continue
            }
        }
    }

    @Test func aNewListTellsWhatChangedUnseen() {
        var log = WatchLog([vm(one, "a", "running"), vm(two, "b", "running")], asJSON: false)
        let three = VMUUID(high: 0, low: 3)
        let now = [vm(two, "c", "shut-off"), vm(three, "new", "running")]
        #expect(
            log.lines(comparedWith: now) == [
                .change("a: is gone\n"), .change("c: is the new name of 'b'\n"),
                .change("c: running -> shut-off\n"), .change("new: is new\n"),
            ])
        #expect(log.lines(comparedWith: now) == [])
    }
}
