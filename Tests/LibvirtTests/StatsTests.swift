import CLibvirt
import Testing

@testable import Libvirt

@Suite struct StatsTests {
    @Test func tellStateAndSizeOfAllDomains() async throws {
        try await TestHost.with(["alpha", "beta"]) { connection in
            try await connection.domain(name: "beta").start()
            let stats = try await connection.allDomainStats().sorted { $0.name < $1.name }
            #expect(stats.map(\.name) == ["alpha", "beta"])
            #expect(stats.map(\.status?.state) == [.shutOff, .running])
            #expect(stats.map(\.maximumMemoryInKiB) == [8192, 8192])
            #expect(stats.map(\.vcpus) == [2, 2])
            #expect(try await connection.allDomainStats(.running).map(\.name) == ["beta"])
        }
    }

    @Test func readTypedParametersOfAnyWidth() throws {
        try withParameters { parameters in
            #expect(parameters.integer("state.state", as: Int32.self) == 5)
            #expect(parameters.integer("vcpu.current", as: UInt64.self) == 4)
            #expect(parameters.integer("balloon.current", as: UInt64.self) == UInt64.max)
            #expect(parameters.integer("negative", as: Int64.self) == -3)
            #expect(parameters.string("text") == "hello")
        }
    }

    @Test func readWhatDoesNotFitAsAbsent() throws {
        try withParameters { parameters in
            #expect(parameters.integer("balloon.current", as: UInt32.self) == nil)
            #expect(parameters.integer("negative", as: UInt64.self) == nil)
            #expect(parameters.integer("text", as: Int32.self) == nil)
            #expect(parameters.integer("missing", as: Int32.self) == nil)
            #expect(parameters.string("state.state") == nil)
            #expect(parameters.string("stat") == nil)
        }
        #expect(TypedParameters(nil, count: 3).integer("any", as: Int32.self) == nil)
    }

    @Test func readARecordFromItsParameters() throws {
        let uuid = try #require(DomainUUID(DomainUUIDTests.text))
        try withParameters { parameters in
            let stats = DomainStats(uuid: uuid, nameBytes: [0xff], parameters)
            #expect(stats.status == DomainStatus(state: .shutOff, reason: 0))
            #expect(stats.vcpus == 4 && stats.memoryInKiB == UInt64.max)
            #expect(stats.maximumVCPUs == nil && stats.maximumMemoryInKiB == nil)
            #expect(stats.name == "\u{fffd}")
        }
    }

    private func withParameters(_ body: (TypedParameters) throws -> Void) throws {
        // libvirt's functions must not be called before its initialization: they would use a thread key that it does
        // not own.
        try EventLoop.start()
        var list: UnsafeMutablePointer<virTypedParameter>?
        var count: Int32 = 0
        var capacity: Int32 = 0
        defer { virTypedParamsFree(list, count) }
        #expect(virTypedParamsAddInt(&list, &count, &capacity, "state.state", 5) == 0)
        #expect(virTypedParamsAddUInt(&list, &count, &capacity, "vcpu.current", 4) == 0)
        #expect(virTypedParamsAddULLong(&list, &count, &capacity, "balloon.current", .max) == 0)
        #expect(virTypedParamsAddLLong(&list, &count, &capacity, "negative", -3) == 0)
        #expect(virTypedParamsAddString(&list, &count, &capacity, "text", "hello") == 0)
        try body(TypedParameters(list, count: Int(count)))
    }
}
