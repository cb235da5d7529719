/// The contract of one interface: a pure description that both ends share.
public struct InterfaceDescription: Sendable, Hashable {
    public let name: String
    public let methods: [MethodDescription]
    public let signals: [SignalDescription]
    public let properties: [PropertyDescription]
    public let documentation: String

    public init(
        name: String, documentation: String = "", methods: [MethodDescription] = [],
        signals: [SignalDescription] = [], properties: [PropertyDescription] = []
    ) {
        self.name = name
        self.methods = methods
        self.signals = signals
        self.properties = properties
        self.documentation = documentation
    }
}

/// A named argument of a method or signal.
public struct ArgumentDescription: Sendable, Hashable {
    public let name: String
    public let type: DBusType
    public let documentation: String

    public init(name: String, type: DBusType, documentation: String = "") {
        self.name = name
        self.type = type
        self.documentation = documentation
    }

    /// Short form for tables: `.init("name", .string, "what it is")`.
    public init(_ name: String, _ type: DBusType, _ documentation: String = "") {
        self.init(name: name, type: type, documentation: documentation)
    }
}

/// A named note for tools, as introspection data has it.
public struct AnnotationDescription: Sendable, Hashable {
    public let name: String
    public let value: String

    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// A method: its name and the arguments in both directions.
public struct MethodDescription: Sendable, Hashable {
    public let name: String
    public let inputs: [ArgumentDescription]
    public let outputs: [ArgumentDescription]
    public let annotations: [AnnotationDescription]
    public let documentation: String

    public init(
        name: String, documentation: String = "", inputs: [ArgumentDescription] = [],
        outputs: [ArgumentDescription] = [], annotations: [(String, String)] = []
    ) {
        self.name = name
        self.inputs = inputs
        self.outputs = outputs
        self.annotations = annotations.map { AnnotationDescription($0.0, $0.1) }
        self.documentation = documentation
    }

    /// The signature of a call.
    public var inputSignature: Signature { Signature(inputs.map(\.type)) }
    /// The signature of a reply.
    public var outputSignature: Signature { Signature(outputs.map(\.type)) }
}

/// A signal: its name and arguments.
public struct SignalDescription: Sendable, Hashable {
    public let name: String
    public let arguments: [ArgumentDescription]
    public let documentation: String

    public init(name: String, documentation: String = "", arguments: [ArgumentDescription] = []) {
        self.name = name
        self.arguments = arguments
        self.documentation = documentation
    }

    /// The signature of the signal.
    public var signature: Signature { Signature(arguments.map(\.type)) }
}

/// A property. All properties are read-only on the bus.
public struct PropertyDescription: Sendable, Hashable {
    /// How a change is announced (annotation `org.freedesktop.DBus.Property.EmitsChangedSignal`).
    public enum EmitsChangedSignal: String, Sendable, Hashable {
        /// `PropertiesChanged` carries the new value.
        case changes = "true"
        /// `PropertiesChanged` names the property without its value.
        case invalidates
        /// The value never changes while the object exists.
        case const
        /// Changes are not announced.
        case `false`

        /// The specification's word for `changes`.
        public static let `true` = EmitsChangedSignal.changes
    }

    public let name: String
    public let type: DBusType
    public let emitsChangedSignal: EmitsChangedSignal
    public let documentation: String

    public init(
        name: String, documentation: String = "", type: DBusType, emitsChangedSignal: EmitsChangedSignal = .changes
    ) {
        self.name = name
        self.type = type
        self.emitsChangedSignal = emitsChangedSignal
        self.documentation = documentation
    }
}
