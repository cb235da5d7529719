import CDBus
import Glibc
import Synchronization

/// One private libdbus connection, served by the loop.
///
/// Unchecked: the C connection and all state are used on the thread of the loop only. Entry points check that; the rest
/// is called by them, by the loop and by libdbus, which the loop alone calls.
final class BusLink: LoopSource, @unchecked Sendable {
    enum State { case opening, open, closing, closed }

    let loop: EventLoop
    let outlet = BusOutlet()
    let objects: ObjectServer
    let router: SignalRouter
    private(set) var state = State.opening
    /// Readable from any thread.
    let isClosed = Atomic<Bool>(false)
    private(set) var uniqueName = ""

    var calls = CallTable()
    var watches: [OpaquePointer] = []
    var timeouts: [OpaquePointer: LoopAgenda.TimerID] = [:]
    private var closeWaiters: [UInt64: @Sendable () -> Void] = [:]
    private var closeTimer: LoopAgenda.TimerID?
    private var isDispatching = false
    private var mustTearDown = false

    init(loop: EventLoop) {
        self.loop = loop
        objects = ObjectServer(loop: loop, outlet: outlet)
        router = SignalRouter(loop: loop)
    }

    // MARK: Opening

    /// Connects, authenticates and says Hello; `completion` gets the unique name.
    ///
    /// Only connect(2) itself waits, all else goes through the loop. Calls `dbus_connection_open_private`.
    func open(_ address: String, completion: @escaping @Sendable (Result<String, DBusError>) -> Void) {
        loop.checkIsolated()
        do throws(DBusError) {
            outlet.connection = try Self.openConnection(address)
        } catch {
            state = .closed
            isClosed.store(true, ordering: .releasing)
            return completion(.failure(error))
        }
        router.attach(to: self)
        install()
        loop.agenda.add(self)
        callBus("Hello") { [self] result in
            switch result.flatMap({ $0.singleString }) {
            case .success(let name):
                uniqueName = name
                state = .open
                if let connection = outlet.connection { dbus_bus_set_unique_name(connection, name) }
                completion(.success(name))
            case .failure(let error):
                tearDown()
                completion(.failure(error))
            }
        }
    }

    private static func openConnection(_ address: String) throws(DBusError) -> OpaquePointer {
        guard !address.utf8.contains(0) else { throw .invalidArgs("a bus address contains a NUL character") }
        guard dbus_threads_init_default() != 0 else { throw .outOfMemory }
        var error = CDBus.DBusError()
        dbus_error_init(&error)
        defer { dbus_error_free(&error) }
        guard let connection = dbus_connection_open_private(address, &error) else {
            guard let name = error.name, let message = error.message else { throw .outOfMemory }
            throw DBusError(name: String(cString: name), message: String(cString: message))
        }
        return connection
    }

    private func install() {
        guard let connection = outlet.connection else { return }
        dbus_connection_set_exit_on_disconnect(connection, 0)
        dbus_connection_set_route_peer_messages(connection, 1)
        // Unretained: the loop holds this object until `tearDown` has taken the functions away.
        let context = Unmanaged.passUnretained(self).toOpaque()
        installWatches(connection, context)
        dbus_connection_add_filter(
            connection,
            { _, message, context in
                guard let message, let context else { return DBUS_HANDLER_RESULT_NOT_YET_HANDLED }
                Unmanaged<BusLink>.fromOpaque(context).takeUnretainedValue().receive(message)
                return DBUS_HANDLER_RESULT_HANDLED
            }, context, nil)
    }

    // MARK: Serving

    var pollRequest: pollfd? { watchRequest }

    func pollReady(_ events: Int16) {
        handleWatches(events)
        if state == .closing { finishClosing() }
    }

    /// Dispatches a bounded number of messages, so that jobs and other connections get their turn.
    func process() -> Bool {
        guard let connection = outlet.connection else { return false }
        isDispatching = true
        var status = dbus_connection_get_dispatch_status(connection)
        for _ in 0..<64 where status == DBUS_DISPATCH_DATA_REMAINS && !mustTearDown && !isCongested {
            status = dbus_connection_dispatch(connection)
        }
        isDispatching = false
        if mustTearDown {
            tearDown()
            return false
        }
        // What is left of a congested connection is taken up again when the socket has taken enough.
        return status == DBUS_DISPATCH_DATA_REMAINS && !isCongested
    }

    /// Whether so much waits to be sent that nothing more is read or answered until the bus has taken some of it. Otherwise
    /// whoever asks faster than the bus takes the answers would fill this process's memory.
    var isCongested: Bool {
        guard let connection = outlet.connection else { return false }
        return dbus_connection_get_outgoing_size(connection) > 8 << 20
    }

    private func receive(_ message: OpaquePointer) {
        switch DBusMessage.Kind(code: dbus_message_get_type(message)) {
        case .methodCall: objects.dispatch(message)
        case .methodReturn, .error: completeCall(with: message)
        case .signal:
            if dbus_message_is_signal(message, "org.freedesktop.DBus.Local", "Disconnected") != 0 {
                tearDown()
            } else {
                router.deliver(message)
            }
        case nil: break
        }
    }

    // MARK: Closing

    /// Sends what is queued, then closes.
    func close() {
        loop.checkIsolated()
        loop.checkIsolated()
        guard state == .open || state == .opening else { return }
        state = .closing
        // A bus that reads nothing any more shall not hold this up for ever.
        closeTimer = loop.agenda.schedule(after: .seconds(2)) { [weak self] in self?.tearDown() }
        finishClosing()
    }

    private func finishClosing() {
        guard let connection = outlet.connection else { return }
        if dbus_connection_has_messages_to_send(connection) == 0 { tearDown() }
    }

    /// Closes at once, and ends all that waits for the bus with `Disconnected`.
    private func tearDown() {
        guard let connection = outlet.connection else { return }
        // Not while libdbus is in the middle of a message.
        mustTearDown = isDispatching
        guard !isDispatching else { return }
        state = .closed
        outlet.connection = nil
        isClosed.store(true, ordering: .releasing)
        if let closeTimer { loop.agenda.cancel(closeTimer) }
        dbus_connection_close(connection)
        removeWatches(connection)
        dbus_connection_unref(connection)
        failAllCalls()
        router.finish()
        let waiters = closeWaiters.values
        closeWaiters = [:]
        for waiter in waiters { waiter() }
        loop.agenda.remove(self)
    }

    /// Calls `waiter` when the connection is closed, at once if it is.
    func whenClosed(_ id: UInt64, _ waiter: @escaping @Sendable () -> Void) {
        loop.checkIsolated()
        loop.checkIsolated()
        if state == .closed { waiter() } else { closeWaiters[id] = waiter }
    }

    /// Calls a waiter before its time, if it still waits.
    func stopWaiting(_ id: UInt64) {
        loop.checkIsolated()
        closeWaiters.removeValue(forKey: id)?()
    }
}
