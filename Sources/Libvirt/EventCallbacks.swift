import CLibvirt

/// What libvirt's event callbacks hold: the hub, and not the connection, which has to be free to end.
private final class EventCallbackBox: Sendable {
    let hub: EventHub
    private let gate: Gate

    init(hub: EventHub, gate: Gate) {
        self.hub = hub
        self.gate = gate
        gate.enter()
    }

    deinit {
        gate.leave()
    }
}

/// The C side of domain events. Each closure captures nothing, copies what it was given, and hands one event on.
enum EventCallbacks {
    /// Registers all events that the driver has; the one of lifecycles has to be there. Blocks.
    ///
    /// - Returns: libvirt's numbers of the callbacks. Calls `virConnectDomainEventRegisterAny`.
    static func register(
        _ connection: OpaquePointer, _ call: Call, events: EventHub, gate: Gate
    ) throws -> [Int32] {
        var ids: [Int32] = []
        for (event, callback) in all {
            // libvirt owns this reference and gives it back in its free function.
            let opaque = Unmanaged.passRetained(EventCallbackBox(hub: events, gate: gate)).toOpaque()
            let id = virConnectDomainEventRegisterAny(
                connection, nil, Int32(bitPattern: event.rawValue), callback, opaque
            ) { opaque in
                guard let opaque else { return }
                Unmanaged<EventCallbackBox>.fromOpaque(opaque).release()
            }
            if id >= 0 {
                ids.append(id)
                continue
            }
            let error = call.named("virConnectDomainEventRegisterAny").failure()
            Unmanaged<EventCallbackBox>.fromOpaque(opaque).release()
            if event == VIR_DOMAIN_EVENT_ID_LIFECYCLE || error.kind != .libvirt {
                for id in ids { virConnectDomainEventDeregisterAny(connection, id) }
                throw error
            }
        }
        return ids
    }

    private static func deliver(_ opaque: UnsafeMutableRawPointer?, _ domain: OpaquePointer?, _ kind: DomainEvent.Kind)
    {
        guard let opaque, let domain, let event = DomainEvent(domain, kind) else { return }
        Unmanaged<EventCallbackBox>.fromOpaque(opaque).takeUnretainedValue().hub.deliver(event)
    }

    /// libvirt takes every callback as the generic one and calls it as what its event's number says
    /// (`VIR_DOMAIN_EVENT_CALLBACK`).
    private static func generic<Callback>(_ callback: Callback) -> virConnectDomainEventGenericCallback {
        unsafeBitCast(callback, to: virConnectDomainEventGenericCallback.self)
    }

    private static var all: [(virDomainEventID, virConnectDomainEventGenericCallback)] {
        [
            (VIR_DOMAIN_EVENT_ID_LIFECYCLE, generic(lifecycle)),
            (VIR_DOMAIN_EVENT_ID_REBOOT, reboot),
            (VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, generic(balloon)),
            (VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, generic(metadata)),
            (VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, generic(deviceAdded)),
            (VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, generic(deviceRemoved)),
            (VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, generic(deviceRemovalFailed)),
            (VIR_DOMAIN_EVENT_ID_TRAY_CHANGE, generic(tray)),
            (VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, generic(ioError)),
            (VIR_DOMAIN_EVENT_ID_WATCHDOG, generic(watchdog)),
            (VIR_DOMAIN_EVENT_ID_CONTROL_ERROR, controlError),
            (VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, generic(agent)),
        ]
    }

    private static let lifecycle:
        @convention(c) (
            OpaquePointer?, OpaquePointer?, Int32, Int32, UnsafeMutableRawPointer?
        ) -> Int32 = { _, domain, event, detail, opaque in
            deliver(opaque, domain, .lifecycle(.init(.init(rawValue: event), .init(rawValue: detail))))
            return 0
        }

    private static let reboot: virConnectDomainEventGenericCallback = { _, domain, opaque in
        deliver(opaque, domain, .reboot)
    }

    private static let balloon:
        @convention(c) (
            OpaquePointer?, OpaquePointer?, CUnsignedLongLong, UnsafeMutableRawPointer?
        ) -> Void = { _, domain, memory, opaque in
            deliver(opaque, domain, .balloonChange(memoryInKiB: memory))
        }

    private static let metadata:
        @convention(c) (
            OpaquePointer?, OpaquePointer?, Int32, UnsafePointer<CChar>?, UnsafeMutableRawPointer?
        ) -> Void = { _, domain, kind, namespace, opaque in
            deliver(opaque, domain, .metadataChange(MetadataKind(kind), namespace: text(namespace)))
        }

    private typealias DeviceCallback =
        @convention(c) (OpaquePointer?, OpaquePointer?, UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void

    private static let deviceAdded: DeviceCallback = { _, domain, alias, opaque in
        deliver(opaque, domain, .deviceAdded(alias: text(alias) ?? ""))
    }

    private static let deviceRemoved: DeviceCallback = { _, domain, alias, opaque in
        deliver(opaque, domain, .deviceRemoved(alias: text(alias) ?? ""))
    }

    private static let deviceRemovalFailed: DeviceCallback = { _, domain, alias, opaque in
        deliver(opaque, domain, .deviceRemovalFailed(alias: text(alias) ?? ""))
    }

    private static let tray:
        @convention(c) (
            OpaquePointer?, OpaquePointer?, UnsafePointer<CChar>?, Int32, UnsafeMutableRawPointer?
        ) -> Void = { _, domain, alias, reason, opaque in
            let isOpen = UInt32(bitPattern: reason) == VIR_DOMAIN_EVENT_TRAY_CHANGE_OPEN.rawValue
            deliver(opaque, domain, .trayChange(alias: text(alias) ?? "", isOpen: isOpen))
        }

    private static let ioError:
        @convention(c) (
            OpaquePointer?, OpaquePointer?, UnsafePointer<CChar>?, UnsafePointer<CChar>?, Int32, UnsafePointer<CChar>?,
            UnsafeMutableRawPointer?
        ) -> Void = { _, domain, path, alias, action, reason, opaque in
            deliver(
                opaque, domain,
                .ioError(
                    path: text(path) ?? "", alias: text(alias) ?? "", action: .init(action), reason: text(reason) ?? "")
            )
        }

    private static let watchdog:
        @convention(c) (
            OpaquePointer?, OpaquePointer?, Int32, UnsafeMutableRawPointer?
        ) -> Void = { _, domain, action, opaque in
            deliver(opaque, domain, .watchdog(.init(action)))
        }

    private static let controlError: virConnectDomainEventGenericCallback = { _, domain, opaque in
        deliver(opaque, domain, .controlError)
    }

    private static let agent:
        @convention(c) (
            OpaquePointer?, OpaquePointer?, Int32, Int32, UnsafeMutableRawPointer?
        ) -> Void = { _, domain, state, reason, opaque in
            let connected = VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED.rawValue
            deliver(
                opaque, domain, .agentLifecycle(isConnected: UInt32(bitPattern: state) == connected, reason: reason))
        }
}
