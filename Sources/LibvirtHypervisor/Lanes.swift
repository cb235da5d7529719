import Libvirt
import Synchronization
import VMModel

/// Connections for calls that may take long or never end, such as those that wait for a QEMU: each is one caller's at a time.
final class Lanes: Sendable {
    /// The most at a time, those of calls that hang included until their deadline.
    private static let limit = 24
    /// How many stay open while nobody needs them.
    private static let spare = 4

    private struct State {
        var free: [LibvirtConnection]
        var used: [LibvirtConnection] = []
        var opening = 0
        var isOver = false
    }

    private let uri: String
    private let state: Mutex<State>

    /// Opens the first one, so that there is one for whatever happens; nil for libvirt's test driver, which is in this process and
    /// makes a host of its own for each connection.
    init?(_ uri: String) async throws {
        guard !uri.hasPrefix("test:") else { return nil }
        self.uri = uri
        state = Mutex(State(free: [try await LibvirtConnection.open(uri)]))
    }

    /// Runs calls on a connection that nobody else uses meanwhile.
    /// - Throws: `busy` when too many are in use.
    func run<Result: Sendable>(_ body: (LibvirtConnection) async throws -> Result) async throws -> Result {
        let lane = try await take()
        defer { giveBack(lane) }
        do {
            return try await body(lane)
        } catch let error as LibvirtError where lane.closeReason != nil || error.kind == .connectionClosed {
            // Whatever a call says whose connection has ended meanwhile, which nobody shall have any more.
            lane.abandon()
            throw VMError.unavailable(VMError.Cause(error))
        }
    }

    private func take() async throws -> LibvirtConnection {
        let free = try state.withLock { state -> LibvirtConnection? in
            guard !state.isOver else { throw VMError.unavailable() }
            while let free = state.free.popLast() {
                // One that has ended by itself goes.
                guard free.closeReason == nil else { continue }
                state.used.append(free)
                return free
            }
            guard state.used.count + state.opening < Self.limit else {
                throw VMError(.busy, "too many calls wait for libvirt")
            }
            state.opening += 1
            return nil
        }
        if let free { return free }
        let opened: LibvirtConnection
        do {
            opened = try await LibvirtConnection.openForCall(uri, owner: self)
        } catch {
            state.withLock { $0.opening -= 1 }
            throw error
        }
        let isOver = state.withLock { state in
            state.opening -= 1
            state.used.append(opened)
            return state.isOver
        }
        if isOver { opened.abandon() }
        return opened
    }

    private func giveBack(_ lane: LibvirtConnection) {
        let isKept = state.withLock { state in
            state.used.removeAll { $0 === lane }
            // One with a call that nobody waits for any more is no one's.
            guard !state.isOver, lane.closeReason == nil, lane.callsUnderWay == 0, state.free.count < Self.spare else {
                return false
            }
            state.free.append(lane)
            return true
        }
        if !isKept { Task { await lane.close(deadline: .seconds(3600)) } }
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
            return state.free + state.used
        }
    }
}

extension LibvirtConnection {
    /// Opens one more connection for somebody's call.
    /// - Throws: `VMError` `hypervisorUnavailable` when libvirt refuses it: it may be going, and the other connections have not seen
    ///   that yet.
    static func openForCall(
        _ uri: String, pool: BlockingPool = .shared, owner: AnyObject? = nil
    ) async throws -> LibvirtConnection {
        do {
            return try await open(uri, pool: pool, owner: owner)
        } catch let error as LibvirtError where error.kind == .libvirt {
            throw VMError.unavailable(VMError.Cause(error))
        }
    }
}
