/// The address of a PCI device on the host.
public struct PCIAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let domain: UInt32
    public let bus: UInt8
    /// 0 to 31.
    public let slot: UInt8
    /// 0 to 7.
    public let function: UInt8

    /// nil for a slot or function that is out of range.
    public init?(domain: UInt32, bus: UInt8, slot: UInt8, function: UInt8) {
        guard slot < 32, function < 8 else { return nil }
        self.domain = domain
        self.bus = bus
        self.slot = slot
        self.function = function
    }

    /// Reads an address as `lspci -D` writes it, `0000:01:00.0`: hexadecimal, a domain of four to eight digits, two for bus
    /// and slot, one for the function. nil for anything else.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard (12...16).contains(bytes.count) else { return nil }
        let rest = bytes.count - 8
        guard bytes[rest] == UInt8(ascii: ":"), bytes[rest + 3] == UInt8(ascii: ":"),
            bytes[rest + 6] == UInt8(ascii: "."),
            let domain = Self.hexadecimal(bytes[..<rest]), let bus = Self.hexadecimal(bytes[(rest + 1)..<(rest + 3)]),
            let slot = Self.hexadecimal(bytes[(rest + 4)..<(rest + 6)]),
            let function = Self.hexadecimal(bytes[(rest + 7)...])
        else { return nil }
        self.init(
            domain: domain, bus: UInt8(clamping: bus), slot: UInt8(clamping: slot), function: UInt8(clamping: function))
    }

    public var description: String {
        "\(Self.digits(domain, 4)):\(Self.digits(UInt32(bus), 2)):\(Self.digits(UInt32(slot), 2)).\(function)"
    }

    public static func < (left: PCIAddress, right: PCIAddress) -> Bool {
        (left.domain, left.bus, left.slot, left.function) < (right.domain, right.bus, right.slot, right.function)
    }

    /// A number in hexadecimal with at least so many digits.
    public static func digits(_ number: UInt32, _ count: Int) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: max(0, count - digits.utf8.count)) + digits
    }

    /// Digits alone, unlike `UInt32(_:radix:)`, which takes a sign.
    private static func hexadecimal(_ bytes: ArraySlice<UInt8>) -> UInt32? {
        let areDigits = bytes.allSatisfy { byte in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
        }
        return areDigits ? UInt32(String(decoding: bytes, as: UTF8.self), radix: 16) : nil
    }
}
