/// A VM's identity: 16 bytes, printed as the canonical lower-case text of RFC 4122.
///
/// It is the key everywhere, because a name may change and a foreign name may be anything.
public struct VMUUID: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let high: UInt64
    public let low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Sixteen bytes in network order, as `virDomainGetUUID` gives them; nil for any other number of bytes.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for (position, byte) in bytes.enumerated() {
            if position < 8 { high = high << 8 | UInt64(byte) } else { low = low << 8 | UInt64(byte) }
        }
        self.init(high: high, low: low)
    }

    /// The text form with hyphens at their places (`8-4-4-4-12` hexadecimal digits, either case); nil for anything else.
    public init?(_ text: String) {
        self.init(text.utf8, separator: UInt8(ascii: "-"))
    }

    /// The form of an object path's last element, where `_` stands for `-`.
    public init?(pathElement: some Collection<UInt8>) {
        self.init(pathElement, separator: UInt8(ascii: "_"))
    }

    /// A new random UUID (version 4) from the system's generator.
    public static func random() -> VMUUID {
        var generator = SystemRandomNumberGenerator()
        let high = generator.next() & 0xffff_ffff_ffff_0fff | 0x0000_0000_0000_4000
        let low = generator.next() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
        return VMUUID(high: high, low: low)
    }

    public var description: String { text(separator: UInt8(ascii: "-")) }

    /// The UUID as an element of an object path, `_` for `-`.
    public var pathElement: String { text(separator: UInt8(ascii: "_")) }

    public static func < (left: VMUUID, right: VMUUID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }

    private init?(_ text: some Collection<UInt8>, separator: UInt8) {
        var (high, low) = (UInt64(0), UInt64(0))
        var position = 0
        for byte in text {
            switch position {
            case 8, 13, 18, 23: guard byte == separator else { return nil }
            default:
                guard let digit = Self.digit(byte) else { return nil }
                if position < 18 { high = high << 4 | UInt64(digit) } else { low = low << 4 | UInt64(digit) }
            }
            position += 1
        }
        guard position == 36 else { return nil }
        self.init(high: high, low: low)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    private func text(separator: UInt8) -> String {
        String(unsafeUninitializedCapacity: 36) { buffer in
            var position = 0
            for nibble in 0..<32 {
                if nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20 {
                    buffer[position] = separator
                    position += 1
                }
                let half = nibble < 16 ? high : low
                let value = UInt8(truncatingIfNeeded: half >> UInt64(60 - 4 * (nibble % 16))) & 0xf
                buffer[position] = value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") - 10 + value
                position += 1
            }
            return position
        }
    }
}
