/// The name of a medium in the library, which is also the name of its file: checked byte by byte.
///
/// A letter or digit, then up to 127 letters, digits, `.`, `_` or `-`, all ASCII.
public struct MediaName: Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String

    /// Where the administrator puts media that every VM may have: the library's own directory, and that of packages. Nobody but root
    /// writes there, so that a path in them leads nowhere else.
    public static let directories = ["/var/lib/libvirt/neuron-media", "/usr/share/neuron-vm/media"]

    private static let maximumBytes = 128

    /// - Throws: `VMError` with code `invalidArgument` that says what is allowed; it never repeats the name.
    public init(_ text: String) throws(VMError) {
        let bytes = Array(text.utf8.prefix(Self.maximumBytes + 1))
        guard let first = bytes.first, Self.isAlphanumeric(first), bytes.count <= Self.maximumBytes,
            bytes.allSatisfy({ Self.isAlphanumeric($0) || $0 == 0x2e || $0 == 0x5f || $0 == 0x2d })
        else {
            throw VMError(
                .invalidArgument,
                "invalid name of a medium: it is 1 to \(Self.maximumBytes) ASCII letters, digits, '.', '_' or '-', and begins with a "
                    + "letter or digit")
        }
        rawValue = text
    }

    public var description: String { rawValue }

    /// A name that is as near as can be to that of a file: what may not be in a name becomes `-`.
    /// - Returns: nil where nothing is left of it.
    public static func suggested(for fileName: String) -> MediaName? {
        let bytes = fileName.utf8.map { byte in
            isAlphanumeric(byte) || byte == 0x2e || byte == 0x5f || byte == 0x2d ? byte : UInt8(ascii: "-")
        }
        let kept = bytes.drop { !isAlphanumeric($0) }.prefix(maximumBytes)
        return try? MediaName(String(decoding: kept, as: UTF8.self))
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: false
        }
    }
}

/// A medium in the library.
public struct Medium: Hashable, Sendable {
    /// Its name, which is that of its file. Root may have put a file there that no ``MediaName`` could name.
    public let name: String
    public let sizeBytes: UInt64

    public init(name: String, sizeBytes: UInt64) {
        self.name = name
        self.sizeBytes = sizeBytes
    }
}
