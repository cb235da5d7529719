/// A method call, checked against the declaration and decoded.
public struct MethodCall: Sendable {
    /// The unique name of the caller, set by the bus.
    public let sender: String
    public let path: ObjectPath
    public let interface: String
    public let member: String
    /// The arguments; their types are those of the declaration.
    public let arguments: [DBusValue]
    /// Whether the caller is prepared to wait for an authentication prompt.
    public let allowsInteractiveAuthorization: Bool
    /// Whether the caller wants no reply.
    public let noReplyExpected: Bool

    public init(
        sender: String, path: ObjectPath, interface: String, member: String, arguments: [DBusValue],
        allowsInteractiveAuthorization: Bool = false, noReplyExpected: Bool = false
    ) {
        self.sender = sender
        self.path = path
        self.interface = interface
        self.member = member
        self.arguments = arguments
        self.allowsInteractiveAuthorization = allowsInteractiveAuthorization
        self.noReplyExpected = noReplyExpected
    }
}

/// What answers a method. A thrown `DBusError` goes to the caller as it is.
public enum MethodHandler: Sendable {
    /// Runs on the thread of the loop and must not block: reads from memory.
    case immediate(@Sendable (MethodCall) throws -> [DBusValue])
    /// Runs in a task of its own, off the loop.
    case task(@Sendable (MethodCall) async throws -> [DBusValue])
}

/// An interface with its handlers. One value is shared by every object that has the interface.
public final class Interface: Sendable {
    public let description: InterfaceDescription

    struct Method: Sendable {
        let name: String
        /// The declared signature of the call, NUL-terminated, to be compared with the wire's.
        let input: [CChar]
        let inputs: [DBusType]
        let outputs: [DBusType]
        let handler: MethodHandler
    }

    let methods: [String: Method]
    let signals: [String: [DBusType]]
    let propertyIndices: [String: Int]
    /// The `<interface>` element, made once.
    let xml: String

    /// Binds each declared method to its handler.
    /// - Throws: `InvalidArgs` if a declared method has no handler, a handler no declaration, a name is malformed or
    ///   declared twice, or a type is not valid.
    public init(_ description: InterfaceDescription, methods handlers: [String: MethodHandler] = [:]) throws(DBusError)
    {
        try description.validate()
        var methods: [String: Method] = [:]
        for method in description.methods {
            guard let handler = handlers[method.name] else {
                throw .invalidArgs("\(description.name).\(method.name) has no handler")
            }
            let input = method.inputSignature.description.utf8CString
            methods[method.name] = Method(
                name: method.name, input: Array(input), inputs: method.inputs.map(\.type),
                outputs: method.outputs.map(\.type), handler: handler)
        }
        if let extra = handlers.keys.sorted().first(where: { methods[$0] == nil }) {
            throw .invalidArgs("\(description.name).\(extra) has a handler but no declaration")
        }
        self.description = description
        self.methods = methods
        self.signals = Dictionary(uniqueKeysWithValues: description.signals.map { ($0.name, $0.arguments.map(\.type)) })
        self.propertyIndices = Dictionary(
            uniqueKeysWithValues: description.properties.enumerated().map { ($1.name, $0) })
        self.xml = description.xml()
    }

    var name: String { description.name }
}

extension InterfaceDescription {
    /// Checks names, types and that no member is declared twice.
    func validate() throws(DBusError) {
        guard NameSyntax.isInterface(name) else { throw .invalidArgs("not a valid interface name: \(name)") }
        try validate(methods.map { ($0.name, $0.inputSignature) }, "method")
        try validate(methods.map { ($0.name, $0.outputSignature) }, "method")
        try validate(signals.map { ($0.name, $0.signature) }, "signal")
        try validate(properties.map { ($0.name, Signature([$0.type])) }, "property")
    }

    private func validate(_ members: [(String, Signature)], _ kind: String) throws(DBusError) {
        var seen: Set<String> = []
        for (member, signature) in members {
            guard NameSyntax.isMember(member) else {
                throw .invalidArgs("\(name): not a valid \(kind) name: \(member)")
            }
            guard seen.insert(member).inserted else {
                throw .invalidArgs("\(name): \(kind) \(member) is declared twice")
            }
            guard signature.isValid else {
                throw .invalidArgs("\(name).\(member): not a valid signature: \(signature)")
            }
        }
    }
}
