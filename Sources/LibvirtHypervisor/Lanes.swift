import Libvirt
import Synchronization

/// Connections for calls that wait for a QEMU.
///
/// libvirtd works on five calls of a client at once (`max_client_requests`) and reads nothing more of it before one is done: a few QEMUs
/// that hang would take a connection away from all other VMs.
final class Lanes: Sendable {
    /// One less than the limit, which would be reached only when the answer is there already.
    private static let callsPerLane = 4

    private struct State {
        var lanes: [LibvirtConnection]
        var isOver = false
    }

    private let uri: String
    private let state: Mutex<State>

    /// Opens the first one, so that there is one for whatever happens; nil for libvirt's test driver, which is in this process and
    /// makes a host of its own for each connection.
    init?(_ uri: String) async throws {
        guard !uri.hasPrefix("test:") else { return nil }
        self.uri = uri
        state = Mutex(State(lanes: [try await LibvirtConnection.open(uri)]))
    }

    /// One with room for a call; a new one if need be.
    func free() async throws -> LibvirtConnection {
        let known = state.withLock { state in
            state.lanes.first { $0.closeReason == nil && $0.callsUnderWay < Self.callsPerLane }
        }
        if let known { return known }
        let lane = try await LibvirtConnection.open(uri, owner: self)
        let isOver = state.withLock { state in
            if !state.isOver { state.lanes.append(lane) }
            return state.isOver
        }
        if isOver { lane.abandon() }
        return lane
    }

    /// Has every call fail at once.
    func abandon() {
        for lane in end() { lane.abandon() }
        BlockingPool.shared.abandonAll(of: self)
    }

    /// Closes all.
    func close(deadline: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            for lane in end() { group.addTask { await lane.close(deadline: deadline) } }
        }
    }

    private func end() -> [LibvirtConnection] {
        state.withLock { state in
            state.isOver = true
            return state.lanes
        }
    }
}
