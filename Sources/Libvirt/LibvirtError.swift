import CLibvirt

/// What went wrong in a call to libvirt, with libvirt's own numbers and words.
///
/// Decide by ``kind`` and ``code``, never by ``message``: the text is for people and may be translated.
public struct LibvirtError: Error, Sendable, Hashable {
    /// Who failed the call.
    public enum Kind: Sendable, Hashable {
        /// libvirt refused or failed; ``LibvirtError/code`` says how.
        case libvirt
        /// The call did not return in time. It may still take effect.
        case deadlineExceeded
        /// The connection is closed, by us or by the daemon; ``LibvirtError/code`` is what the call reported, if it
        /// ran.
        case connectionClosed
        /// Too many calls wait for a thread; the call was not made.
        case queueFull
    }

    /// Who failed the call.
    public var kind: Kind
    /// libvirt's error number; `.ok` when libvirt was not asked.
    public var code: Code
    /// The part of libvirt that failed.
    public var source: Source
    /// How bad it is.
    public var level: Level
    /// libvirt's text. It may name paths of the host.
    public var message: String
    /// The C function that was called, such as `virDomainCreate`.
    public var operation: String
    /// The name of the domain, pool, volume or network the call was for; nil for the connection itself.
    public var object: String?
    /// With `.systemError` the `errno` of what failed; else 0.
    public var systemErrno: Int32 = 0

    /// An error with everything stated.
    public init(
        kind: Kind = .libvirt, code: Code, source: Source = .none, level: Level = .error, message: String,
        operation: String, object: String? = nil
    ) {
        self.kind = kind
        self.code = code
        self.source = source
        self.level = level
        self.message = message
        self.operation = operation
        self.object = object
    }
}

extension LibvirtError: CustomStringConvertible {
    /// One line with the operation, the object, the message and libvirt's numbers.
    public var description: String {
        let target = object.map { " '\($0)'" } ?? ""
        let numbers = code == .ok ? "" : " (error \(code.rawValue), domain \(source.rawValue))"
        return "\(operation)\(target): \(message)\(numbers)"
    }
}

extension LibvirtError {
    /// Whether an error is libvirt's with this code: `catch let error where LibvirtError.is(error, .noDomain)`.
    public static func `is`(_ error: any Error, _ code: Code) -> Bool {
        (error as? LibvirtError)?.code == code
    }

    /// The error of the last failed libvirt call *of this thread*; call it in the closure that made the call.
    ///
    /// Calls `virGetLastError`.
    static func last(operation: String, object: String?) -> LibvirtError {
        guard let error = virGetLastError()?.pointee else {
            return LibvirtError(
                code: .internalError, message: "libvirt reported a failure without an error", operation: operation,
                object: object)
        }
        var own = LibvirtError(
            code: Code(rawValue: error.code), source: Source(rawValue: error.domain),
            level: Level(rawValue: Int32(bitPattern: error.level.rawValue)),
            message: error.message.map { String(cString: $0) } ?? "no message", operation: operation, object: object)
        if own.code == .systemError { own.systemErrno = error.int1 }
        return own
    }

    static func deadlineExceeded(operation: String, after deadline: Duration) -> LibvirtError {
        LibvirtError(
            kind: .deadlineExceeded, code: .ok, message: "no answer within \(deadline)", operation: operation)
    }

    static func connectionClosed(operation: String, object: String?) -> LibvirtError {
        LibvirtError(
            kind: .connectionClosed, code: .ok, message: "the connection to libvirt is closed", operation: operation,
            object: object)
    }

    static func queueFull(operation: String, limit: Int) -> LibvirtError {
        LibvirtError(
            kind: .queueFull, code: .ok, message: "\(limit) calls already wait for a thread", operation: operation)
    }
}
