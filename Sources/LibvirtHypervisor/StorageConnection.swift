import Libvirt

/// The connection for storage pools. A file system that hangs can hold it up for ever: then it is given up, and the next call has
/// another one, while all that is not storage goes on.
actor StorageConnection {
    private let uri: String
    private var current: LibvirtConnection
    private var opening: Task<LibvirtConnection, any Error>?
    private var isOver = false

    /// Threads of its own: calls that hang take none of the others.
    private static let threads = BlockingPool(size: 2, spare: 8, name: "storage")

    /// Opens it, or takes the one where libvirt's test driver would make a host of its own.
    init(_ uri: String, sharing connection: LibvirtConnection) async throws {
        self.uri = uri
        current = uri.hasPrefix("test:") ? connection : try await .open(uri, pool: Self.threads)
    }

    /// - Throws: `VMError` `hypervisorUnavailable` when libvirt takes no connections.
    func connection() async throws -> LibvirtConnection {
        guard current.closeReason != nil, !isOver else { return current }
        if let opening { return try await opening.value }
        let task = Task { [uri] in try await LibvirtConnection.openForCall(uri, pool: Self.threads) }
        opening = task
        defer { opening = nil }
        let next = try await task.value
        if isOver { next.abandon() }
        current = next
        return next
    }

    /// Takes it from a call that nobody waits for any more.
    func giveUpIfHeldUp() {
        let held = current
        guard held.isHeldUp, held.closeReason == nil else { return }
        held.abandon()
        Task { await held.close(deadline: .seconds(3600)) }
    }

    /// Has every call fail at once.
    func abandon() {
        isOver = true
        current.abandon()
    }

    func close(deadline: Duration) async {
        isOver = true
        await current.close(deadline: deadline)
    }
}
