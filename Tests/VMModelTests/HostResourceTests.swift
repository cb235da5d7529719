import Testing
import VMModel

/// The words for what a VM can have of the host.
@Suite struct HostResourceTests {
    @Test(arguments: [
        ("0000:01:00.0", "0000:01:00.0"), ("0000:ff:1f.7", "0000:ff:1f.7"), ("0000:AB:0c.3", "0000:ab:0c.3"),
        ("00010000:0a:08.1", "10000:0a:08.1"), ("10000:00:00.0", "10000:00:00.0"),
        ("ffffffff:00:00.0", "ffffffff:00:00.0"),
    ])
    func addresses(text: String, canonical: String) throws {
        #expect(try #require(PCIAddress(text)).description == canonical)
    }

    @Test func partsAreHexadecimal() throws {
        let address = try #require(PCIAddress("0001:10:1a.3"))
        #expect((address.domain, address.bus, address.slot, address.function) == (1, 16, 26, 3))
        #expect(PCIAddress(domain: 1, bus: 16, slot: 26, function: 3) == address)
    }

    @Test(arguments: [
        "", "01:00.0", "000:01:00.0", "000000000:01:00.0", "0000:1:00.0", "0000:01:0.0", "0000:01:00", "0000:01:00.",
        "0000:01:00.8", "0000:01:00.00", "0000:01:20.0", "0000:01:ff.0", "0000:0g:00.0", "0000-01-00.0", "0000:01:00:0",
        "0000:01.00.0", " 0000:01:00.0", "0000:01:00.0 ", "0000:01:00.0\n", "+000:01:00.0", "0000:+1:00.0",
        "0x00:01:00.0",
        "pci_0000_01_00_0", "0000:01:00.0,0000:01:00.1", "００００:01:00.0", "0000:01:00.a", "-000:01:00.0",
    ])
    func noAddresses(text: String) {
        #expect(PCIAddress(text) == nil)
    }

    @Test func addressesHaveLimitsAndAnOrder() throws {
        #expect(PCIAddress(domain: 0, bus: 0, slot: 32, function: 0) == nil)
        #expect(PCIAddress(domain: 0, bus: 0, slot: 0, function: 8) == nil)
        let sorted = ["0000:00:01.0", "0000:00:01.1", "0000:00:1f.0", "0000:01:00.0", "0001:00:00.0"].map(
            PCIAddress.init)
        #expect(sorted.shuffled().compactMap(\.self).sorted() == sorted.compactMap(\.self))
    }

    @Test(arguments: ["0", "7", "0-3", "0-3,8", "8,0-3,9-9", "16383", "0,0"])
    func sets(text: String) {
        #expect(CPUSet(text) != nil)
    }

    @Test(arguments: [
        "", ",", "0,", ",0", "0-", "-1", "3-0", "0--3", "0-1-2", "a", "0x1", "+1", "1 ", " 1", "1\n", "^1", "16384",
        "99999",
        "100000", "4294967296", "0,,1", "１", String(repeating: "1,", count: 128) + "1",
    ])
    func noSets(text: String) {
        #expect(CPUSet(text) == nil)
    }

    @Test func numbersAreWrittenAsRanges() {
        #expect(CPUSet.text([8, 0, 2, 1, 3]) == "0-3,8")
        #expect(CPUSet.text([.max, 0]) == "0,4294967295")
        #expect(CPUSet.text([]) == "")
    }

    @Test func whatIsNotThereIsNamed() throws {
        #expect(try #require(CPUSet("0-3,8")).numbers(notIn: [0, 1, 3]) == [2, 8])
        #expect(try #require(CPUSet("0-1")).numbers(notIn: [0, 1, 2]).isEmpty)
    }
}
