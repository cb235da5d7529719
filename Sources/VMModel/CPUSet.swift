/// Some of the host's CPUs, by number.
public struct CPUSet: Hashable, Sendable {
    /// The highest number that is taken; libvirt knows no more CPUs than this.
    public static let highestNumber: UInt32 = 16383

    /// Ranges as they were written, in that order.
    public let ranges: [ClosedRange<UInt32>]

    /// Reads numbers and ranges with commas between them, such as `0-3,8`. nil for anything else.
    public init?(_ text: String) {
        guard text.utf8.count <= 255 else { return nil }
        var ranges: [ClosedRange<UInt32>] = []
        for part in text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let numbers = part.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false).map(Self.number)
            guard (1...2).contains(numbers.count), let first = numbers[0], let last = numbers[numbers.count - 1],
                first <= last
            else { return nil }
            ranges.append(first...last)
        }
        self.ranges = ranges
    }

    /// Numbers as a set is written: `0-3,8`.
    public static func text(_ numbers: Set<UInt32>) -> String {
        var ranges: [ClosedRange<UInt32>] = []
        for number in numbers.sorted() {
            if let last = ranges.last, last.upperBound.addingReportingOverflow(1) == (number, false) {
                ranges[ranges.count - 1] = last.lowerBound...number
            } else {
                ranges.append(number...number)
            }
        }
        return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ",")
    }

    /// The CPUs that are not among others.
    public func numbers(notIn others: Set<UInt32>) -> [UInt32] {
        ranges.flatMap { $0.filter { !others.contains($0) } }
    }

    private static func number(_ digits: Substring.UTF8View) -> UInt32? {
        guard (1...5).contains(digits.count),
            digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = UInt32(String(decoding: digits, as: UTF8.self)), number <= highestNumber
        else { return nil }
        return number
    }
}
