public import DBus
public import VMModel

extension VMError {
    /// The error as it goes to a caller: name and message, without the cause.
    public var busError: DBusError {
        DBusError(name: BusNames.errorPrefix + code.rawValue, message: message)
    }

    /// An error of this service as a client received it; nil for errors with other names. A code that this version does not know is kept.
    public init?(_ error: DBusError) {
        guard error.name.hasPrefix(BusNames.errorPrefix) else { return nil }
        self.init(Code(rawValue: String(error.name.dropFirst(BusNames.errorPrefix.count))), error.message)
    }
}
