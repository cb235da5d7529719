import Libvirt
import Synchronization
public import VMCore
import VMModel
import XMLReading

/// The core's hypervisor on libvirt: translates words, errors and events, and keeps the connection.
///
/// Here "domain" becomes "VM": nothing above knows libvirt's terms. No rule lives here.
public final class LibvirtHypervisor: Hypervisor {
    /// Connections with what is known of their other end. Each makes one call at a time, so that there are several.
    struct Link: Sendable {
        /// For what is short and waits for no QEMU.
        let connection: LibvirtConnection
        /// For events and signs of life.
        let watch: LibvirtConnection
        /// For what may take long; nil where there is but the one connection.
        let lanes: Lanes?
        let storage: StorageConnection
        let disks: VolumePool
        let media: VolumePool
        let facts = FactsOnce()
    }

    private struct State {
        var link: Link?
        var supervisor: Task<Void, Never>?
    }

    public let uri: String
    private let state = Mutex(State())

    /// - Parameter uri: any that libvirt opens, such as `qemu:///system` or `test:///default`.
    public init(uri: String) {
        self.uri = uri
    }

    // MARK: The connection

    public func start(onEvent: @escaping @Sendable (HypervisorEvent) -> Void) async {
        let (firstAttempt, isOver) = AsyncStream.makeStream(of: Void.self)
        let supervisor = Task { [weak self] in
            var pause = Duration.milliseconds(100)
            while let self, !Task.isCancelled {
                do {
                    let link = try await self.connect(onEvent, whenSlow: { isOver.finish() })
                    pause = .milliseconds(100)
                    isOver.finish()
                    let reason = try await link.waitUntilLost()
                    self.state.withLock { $0.link = nil }
                    onEvent(.disconnected(reason: reason.words))
                    await link.abandon()
                } catch {
                    if !Task.isCancelled { onEvent(.disconnected(reason: "\(error)")) }
                    isOver.finish()
                    try? await Task.sleep(for: pause)
                    pause = min(pause * 2, .seconds(1))
                }
            }
            isOver.finish()
        }
        state.withLock { $0.supervisor = supervisor }
        for await _ in firstAttempt {}
    }

    public func stop() async {
        let (link, supervisor) = state.withLock { state in
            defer { state = State() }
            return (state.link, state.supervisor)
        }
        supervisor?.cancel()
        await link?.close(deadline: .seconds(5))
        await supervisor?.value
    }

    private func connect(
        _ onEvent: @escaping @Sendable (HypervisorEvent) -> Void, whenSlow: @escaping @Sendable () -> Void
    ) async throws -> Link {
        let connection = try await open(onEvent, whenSlow)
        do {
            let words = try await Self.hypervisorWords(connection)
            async let lanes = Lanes(uri)
            async let watch = another(like: connection)
            let storage = StorageConnection(uri, besides: connection)
            let link = Link(
                connection: connection, watch: try await watch, lanes: try await lanes,
                storage: storage, disks: VolumePool(VolumePool.disks, storage),
                media: VolumePool(VolumePool.media, storage))
            // Registered first, so that no change is missed; told after `.connected`, which begins the listing.
            let gate = EventGate(onEvent)
            try await link.watch.onDomainEvent { event in
                if let event = HypervisorEvent(event) { gate.tell(event) }
            }
            // From here on only events come this way.
            try await link.watch.keepAlive()
            // Before the listing: what libvirt finds out later is read then.
            let unsettled = try await link.unsettledDomains()
            state.withLock { $0.link = link }
            gate.open(with: .connected(HypervisorInfo(version: words ?? "")))
            Task { await link.waitUntilSettled(unsettled) { gate.tell(.changed(VMUUID($0))) } }
            return link
        } catch {
            state.withLock { $0.link = nil }
            await connection.close(deadline: .seconds(5))
            throw error
        }
    }

    /// The same one where libvirt's test driver would make a host of its own.
    private func another(like connection: LibvirtConnection) async throws -> LibvirtConnection {
        uri.hasPrefix("test:") ? connection : try await LibvirtConnection.open(uri)
    }

    /// Opens a connection. A libvirt that hangs takes it and answers when it goes on: that one is waited for, since each attempt that is
    /// given up leaves a thread behind.
    private func open(
        _ onEvent: @escaping @Sendable (HypervisorEvent) -> Void, _ whenSlow: @escaping @Sendable () -> Void
    ) async throws -> LibvirtConnection {
        let alarm = Task {
            guard (try? await Task.sleep(for: .seconds(5))) != nil else { return }
            onEvent(.disconnected(reason: CloseReason.keepalive.words))
            whenSlow()
        }
        let result: Result<LibvirtConnection, any Error>
        do {
            result = .success(try await LibvirtConnection.open(uri, deadline: .seconds(3600)))
        } catch {
            result = .failure(error)
        }
        // Over before `.connected` is told.
        alarm.cancel()
        await alarm.value
        return try result.get()
    }

