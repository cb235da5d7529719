import Testing

@testable import VMManagerService

struct LogLimitTests {
    @Test func aFloodIsSummedUp() {
        let limit = LogLimit()
        var lines: [String] = []
        let start = ContinuousClock.now
        for number in 0..<650 { limit.log(at: start + .milliseconds(number), "line \(number)") { lines.append($0) } }
        #expect(lines.count == 500 && lines.last == "line 499")
        limit.log(at: start + .seconds(10), "after") { lines.append($0) }
        #expect(lines.suffix(2) == ["150 more refusals and failures were not logged", "after"])
        limit.log(at: start + .seconds(20), "later") { lines.append($0) }
        #expect(lines.last == "later" && lines.count == 503)
    }
}
