import DBus
import Testing
import VMCore
import VMManagerAPI
import VMModel
import VMTestSupport

@testable import VMManagerService

/// `CheckHost`.
@Suite(.timeLimit(.minutes(1))) struct ServiceHostTests {
    private static func rows(_ rig: ServiceRig) async throws -> [[String]] {
        let reply = try #require(try await rig.call("CheckHost").first)
        #expect(reply.type.signature == "a(ssss)")
        return (reply.arrayValue ?? []).map { ($0.structureValue ?? []).compactMap(\.stringValue) }
    }

    private static func polkit(_ rig: ServiceRig) async throws -> [String] {
        try await rows(rig).last ?? []
    }

    @Test func theRowsAreThoseOfTheHostAndPolkit() async throws {
        try await ServiceRig.with { rig async throws in
            let polkit = try await FakePolkit(rig.bus, .no)
            rig.fake.change { $0.survey.kvmIsUsable = false }
            let rows = try await Self.rows(rig)
            #expect(rows.map { $0[0] }.first == "libvirt" && rows.count == 14)
            #expect(rows.filter { $0[1] != "pass" }.map { $0[0] } == ["kvm"])
            #expect(rows.last == ["polkit", "pass", "it answers", ""])
            // About the service itself, and without a prompt.
            let question = try #require(polkit.questions.first)
            #expect(polkit.questions.count == 1 && question.flags == 0)
            #expect(question.subject == "system-bus-name \(rig.serviceName)")
            #expect(question.action == "org.neuronos.vmmanager.create")
            await polkit.end()
        }
    }

    @Test func polkitFailsInDifferentWays() async throws {
        try await ServiceRig.with { rig async throws in
            #expect(
                try await Self.polkit(rig).prefix(3) == [
                    "polkit", "fail", "it is not there: only root may do anything",
                ])
            let polkit = try await FakePolkit(rig.bus, .yes)
            for answer in [FakePolkit.Answer.yes, .no, .challenge, .dismissed] {
                polkit.answer { _ in answer }
                #expect(try await Self.polkit(rig)[1] == "pass")
            }
            polkit.answer { _ in .error }
            #expect(
                try await Self.polkit(rig)[2] == "it does not know this service's actions: only root may do anything")
            let gate = Gate()
            polkit.answer { _ in .later(gate, .yes) }
            #expect(try await Self.polkit(rig)[2] == "it does not answer: only root may do anything")
            gate.open()
            await polkit.end()
        }
    }

    @Test func callsAtTheSameTimeShareOneExamination() async throws {
        try await ServiceRig.with { rig async throws in
            let polkit = try await FakePolkit(rig.bus, .yes)
            rig.fake.forgetCalls()
            let gate = rig.fake.hold(.survey)
            try await withThrowingTaskGroup(of: [[String]].self) { group in
                for _ in 0..<100 { group.addTask { try await Self.rows(rig) } }
                try await gate.reached()
                gate.open()
                var replies: Set<[[String]]> = []
                for try await rows in group { replies.insert(rows) }
                #expect(replies.count == 1)
            }
            // Whoever came after the first had its answer has one more.
            #expect(rig.fake.calls.count <= 2 && polkit.questions.count <= 2)
            await polkit.end()
        }
    }

    @Test func oneThatComesLaterSeesWhatIsThen() async throws {
        try await ServiceRig.with { rig async throws in
            let polkit = try await FakePolkit(rig.bus, .yes)
            let start = ContinuousClock.now
            for count in 1...4 {
                rig.fake.change { $0.survey.cpus = UInt32(count) }
                #expect(try await Self.rows(rig).first { $0[0] == "cpus" }?[2] == "\(count)")
            }
            // With a pause between them.
            #expect(ContinuousClock.now - start >= .milliseconds(1500))
            await polkit.end()
        }
    }

    @Test func withoutLibvirtItAnswers() async throws {
        try await ServiceRig.with { rig async throws in
            let polkit = try await FakePolkit(rig.bus, .yes)
            rig.fake.disconnect()
            let rows = try await Self.rows(rig)
            #expect(rows.first?[1] == "fail" && rows.count == 14)
            #expect(rows.dropFirst().prefix(11).allSatisfy { $0[1] == "warn" && $0[2] == "not known" })
            await polkit.end()
        }
    }
}
