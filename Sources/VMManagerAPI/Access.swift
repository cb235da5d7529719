/// Who may call a method. There is no default: a method says it where it is declared.
public enum Access: Hashable, Sendable {
    /// Anybody on the bus; it reads names and states, and changes nothing.
    case `public`
    /// Whom polkit allows this action, and root.
    case action(Action)
    /// Who started the job that it is about, and root; others as for `control` of VMs that are not theirs.
    case starter

    /// What the documentation of a method says about it.
    var documentation: String {
        switch self {
        case .public: "Anybody may call it."
        case .action(let action): "Needs the authorization \(action.summary)."
        case .starter:
            "Who started the job may call it; others need the authorization \(Action.control.identifier(ownVM: false))."
        }
    }
}

/// The kinds of risk, one polkit action (or a pair for own and other VMs) each.
public enum Action: String, Hashable, Sendable, CaseIterable {
    case create
    case control
    case configure
    case access
    case delete
    /// Asked for besides another one, when a new VM gets what belongs to the host.
    case hostResources = "host-resources"

    /// Whether there is an action for one's own VMs and another for everybody's.
    public var dependsOnOwner: Bool {
        switch self {
        case .control, .configure, .access, .delete: true
        case .create, .hostResources: false
        }
    }

    /// The polkit action's identifier.
    public func identifier(ownVM: Bool) -> String {
        let name = "org.neuronos.vmmanager.\(rawValue)"
        guard dependsOnOwner else { return name }
        return name + (ownVM ? ".own" : ".any")
    }

    fileprivate var summary: String {
        dependsOnOwner
            ? "\(identifier(ownVM: true)) for the caller's own VM, else \(identifier(ownVM: false))"
            : identifier(ownVM: false)
    }
}

/// What a caller may do, as `GetPermissions` says it of an action.
public enum Permission: String, Hashable, Sendable, CaseIterable {
    /// It may, without being asked for anything.
    case yes
    /// It may once it, or an administrator, has authenticated.
    case auth
    /// It may not.
    case no
}
