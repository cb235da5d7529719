import CLibvirt
import Synchronization

/// The one owner of a `virConnectPtr`, and of every object handle that came from it.
///
/// Handles hold the core, so a connection lives as long as one of them. Each call takes a reference of its own for as
/// long as it runs: nothing is freed under a call, and ``close(deadline:)`` may come at any moment.
final class ConnectionCore: Sendable {
    private struct State {
        var objects = ObjectTable()
        var callbackIDs: [Int32] = []
        var isClosing = false
        var isAbandoned = false
    }

    let pool: BlockingPool
    /// Why the connection ended.
    let ended: OneShot<CloseReason>
    let events: EventHub
    /// What libvirt holds of ours: the boxes of event callbacks.
    let callbacks = Gate()
    private let left = OneShot<Int>()
    private let calls = Gate()
    private let state = Mutex(State())
    /// One call at a time: libvirt 9.0 lets the thread that reads the socket overlook what others have put into the queue, for
    /// seconds, and keeps pointers to stacks of threads that have gone on (CVE-2024-4418). Only threads of the pool wait for it.
    private let wire = Mutex(())
    /// Until when somebody waits for the call of now.
    private let awaitedUntil = Mutex<MonotonicInstant?>(nil)
    /// Keeps two registrations from mixing; only threads of the pool wait for it.
    private let registration = Mutex(())
    private let owned: OwnedConnection

    /// Opens a connection. Blocks.
    init(opening uri: String, pool: BlockingPool) throws {
        let ended = OneShot<CloseReason>()
        let events = EventHub()
        owned = try .open(uri) { reason in
            ended.deliver(reason)
            events.finish()
        }
        self.pool = pool
        self.ended = ended
        self.events = events
    }

    deinit {
        let (isClosing, callbackIDs) = state.withLock { ($0.isClosing, $0.callbackIDs) }
        guard !isClosing else { return }
        // Nobody closed it, and no handle is left. The last steps talk to the daemon: not on this thread.
        pool.detach { [owned, ended, events] in
            owned.deregister(callbackIDs)
            _ = owned.close()
            ended.deliver(.client)
            events.finish()
        }
    }

    /// How many calls have not returned yet, those included that nobody waits for any more.
    var callsUnderWay: Int { calls.count }

    /// Whether the call of now has outlived its deadline.
    var isHeldUp: Bool { awaitedUntil.withLock { $0.map { $0 < .now } } ?? false }

    /// How many object references the handles own.
    var handleCount: Int { state.withLock { $0.objects.count } }
}

// MARK: - Calls

extension ConnectionCore {
    /// Runs a call on the connection itself.
    func call<Value: Sendable>(
        _ operation: String, object: String? = nil, deadline: Duration,
        _ body: @escaping @Sendable (OpaquePointer, Call) throws -> Value
    ) async throws -> Value {
        let end = MonotonicInstant.now.advanced(by: deadline)
        return try await pool.run(deadline: deadline, operation: operation, owner: self) {
            _ = try self.begin(operation, object: object) { _ in virConnectRef(self.owned.pointer) }
            defer {
                virConnectClose(self.owned.pointer)
                self.calls.leave()
            }
            return try self.onWire(operation, object: object, until: end) {
                try body(self.owned.pointer, Call(operation: operation, object: object, connection: self.owned.pointer))
            }
        }
    }

    /// Runs a call on an object of the connection.
    func call<Value: Sendable>(
        _ operation: String, on handle: ObjectHandle, deadline: Duration,
        _ body: @escaping @Sendable (OpaquePointer, Call) throws -> Value
    ) async throws -> Value {
        let end = MonotonicInstant.now.advanced(by: deadline)
        return try await pool.run(deadline: deadline, operation: operation, owner: self) {
            let object = try self.begin(operation, object: handle.label) { state -> OwnedObject? in
                let object = state.objects.object(for: handle.key)
                if let object { object.kind.retain(object.pointer) }
                return object
            }
            defer { self.calls.leave() }
            guard let object else {
                throw LibvirtError.connectionClosed(operation: operation, object: handle.label)
            }
            defer { object.kind.release(object.pointer) }
            return try self.onWire(operation, object: handle.label, until: end) {
                try body(
                    object.pointer, Call(operation: operation, object: handle.label, connection: self.owned.pointer))
            }
        }
    }

