/// Amounts of memory and disk, as people write and read them.
enum Sizes {
    /// MiB in the largest unit that leaves a whole number: `8 GiB`, `512 MiB`.
    static func text(mebibytes: UInt64) -> String {
        switch mebibytes {
        case let size where size >= 1 << 20 && size % (1 << 20) == 0: "\(size >> 20) TiB"
        case let size where size >= 1 << 10 && size % (1 << 10) == 0: "\(size >> 10) GiB"
        default: "\(mebibytes) MiB"
        }
    }

    /// Bytes in the largest unit of which there is one, with a digit after the point: `631.2 MiB`, `512 B`.
    static func text(bytes: UInt64) -> String {
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        guard bytes >= 1024 else { return "\(bytes) B" }
        var power = 0
        while power < units.count - 1, bytes >> (10 * UInt64(power + 2)) > 0 { power += 1 }
        let unit: UInt64 = 1 << (10 * UInt64(power + 1))
        return "\(bytes / unit).\(bytes % unit / (unit / 10 + 1)) \(units[power])"
    }

    /// The MiB of a memory size: a number of GiB, or a number with one of the units M, G and T. Nil for anything else, and for 0.
    static func mebibytes(_ text: String) -> UInt64? {
        amount(text, units: ["m": 1, "": 1 << 10, "g": 1 << 10, "t": 1 << 20])
    }

    /// The GiB of a disk size: a number of GiB, or a number with one of the units G and T. Nil for anything else, and for 0.
    static func gibibytes(_ text: String) -> UInt64? {
        amount(text, units: ["": 1, "g": 1, "t": 1 << 10])
    }

    /// A unit may be followed by `iB` or `B`: all of them mean powers of 1024, as everywhere here.
    private static func amount(_ text: String, units: [String: UInt64]) -> UInt64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        var unit = text.dropFirst(digits.count).lowercased()
        if unit.hasPrefix(" ") { unit.removeFirst() }
        for suffix in ["ib", "b"] where unit.count > suffix.count && unit.hasSuffix(suffix) {
            unit.removeLast(suffix.count)
        }
        guard let number = UInt64(digits), number > 0, let factor = units[unit] else { return nil }
        let (size, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : size
    }
}