    /// Kind and version, such as `QEMU 7.2.22`; nil where libvirt finds no hypervisor, which is no reason to do without what it
    /// knows of VMs.
    static func hypervisorWords(_ connection: LibvirtConnection, deadline: Duration = .seconds(30)) async throws
        -> String?
    {
        let type = try await connection.hypervisorType(deadline: deadline)
        do {
            return "\(type) \(try await connection.hypervisorVersion(deadline: deadline))"
        } catch let error as LibvirtError where error.kind == .libvirt && error.code == .internalError {
            return nil
        }
    }

    // MARK: Calls

    /// Runs calls to libvirt; their errors become the core's.
    ///
    /// In a task of its own: a call that was made takes effect, also when the caller's task is cancelled, and then its outcome must be
    /// known.
    func withLink<Result: Sendable>(
        _ body: @escaping @Sendable (Link) async throws -> Result
    ) async throws(VMError) -> Result {
        let outcome = await Task { () async -> Swift.Result<Result, VMError> in
            do throws(VMError) { return .success(try await withCancellableLink(body)) } catch { return .failure(error) }
        }.value
        return try outcome.get()
    }

    /// The same for calls that end when the caller's task is cancelled, whatever they have done by then.
    func withCancellableLink<Result: Sendable>(
        _ body: (Link) async throws -> Result
    ) async throws(VMError) -> Result {
        guard let link = state.withLock({ $0.link }) else { throw .unavailable() }
        do {
            return try await body(link)
        } catch let error as VMError {
            throw error
        } catch let error as LibvirtError {
            // A call that does not end here would take the connection away from all others for ever.
            if error.kind == .deadlineExceeded {
                if link.connection.isHeldUp { link.connection.abandon() }
                await link.storage.giveUpIfHeldUp()
            }
            throw VMError(error, connectionIsLost: link.connection.closeReason != nil)
        } catch let error as XMLError {
            throw VMError(.failed, "what libvirt says cannot be read: \(error)")
        } catch {
            throw VMError(.cancelled, "it was given up")
        }
    }

    func withDomain<Result: Sendable>(
        _ uuid: VMUUID, _ body: @escaping @Sendable (Domain) async throws -> Result
    ) async throws(VMError) -> Result {
        try await withLink { link in
            try await body(try await link.connection.domain(uuid: try DomainUUID(uuid)))
        }
    }

    /// The same for what may take long, because it waits for the VM's QEMU or looks at the host.
    func withLane<Result: Sendable>(
        _ body: @escaping @Sendable (LibvirtConnection) async throws -> Result
    ) async throws(VMError) -> Result {
        try await withLink { link in
            guard let lanes = link.lanes else { return try await body(link.connection) }
            return try await lanes.run { try await body($0) }
        }
    }

    /// A call that waits for the VM's QEMU, which may hang.
    func withProcess<Result: Sendable>(
        of uuid: VMUUID, _ body: @escaping @Sendable (Domain) async throws -> Result
    ) async throws(VMError) -> Result {
        try await withLane { try await body(try await $0.domain(uuid: try DomainUUID(uuid))) }
    }
}

extension LibvirtHypervisor.Link {
    /// Waits until a connection is closed, as libvirt does by itself where the daemon is silent.
    fileprivate func waitUntilLost() async throws -> CloseReason {
        try await withThrowingTaskGroup(of: CloseReason.self) { group in
            for connection in [watch, connection] {
                group.addTask { try await connection.waitUntilClosed() }
            }
            defer { group.cancelAll() }
            guard let reason = try await group.next() else { throw CancellationError() }
            return reason
        }
    }

    /// Gives up a libvirt that is gone or silent; what it has not answered ends when it goes on, or its end is known.
    func abandon() async {
        lanes?.abandon()
        for connection in [connection, watch] { connection.abandon() }
        await storage.abandon()
        Task { await close(deadline: .seconds(3600)) }
    }

    func close(deadline: Duration) async {
        async let closing: Void? = lanes?.close(deadline: deadline)
        async let watching = watch.close(deadline: deadline)
        async let storing: Void = storage.close(deadline: deadline)
        await connection.close(deadline: deadline)
        _ = await (closing, watching, storing)
    }
}

/// Keeps events back until the connection is announced, and their order always.
private final class EventGate: Sendable {
    private let held = Mutex<[HypervisorEvent]?>([])
    private let onEvent: @Sendable (HypervisorEvent) -> Void

    init(_ onEvent: @escaping @Sendable (HypervisorEvent) -> Void) {
        self.onEvent = onEvent
    }

    func tell(_ event: HypervisorEvent) {
        held.withLock { held in
            if held == nil { onEvent(event) } else { held?.append(event) }
        }
    }

    func open(with first: HypervisorEvent) {
        held.withLock { held in
            onEvent(first)
            for event in held ?? [] { onEvent(event) }
            held = nil
        }
    }
}

extension CloseReason {
    /// For the log.
    fileprivate var words: String {
        switch self {
        case .error: "the connection failed"
        case .endOfFile: "libvirt closed the connection"
        case .keepalive: "libvirt does not answer"
        case .client: ""
        case .other(let reason): "the connection ended (reason \(reason))"
        }
    }
}
