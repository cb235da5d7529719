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
    }

    let pool: BlockingPool
    /// What libvirt holds of ours: the boxes of callbacks.
    let callbacks: Gate
    let events: EventHub
    /// Why the connection ended.
    let ended = OneShot<CloseReason>()
    private let left = OneShot<Int>()
    private let calls = Gate()
    private let state = Mutex(State())
    /// Keeps two registrations from mixing; only threads of the pool wait for it.
    private let registration = Mutex(())
    private let owned: OwnedConnection

    /// Takes over an open connection: the core closes it.
    init(owning owned: OwnedConnection, pool: BlockingPool) {
        self.owned = owned
        self.pool = pool
        let callbacks = Gate()
        let events = EventHub()
        self.callbacks = callbacks
        self.events = events
        owned.watch(
            CloseCallbackBox(gate: callbacks) { [ended] reason in
                ended.deliver(reason)
                events.finish()
            })
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
        try await pool.run(deadline: deadline, operation: operation) {
            _ = try self.begin(operation, object: object) { _ in virConnectRef(self.owned.pointer) }
            defer {
                virConnectClose(self.owned.pointer)
                self.calls.leave()
            }
            return try body(
                self.owned.pointer, Call(operation: operation, object: object, connection: self.owned.pointer))
        }
    }

    /// Runs a call on an object of the connection.
    func call<Value: Sendable>(
        _ operation: String, on handle: ObjectHandle, deadline: Duration,
        _ body: @escaping @Sendable (OpaquePointer, Call) throws -> Value
    ) async throws -> Value {
        try await pool.run(deadline: deadline, operation: operation) {
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
            return try body(
                object.pointer, Call(operation: operation, object: handle.label, connection: self.owned.pointer))
        }
    }

    private func begin<Value: Sendable>(
        _ operation: String, object: String?, _ prepare: (inout State) -> Value
    ) throws -> Value {
        try state.withLock { state in
            guard !state.isClosing else { throw LibvirtError.connectionClosed(operation: operation, object: object) }
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
        guard let object = state.withLock({ $0.objects.remove(key) }) else { return }
        object.kind.release(object.pointer)
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
    /// Ends the connection: no new calls, events off, handles released, and then libvirt's own close.
    ///
    /// - Returns: the references that are left: 0, or more if a call still hangs at the deadline. That call gives its own
    ///   back.
    func close(deadline: Duration) async -> Int {
        let isFirst = state.withLock { state in
            defer { state.isClosing = true }
            return !state.isClosing
        }
        // A second caller waits for the first, uncancelled: closing takes a bounded time.
        guard isFirst else { return (try? await left.wait()) ?? 0 }
        await calls.waitUntilEmpty(atMost: deadline)
        let closing = Task {
            try? await pool.run(deadline: deadline, operation: "virConnectClose") { self.closeNow() }
        }
        let count = await closing.value ?? 1
        await callbacks.waitUntilEmpty(atMost: deadline)
        ended.deliver(.client)
        events.finish()
        left.deliver(count)
        return count
    }

    private func closeNow() -> Int {
        let (callbackIDs, objects) = state.withLock { state in
            defer { state.callbackIDs = [] }
            return (state.callbackIDs, state.objects.removeAll())
        }
        owned.deregister(callbackIDs)
        for object in objects { object.kind.release(object.pointer) }
        return owned.close()
    }
}
