/// Which messages a connection wants to hear (D-Bus specification, "Match Rules").
public struct MatchRule: Hashable, Sendable {
    public var type: DBusMessage.Kind?
    /// A well-known or unique name. Only messages of the name's current owner match.
    public var sender: String?
    public var path: ObjectPath?
    /// This object and all below it.
    public var pathNamespace: ObjectPath?
    public var interface: String?
    public var member: String?
    /// The first argument, if it is a string.
    public var arg0: String?
    /// A bus or interface name, or a prefix of whole elements of one, that the first argument lies in.
    public var arg0Namespace: String?
    public var destination: String?

    public init(
        type: DBusMessage.Kind? = .signal, sender: String? = nil, path: ObjectPath? = nil,
        pathNamespace: ObjectPath? = nil, interface: String? = nil, member: String? = nil, arg0: String? = nil,
        arg0Namespace: String? = nil, destination: String? = nil
    ) {
        self.type = type
        self.sender = sender
        self.path = path
        self.pathNamespace = pathNamespace
        self.interface = interface
        self.member = member
        self.arg0 = arg0
        self.arg0Namespace = arg0Namespace
        self.destination = destination
    }

    /// The rule as text for `AddMatch`, each value quoted.
    public var rule: String {
        let typeName: String? =
            switch type {
            case .methodCall: "method_call"
            case .methodReturn: "method_return"
            case .error: "error"
            case .signal: "signal"
            case nil: nil
            }
        let keys: [(String, String?)] = [
            ("type", typeName), ("sender", sender), ("interface", interface), ("member", member),
            ("path", path?.rawValue), ("path_namespace", pathNamespace?.rawValue), ("destination", destination),
            ("arg0", arg0), ("arg0namespace", arg0Namespace),
        ]
        return keys.compactMap { key, value in value.map { "\(key)='\(Self.quoted($0))'" } }.joined(separator: ",")
    }

    /// Whether a message satisfies the rule.
    ///
    /// A well-known `sender` is not compared here: which unique name owns it is known to the connection only.
    public func matches(_ message: DBusMessage) -> Bool {
        if let sender, NameSyntax.isUnique(sender), message.sender != sender { return false }
        return matchesHeader(message) && matchesArguments(message.body)
    }

    /// Everything but the sender and the arguments.
    func matchesHeader(_ message: DBusMessage) -> Bool {
        if let type, type != message.kind { return false }
        if let interface, interface != message.interface { return false }
        if let member, member != message.member { return false }
        if let path, path != message.path { return false }
        if let destination, destination != message.destination { return false }
        if let pathNamespace {
            guard let path = message.path, path.isWithin(pathNamespace) else { return false }
        }
        return true
    }

    func matchesArguments(_ body: [DBusValue]) -> Bool {
        if let arg0, body.first?.stringValue != arg0 { return false }
        if let arg0Namespace {
            guard let text = body.first?.stringValue else { return false }
            return text == arg0Namespace || text.utf8.starts(with: Array(arg0Namespace.utf8) + [UInt8(ascii: ".")])
        }
        return true
    }

    /// Refuses what the bus would refuse, before it is sent.
    func validate() throws(DBusError) {
        func check(_ value: String?, _ what: String, _ isValid: (String) -> Bool) throws(DBusError) {
            guard let value, !isValid(value) else { return }
            throw .invalidArgs("match rule: not a valid \(what): \(value.debugDescription)")
        }
        try check(sender, "sender", NameSyntax.isBus)
        try check(destination, "destination", NameSyntax.isUnique)
        try check(interface, "interface", NameSyntax.isInterface)
        try check(member, "member", NameSyntax.isMember)
        try check(arg0Namespace, "arg0namespace", NameSyntax.isNamespace)
        try check(arg0, "arg0", { !$0.utf8.contains(0) })
        if path != nil, pathNamespace != nil {
            throw .invalidArgs("match rule: path and path_namespace exclude each other")
        }
    }

    // Inside quotes nothing is special but the quote: close, escaped quote, open again.
    private static func quoted(_ value: String) -> String {
        value.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
    }
}
