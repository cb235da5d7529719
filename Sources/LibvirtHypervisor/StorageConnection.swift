import Libvirt
import VMModel

/// The connection for storage pools, opened when it is needed. A file system that hangs can hold it up for ever: then it is given up,
/// and the next call has another one, while all that is not storage goes on.
actor StorageConnection {
    private let uri: String
    /// That of libvirt's test driver, which would make a host of its own for another.
    private let shared: LibvirtConnection?
    private var current: LibvirtConnection?
    private var opening: Task<LibvirtConnection, any Error>?
    private var isOver = false

    /// Threads of its own: calls that hang take none of the others.
    private static let threads = BlockingPool(size: 2, spare: 8, name: "storage")

    init(_ uri: String, besides connection: LibvirtConnection) {
        self.uri = uri
        shared = uri.hasPrefix("test:") ? connection : nil
    }

    /// The one that there is, or a new one.
    /// - Throws: `VMError` `hypervisorUnavailable` when libvirt takes no connections.
    func connection() async throws -> LibvirtConnection {
        if let shared { return shared }
        guard !isOver else { throw VMError.unavailable() }
        if let current, current.closeReason == nil { return current }
        if let opening { return try await opening.value }
        let task = Task { try await LibvirtConnection.openForCall(uri, pool: Self.threads, owner: self) }
        opening = task
        defer { opening = nil }
        let next = try await task.value
        guard !isOver else { throw VMError.unavailable() }
        current = next
        return next
    }

    /// Takes it from a call that nobody waits for any more.
    func giveUpIfHeldUp() {
        guard let held = current, held.isHeldUp else { return }
        current = nil
        held.abandon()
        Task { await held.close(deadline: .seconds(3600)) }
    }

    /// Has every call fail at once.
    func abandon() {
        isOver = true
        current?.abandon()
        Self.threads.abandonAll(of: self)
    }

    /// Closes it; there is no other one after it.
    func close(deadline: Duration) async {
        isOver = true
        await current?.close(deadline: deadline)
    }
}
