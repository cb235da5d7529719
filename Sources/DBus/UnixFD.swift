import Glibc

/// The owner of one file descriptor, which is closed when the last reference goes.
///
/// Two values are equal if they are the same owner.
public final class UnixFD: Hashable, Sendable {
    /// The descriptor; valid as long as this object is held.
    public let rawValue: Int32

    /// Takes over `rawValue`; the caller must not close it any more.
    public init(owning rawValue: Int32) {
        self.rawValue = rawValue
    }

    deinit {
        if rawValue >= 0 { close(rawValue) }
    }

    /// A second descriptor for the same open file, with close-on-exec set. Calls `fcntl(F_DUPFD_CLOEXEC)`.
    /// - Throws: `Failed` with the text of `errno`.
    public func duplicated() throws(DBusError) -> UnixFD {
        let copy = fcntl(rawValue, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw .failed("cannot duplicate a descriptor: \(String(cString: strerror(errno)))") }
        return UnixFD(owning: copy)
    }

    public static func == (left: UnixFD, right: UnixFD) -> Bool { left === right }

    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
