import CDBus
import Glibc

// The functions through which libdbus tells a main loop what to watch.
extension BusLink {
    func installWatches(_ connection: OpaquePointer, _ context: UnsafeMutableRawPointer) {
        dbus_connection_set_watch_functions(
            connection,
            { watch, context in
                BusLink.from(context)?.addWatch(watch)
                return 1
            },
            { watch, context in BusLink.from(context)?.removeWatch(watch) },
            // Whether a watch is enabled is asked before each poll.
            { _, _ in }, context, nil)
        dbus_connection_set_timeout_functions(
            connection,
            { timeout, context in
                BusLink.from(context)?.updateTimeout(timeout)
                return 1
            },
            { timeout, context in BusLink.from(context)?.removeTimeout(timeout) },
            { timeout, context in BusLink.from(context)?.updateTimeout(timeout) }, context, nil)
        // Both happen on the loop, which asks for the dispatch status in each turn.
        dbus_connection_set_wakeup_main_function(connection, { _ in }, context, nil)
        dbus_connection_set_dispatch_status_function(connection, { _, _, _ in }, context, nil)
    }

    func removeWatches(_ connection: OpaquePointer) {
        dbus_connection_set_watch_functions(connection, nil, nil, nil, nil, nil)
        dbus_connection_set_timeout_functions(connection, nil, nil, nil, nil, nil)
        dbus_connection_set_wakeup_main_function(connection, nil, nil, nil)
        dbus_connection_set_dispatch_status_function(connection, nil, nil, nil)
        watches = []
        for timer in timeouts.values { loop.agenda.cancel(timer) }
        timeouts = [:]
    }

    /// The reading and the writing watch of the socket in one request.
    var watchRequest: pollfd? {
        var request: pollfd?
        for watch in watches where dbus_watch_get_enabled(watch) != 0 {
            let flags = dbus_watch_get_flags(watch)
            var events = request?.events ?? 0
            if flags & DBUS_WATCH_READABLE.rawValue != 0, !isCongested { events |= Int16(POLLIN) }
            if flags & DBUS_WATCH_WRITABLE.rawValue != 0 { events |= Int16(POLLOUT) }
            request = pollfd(fd: dbus_watch_get_unix_fd(watch), events: events, revents: 0)
        }
        return request
    }

    func handleWatches(_ events: Int16) {
        var flags: UInt32 = 0
        if events & Int16(POLLIN) != 0 { flags |= DBUS_WATCH_READABLE.rawValue }
        if events & Int16(POLLOUT) != 0 { flags |= DBUS_WATCH_WRITABLE.rawValue }
        if events & Int16(POLLHUP) != 0 { flags |= DBUS_WATCH_HANGUP.rawValue }
        if events & Int16(POLLERR | POLLNVAL) != 0 { flags |= DBUS_WATCH_ERROR.rawValue }
        let always = DBUS_WATCH_HANGUP.rawValue | DBUS_WATCH_ERROR.rawValue
        // Handling one watch may remove the other, so each is looked up again.
        for watch in watches where watches.contains(watch) && dbus_watch_get_enabled(watch) != 0 {
            let relevant = flags & (dbus_watch_get_flags(watch) | always)
            if relevant != 0 { dbus_watch_handle(watch, relevant) }
        }
    }

    private func addWatch(_ watch: OpaquePointer?) {
        if let watch { watches.append(watch) }
    }

    private func removeWatch(_ watch: OpaquePointer?) {
        watches.removeAll { $0 == watch }
    }

    private func updateTimeout(_ timeout: OpaquePointer?) {
        removeTimeout(timeout)
        guard let timeout, dbus_timeout_get_enabled(timeout) != 0 else { return }
        let interval = Duration.milliseconds(max(0, dbus_timeout_get_interval(timeout)))
        timeouts[timeout] = loop.agenda.schedule(after: interval) { [weak self] in
            guard let self, self.timeouts.removeValue(forKey: timeout) != nil else { return }
            dbus_timeout_handle(timeout)
            // A timeout of libdbus repeats until it is taken away.
            if dbus_timeout_get_enabled(timeout) != 0, self.timeouts[timeout] == nil { self.updateTimeout(timeout) }
        }
    }

    private func removeTimeout(_ timeout: OpaquePointer?) {
        guard let timeout, let timer = timeouts.removeValue(forKey: timeout) else { return }
        loop.agenda.cancel(timer)
    }

    /// The link that was given as context; libdbus hands it back as it was.
    private static func from(_ context: UnsafeMutableRawPointer?) -> BusLink? {
        context.map { Unmanaged<BusLink>.fromOpaque($0).takeUnretainedValue() }
    }
}