    private func onWire<Value>(
        _ operation: String, object: String?, until end: MonotonicInstant, _ body: () throws -> Value
    ) throws -> Value {
        try wire.withLock { _ in
            // What nobody waits for any more is not begun: it would be done after others have made up for it.
            guard end > .now, !state.withLock({ $0.isAbandoned }) else {
                throw LibvirtError.connectionClosed(operation: operation, object: object)
            }
            awaitedUntil.withLock { $0 = end }
            defer { awaitedUntil.withLock { $0 = nil } }
            do {
                return try body()
            } catch let error as LibvirtError where error.kind == .connectionClosed {
                // The callback has told of it, as far as is known. Where it has not, whoever has this connection would keep it for ever.
                ended.deliver(.error)
                events.finish()
                throw error
            }
        }
    }

    private func begin<Value: Sendable>(
        _ operation: String, object: String?, _ prepare: (inout State) -> Value
    ) throws -> Value {
        try state.withLock { state in
            guard !state.isClosing, !state.isAbandoned else {
                throw LibvirtError.connectionClosed(operation: operation, object: object)
            }
            calls.enter()
            return prepare(&state)
        }
    }
}

// MARK: - Handles

extension ConnectionCore {
    /// Takes over one reference to an object; it is given back when the handle or the connection ends.
    func adopt(_ pointer: OpaquePointer, _ kind: ObjectKind, label: String) -> ObjectHandle {
        let object = OwnedObject(pointer: pointer, kind: kind)
        return ObjectHandle(core: self, key: state.withLock { $0.objects.insert(object) }, label: label)
    }

    func release(_ key: UInt64) {
        // Under the lock, so that closing finds either the reference or nothing of it; while it is held this is local.
        state.withLock { state in
            guard let object = state.objects.remove(key) else { return }
            object.kind.release(object.pointer)
        }
    }
}

// MARK: - Events

extension ConnectionCore {
    /// Registers for domain events if that has not been done. Blocks.
    func registerEvents(_ connection: OpaquePointer, _ call: Call) throws {
        try registration.withLock { _ in
            guard state.withLock({ $0.callbackIDs.isEmpty }) else { return }
            let ids = try EventCallbacks.register(connection, call, events: events, gate: callbacks)
            state.withLock { $0.callbackIDs = ids }
        }
    }
}

// MARK: - Closing

extension ConnectionCore {
    /// Takes no new calls and ends the waits for those under way, whose threads go on. Events come no more.
    func abandon(_ reason: CloseReason) {
        state.withLock { $0.isAbandoned = true }
        events.finish()
        ended.deliver(reason)
        pool.abandonAll(of: self)
    }

    /// Ends the connection: no new calls, events off, handles released, and then libvirt's own close.
    ///
    /// - Returns: the references that are left: 0, or more if a call still hangs at the deadline. That call gives its
    ///   own back.
    func close(deadline: Duration) async -> Int {
        let isFirst = state.withLock { state in
            defer { state.isClosing = true }
            return !state.isClosing
        }
        // A task of its own: closing is not left half done when the caller is cancelled.
        let closing = Task {
            isFirst ? await closeInSteps(deadline) : (try? await left.wait()) ?? 0
        }
        return await closing.value
    }

    private func closeInSteps(_ deadline: Duration) async -> Int {
        await calls.waitUntilEmpty(atMost: deadline)
        let callbackIDs = state.withLock { state in
            defer { state.callbackIDs = [] }
            return state.callbackIDs
        }
        var mayClose = true
        do {
            try await pool.run(deadline: deadline, operation: "virConnectDomainEventDeregisterAny") { [owned] in
                owned.deregister(callbackIDs)
                // An event that is being delivered holds its domain, and that holds the connection.
                if !callbackIDs.isEmpty { EventLoop.finishRound(atMost: deadline) }
            }
        } catch {
            // One that hangs has the connection to itself: a second thread there could end the process (CVE-2024-4418).
            mayClose = (error as? LibvirtError)?.kind != .deadlineExceeded
        }
        var count: Int?
        if mayClose {
            await callbacks.waitUntilEmpty(atMost: deadline)
            count = try? await pool.run(deadline: deadline, operation: "virConnectClose") { [self] in
                for object in state.withLock({ $0.objects.removeAll() }) { object.kind.release(object.pointer) }
                return owned.close()
            }
        }
        ended.deliver(.client)
        events.finish()
        left.deliver(count ?? 1)
        return count ?? 1
    }
}
