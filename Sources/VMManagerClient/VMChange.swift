import DBus
import VMManagerAPI
public import VMModel

/// Something that happened, as the service's signals tell it.
public enum VMChange: Hashable, Sendable {
    case added(VMUUID, name: String)
    case removed(VMUUID, name: String)
    /// The words of the states and the reason as they came.
    case stateChanged(VMUUID, from: String, to: String, reason: String)
    case renamed(VMUUID, to: String)
    /// Whether the service has a connection to the hypervisor; without one states are not known to be current.
    case hypervisorConnected(Bool)
    /// The service left the bus. What happens until `serviceBack` is not told: list again then.
    case serviceLost
    case serviceBack
    /// What callers may do can be different from before; `permissions(of:)` tells.
    case permissionsChanged

    /// The change that a signal of the service tells of; nil for all others.
    init?(_ message: DBusMessage) {
        switch (message.interface, message.member) {
        case (ManagerInterface.name, let member?):
            guard message.path == BusNames.manager, let signal = ManagerSignal(rawValue: member),
                let change = VMChange(signal, message.body)
            else { return nil }
            self = change
        case ("org.freedesktop.DBus.Properties", "PropertiesChanged"):
            guard let change = VMChange(properties: message) else { return nil }
            self = change
        default:
            return nil
        }
    }

    private init?(_ signal: ManagerSignal, _ body: [DBusValue]) {
        guard signal != .permissionsChanged else {
            self = .permissionsChanged
            return
        }
        let texts = body.dropFirst().map(\.stringValue)
        guard let text = texts.first ?? nil, let uuid = VMUUID(text) else { return nil }
        switch signal {
        case .vmAdded, .vmRemoved:
            guard texts.count == 2, let name = texts[1] else { return nil }
            self = signal == .vmAdded ? .added(uuid, name: name) : .removed(uuid, name: name)
        case .vmStateChanged:
            guard texts.count == 4, let new = texts[1], let old = texts[2], let reason = texts[3] else { return nil }
            self = .stateChanged(uuid, from: old, to: new, reason: reason)
        case .permissionsChanged:
            return nil
        }
    }

    private init?(properties message: DBusMessage) {
        guard let path = message.path, message.body.count == 3, let interface = message.body[0].stringValue,
            let values = message.body[1].optionsValue
        else { return nil }
        switch interface {
        case ManagerInterface.name:
            guard let connected = values[ManagerProperty.hypervisorConnected.rawValue]?.boolValue else { return nil }
            self = .hypervisorConnected(connected)
        case VMInterface.name:
            guard let uuid = BusNames.uuid(of: path), let name = values[VMProperty.name.rawValue]?.stringValue else {
                return nil
            }
            self = .renamed(uuid, to: name)
        default:
            return nil
        }
    }
}
