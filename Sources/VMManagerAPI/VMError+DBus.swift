public import DBus
public import VMModel

extension VMError {
    /// The error as it goes to a caller: name and message, without the cause. The message may name a VM that another tool
    /// made, whose name may be anything; a message is there to be shown.
    public var busError: DBusError {
        DBusError(name: busName, message: ForeignText.escaped(message))
    }

    /// The error's name on the bus.
    public var busName: String {
        code == .limitsExceeded ? DBusError.Name.limitsExceeded : BusNames.errorPrefix + code.rawValue
    }

    /// The error as it goes to a caller who may see everything on this host: with the words of what failed underneath, where there are any.
    public var busErrorWithCause: DBusError {
        guard let cause else { return busError }
        let words = cause.text.split(whereSeparator: \.isNewline).joined(separator: "; ")
        let library = cause.isOfLibvirt ? "libvirt: " : ""
        return DBusError(name: busError.name, message: ForeignText.escaped("\(message) (\(library)\(words))"))
    }

    /// An error of this service as a client received it; nil for errors with other names. A code that this version does not know is kept.
    public init?(_ error: DBusError) {
        self.init(busName: error.name, error.message)
    }

    /// The same from a name and a message, as the signal `Completed` of a job carries them.
    public init?(busName: String, _ message: String) {
        guard busName.hasPrefix(BusNames.errorPrefix) else { return nil }
        self.init(Code(rawValue: String(busName.dropFirst(BusNames.errorPrefix.count))), message)
    }
}
