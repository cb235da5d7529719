import CLibvirt

/// Something that happened to a domain, as libvirt told it. All data is copied: it may be kept.
public struct DomainEvent: Sendable, Hashable {
    /// Whom it happened to.
    public var uuid: DomainUUID
    /// The number of the running domain at that time; nil when it has none.
    public var id: Int32?
    /// The domain's name as bytes; it need not be UTF-8.
    public var nameBytes: [UInt8]
    /// What happened.
    public var kind: Kind

    public init(uuid: DomainUUID, id: Int32?, nameBytes: [UInt8], kind: Kind) {
        self.uuid = uuid
        self.id = id
        self.nameBytes = nameBytes
        self.kind = kind
    }

    /// The name for display: bytes that are not UTF-8 are replaced.
    public var name: String { String(decoding: nameBytes, as: UTF8.self) }

    /// What happened. Each case names libvirt's event.
    public enum Kind: Sendable, Hashable {
        /// A change of the domain's life. `VIR_DOMAIN_EVENT_ID_LIFECYCLE`
        case lifecycle(Lifecycle)
        /// The guest rebooted inside its process. `VIR_DOMAIN_EVENT_ID_REBOOT`
        case reboot
        /// The guest's memory changed, in KiB. `VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE`
        case balloonChange(memoryInKiB: UInt64)
        /// Title, description or the element of a namespace changed. `VIR_DOMAIN_EVENT_ID_METADATA_CHANGE`
        case metadataChange(MetadataKind, namespace: String?)
        /// A device came. `VIR_DOMAIN_EVENT_ID_DEVICE_ADDED`
        case deviceAdded(alias: String)
        /// A device went. `VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED`
        case deviceRemoved(alias: String)
        /// The guest kept a device. `VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED`
        case deviceRemovalFailed(alias: String)
        /// The guest opened or closed a tray. `VIR_DOMAIN_EVENT_ID_TRAY_CHANGE`
        case trayChange(alias: String, isOpen: Bool)
        /// Input or output failed on the host. `VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON`
        case ioError(path: String, alias: String, action: IOErrorAction, reason: String)
        /// The guest's watchdog fired. `VIR_DOMAIN_EVENT_ID_WATCHDOG`
        case watchdog(WatchdogAction)
        /// libvirt can no longer control the domain. `VIR_DOMAIN_EVENT_ID_CONTROL_ERROR`
        case controlError
        /// The guest agent came or went. `VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE`
        case agentLifecycle(isConnected: Bool, reason: Int32)
    }

    /// What libvirt does about an error of a disk. `virDomainEventIOErrorAction`
    public enum IOErrorAction: Sendable, Hashable {
        case ignored, paused, reported
        case other(Int32)

        init(_ action: Int32) {
            self =
                switch action {
                case 0: .ignored
                case 1: .paused
                case 2: .reported
                default: .other(action)
                }
        }
    }

    /// What libvirt does when a watchdog fires. `virDomainEventWatchdogAction`
    public enum WatchdogAction: Sendable, Hashable {
        case ignored, paused, reset, poweredOff, shutDown, logged, injectedNMI
        case other(Int32)

        init(_ action: Int32) {
            let known: [WatchdogAction] = [.ignored, .paused, .reset, .poweredOff, .shutDown, .logged, .injectedNMI]
            self = known.indices.contains(Int(action)) ? known[Int(action)] : .other(action)
        }
    }
}

/// Which metadata of a domain. `virDomainMetadataType`
public enum MetadataKind: Sendable, Hashable {
    case description, title, element
    case other(Int32)

    init(_ kind: Int32) {
        self =
            switch kind {
            case 0: .description
            case 1: .title
            case 2: .element
            default: .other(kind)
            }
    }
}

extension DomainEvent {
    /// Copies what a callback was given; nil if libvirt's handle has no UUID, which it always has.
    init?(_ domain: OpaquePointer, _ kind: Kind) {
        guard let (uuid, name) = identity(of: domain) else { return nil }
        let id = virDomainGetID(domain)
        self.init(uuid: uuid, id: id == UInt32.max ? nil : Int32(bitPattern: id), nameBytes: name, kind: kind)
    }
}
