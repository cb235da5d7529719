import VMManagerClient
import VMModel

/// What `watch` knows of the VMs, and the lines that it prints about their changes.
struct WatchLog {
    private struct Known {
        var name: String
        var state: String
    }

    /// A line for standard output, or a note for standard error.
    enum Line: Hashable {
        case change(String)
        case note(String)
    }

    let asJSON: Bool
    private var known: [VMUUID: Known]

    init(_ vms: [VMSummary], asJSON: Bool) {
        self.asJSON = asJSON
        known = Self.index(vms)
    }

    /// What there is to say about a change.
    mutating func lines(for change: VMChange) -> [Line] {
        switch change {
        case .added(let uuid, let name):
            // An unknown state, until the signal of its first one: any state differs from it.
            guard known.updateValue(Known(name: name, state: known[uuid]?.state ?? ""), forKey: uuid) == nil else {
                return []
            }
            return [line("added", uuid, "is new")]
        case .removed(let uuid, let name):
            defer { known[uuid] = nil }
            if known[uuid] == nil { known[uuid] = Known(name: name, state: "") }
            return [line("removed", uuid, "is gone")]
        case .stateChanged(let uuid, let old, let new, let reason):
            return stateLine(uuid, from: old, to: new, reason: reason)
        case .renamed(let uuid, let name):
            guard let former = known[uuid], !former.name.utf8.elementsEqual(name.utf8) else { return [] }
            known[uuid]?.name = name
            return [line("renamed", uuid, "is the new name of \(Self.quoted(former.name))", [("old", former.name)])]
        case .hypervisorConnected(let connected):
            return [.note(connected ? "the hypervisor is back" : "the hypervisor is gone; states may be out of date")]
        case .serviceLost: return [.note("the service is gone; waiting for it to come back")]
        case .serviceBack: return [.note("the service is back")]
        case .permissionsChanged: return []
        }
    }

    /// What changed unseen, found in a new list.
    mutating func lines(comparedWith vms: [VMSummary]) -> [Line] {
        var lines: [Line] = []
        let now = Self.index(vms)
        for uuid in known.keys.sorted() where now[uuid] == nil {
            lines += self.lines(for: .removed(uuid, name: ""))
        }
        for vm in VMList.sorted(vms) {
            if let before = known[vm.uuid] {
                lines += self.lines(for: .renamed(vm.uuid, to: vm.name))
                lines += self.lines(for: .stateChanged(vm.uuid, from: before.state, to: vm.state, reason: ""))
            } else {
                lines += self.lines(for: .added(vm.uuid, name: vm.name))
                known[vm.uuid]?.state = vm.state
            }
        }
        return lines
    }

    private mutating func stateLine(_ uuid: VMUUID, from old: String, to new: String, reason: String) -> [Line] {
        // A signal about what the list told already.
        if let state = known[uuid]?.state, state.utf8.elementsEqual(new.utf8) { return [] }
        known[uuid, default: Known(name: uuid.description, state: old)].state = new
        let why = reason.isEmpty ? "" : " (\(Printable.escape(reason)))"
        let from = old.isEmpty ? "" : Printable.escape(old) + " -> "
        return [
            line(
                "state-changed", uuid, from + Printable.escape(new) + why,
                [("old", old), ("new", new), ("reason", reason)])
        ]
    }

    private func line(_ event: String, _ uuid: VMUUID, _ text: String, _ more: [(String, String)] = []) -> Line {
        let name = known[uuid]?.name ?? uuid.description
        guard asJSON else { return .change("\(Printable.escape(name)): \(text)\n") }
        let members: [(String, JSON)] = [
            ("event", .string(event)), ("name", .string(name)), ("uuid", .string(uuid.description)),
        ]
        return .change(JSON.object(members + more.map { ($0, .string($1)) }).text + "\n")
    }

    private static func quoted(_ name: String) -> String { "'\(Printable.escape(name))'" }

    private static func index(_ vms: [VMSummary]) -> [VMUUID: Known] {
        Dictionary(vms.map { ($0.uuid, Known(name: $0.name, state: $0.state)) }) { $1 }
    }
}
