/// The name of a VM that this service makes: checked byte by byte, so that it is safe as a file name, in XML and on a terminal.
///
/// A letter or digit, then up to 62 letters, digits, `.`, `_` or `-`, all ASCII; not the shape of a UUID and not digits alone,
/// because other tools take such words for a UUID or an ID. VMs that other tools made keep the names they have, as plain strings.
public struct VMName: Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String

    /// - Throws: `VMError` with code `invalidArgument` that says what is allowed; it never repeats the name.
    public init(_ text: String) throws(VMError) {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, Self.isAlphanumeric(first), bytes.count <= 63,
            bytes.allSatisfy({ Self.isAlphanumeric($0) || $0 == 0x2e || $0 == 0x5f || $0 == 0x2d })
        else {
            throw VMError(
                .invalidArgument,
                "invalid name: a name is 1 to 63 ASCII letters, digits, '.', '_' or '-', and begins with a letter or digit"
            )
        }
        guard !Self.isUUIDShaped(bytes) else {
            throw VMError(.invalidArgument, "invalid name: it has the form of a UUID")
        }
        guard !bytes.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw VMError(.invalidArgument, "invalid name: it consists of digits alone")
        }
        rawValue = text
    }

    public var description: String { rawValue }

    /// Whether libvirt could read the name as a UUID: 32 hexadecimal digits, with hyphens anywhere (`virUUIDParse`).
    private static func isUUIDShaped(_ bytes: [UInt8]) -> Bool {
        let digits = bytes.filter { $0 != 0x2d }
        return digits.count == 32
            && digits.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x46, 0x61...0x66: true
                default: false
                }
            }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: false
        }
    }
}

/// A name as its bytes: two names that differ only in Unicode normalization are two names, as they are for libvirt.
public struct NameBytes: Hashable, Sendable {
    public let bytes: [UInt8]

    public init(_ name: String) {
        bytes = Array(name.utf8)
    }
}
