/// Who may call a method. There is no default: a method says it where it is declared.
public enum Access: Hashable, Sendable {
    /// Anybody on the bus; it reads names and states, and changes nothing.
    case `public`
    /// Whom polkit allows this action, and root. Until polkit is asked, root alone.
    case action(Action)

    /// What the documentation of a method says about it.
    var documentation: String {
        switch self {
        case .public: "Anybody may call it."
        case .action(let action): "Needs the authorization \(action.summary); at present only root has it."
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

    /// Whether there is an action for one's own VMs and another for everybody's.
    public var dependsOnOwner: Bool { self != .create }

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
