import Libvirt
import Synchronization
public import VMCore
import VMModel
import XMLReading

/// The core's hypervisor on libvirt: translates words, errors and events, and keeps the connection.
///
/// Here "domain" becomes "VM": nothing above knows libvirt's terms. No rule lives here.
public final class LibvirtHypervisor: Hypervisor {
    /// A connection with what is known of its other end.
    struct Link: Sendable {
        /// For events and for reads, which wait for no QEMU.
        let connection: LibvirtConnection
        /// For what may; nil where that is the same.
        let lanes: Lanes?
        let version: LibvirtVersion
        let disks: DiskPool
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
                    let reason = try await link.connection.waitUntilLost()
                    self.state.withLock { $0.link = nil }
                    onEvent(.disconnected(reason: reason.words))
                    link.abandon()
                } catch {
                    if !Task.isCancelled { onEvent(.disconnected(reason: "\(error)")) }
                    isOver.finish()
                    try? await Task.sleep(for: pause)
                    pause = min(pause * 2, .seconds(3))
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
            let link = Link(
                connection: connection, lanes: try await Lanes(uri), version: try await connection.libvirtVersion(),
                disks: DiskPool(connection: connection))
            // Registered first, so that no change is missed; told after `.connected`, which begins the listing.
            let gate = EventGate(onEvent)
            try await connection.onDomainEvent { event in
                if let event = HypervisorEvent(event) { gate.tell(event) }
            }
            state.withLock { $0.link = link }
            gate.open(with: .connected(HypervisorInfo(version: words ?? "")))
            return link
        } catch {
            state.withLock { $0.link = nil }
            await connection.close(deadline: .seconds(5))
            throw error
        }
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
    func withLink<Result: Sendable>(
        _ body: @Sendable (Link) async throws -> Result
    ) async throws(VMError) -> Result {
        guard let link = state.withLock({ $0.link }) else { throw .unavailable() }
        do {
            return try await body(link)
        } catch let error as VMError {
            throw error
        } catch let error as LibvirtError {
            throw VMError(error, connectionIsLost: link.connection.closeReason != nil)
        } catch let error as XMLError {
            throw VMError(.failed, "what libvirt says cannot be read: \(error)")
        } catch {
            throw VMError(.cancelled, "it was given up")
        }
    }

    func withDomain<Result: Sendable>(
        _ uuid: VMUUID, _ body: @Sendable (Domain) async throws -> Result
    ) async throws(VMError) -> Result {
        try await withLink { link in
            try await body(try await link.connection.domain(uuid: try DomainUUID(uuid)))
        }
    }

    /// The same for what waits for the VM's QEMU, which may hang.
    func withProcess<Result: Sendable>(
        of uuid: VMUUID, _ body: @Sendable (Domain) async throws -> Result
    ) async throws(VMError) -> Result {
        try await withLink { link in
            let lane = try await link.lanes?.free() ?? link.connection
            return try await body(try await lane.domain(uuid: try DomainUUID(uuid)))
        }
    }
}

extension LibvirtHypervisor.Link {
    /// Gives up a libvirt that is gone or silent; what it has not answered ends when it goes on, or its end is known.
    func abandon() {
        connection.abandon()
        lanes?.abandon()
        Task { await close(deadline: .seconds(3600)) }
    }

    func close(deadline: Duration) async {
        async let closing: Void? = lanes?.close(deadline: deadline)
        await connection.close(deadline: deadline)
        await closing
    }
}

extension LibvirtConnection {
    /// Waits until the connection is closed, or libvirt is silent.
    fileprivate func waitUntilLost() async throws -> CloseReason {
        try await withThrowingTaskGroup(of: CloseReason.self) { group in
            group.addTask { try await self.waitUntilClosed() }
            group.addTask {
                while true {
                    try await Task.sleep(for: .seconds(2))
                    do {
                        try await self.ping(deadline: .seconds(6))
                    } catch let error as LibvirtError where error.kind == .deadlineExceeded {
                        return .keepalive
                    } catch is LibvirtError {
                        // An answer, if only that the connection ends; then that comes as well.
                    }
                }
            }
            defer { group.cancelAll() }
            guard let reason = try await group.next() else { throw CancellationError() }
            return reason
        }
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
