import Testing
import VMCore
import VMModel

@testable import LibvirtHypervisor

@Suite(.timeLimit(.minutes(1))) struct SurveyTests {
    private static func device(_ number: Int, group: Bool) -> String {
        """
        <device>
          <name>pci_0000_00_0\(number)_0</name><parent>computer</parent>
          <capability type='pci'>
            <domain>0</domain><bus>0</bus><slot>\(number)</slot><function>0</function>
            <product id='0x1'>Card</product><vendor id='0x2'>Maker</vendor>
            \(group ? "<iommuGroup number='1'><address domain='0' bus='0' slot='\(number)' function='0'/></iommuGroup>" : "")
          </capability>
        </device>
        """
    }

    private func survey(_ extra: String) async throws -> HostSurvey {
        var result = HostSurvey()
        try await TestHost.with(extra: extra) { result = try await $0.hypervisor.survey(within: .seconds(4)) }
        return result
    }

    @Test func tellsWhatTheDriverKnows() async throws {
        let survey = try await survey(TestHost.network + TestHost.pool)
        #expect(survey.libvirtVersion?.hasPrefix("9.") == true)
        #expect(survey.hypervisor == "TEST 0.0.2")
        // It has neither KVM nor machines, and so says nothing of what goes with those.
        #expect(survey.kvmIsUsable == false && survey.hasQ35 == false)
        #expect(survey.firmware == nil && survey.hasTPMEmulator == nil && survey.canGivePCIDevices == nil)
        #expect(survey.network == .active && survey.diskPool == .active && survey.hasIOMMU == false)
        #expect((survey.memoryMB ?? 0) > 0 && (survey.cpus ?? 0) > 0 && survey.freeDiskBytes != nil)
    }

    @Test func tellsWhatIsMissing() async throws {
        let survey = try await survey("")
        #expect(survey.network == .absent && survey.diskPool == .absent && survey.freeDiskBytes == nil)
    }

    @Test func tellsOfIOMMUGroups() async throws {
        #expect(try await survey(Self.device(1, group: false)).hasIOMMU == false)
        #expect(try await survey(Self.device(1, group: false) + Self.device(2, group: true)).hasIOMMU == true)
    }

    @Test func changesNothing() async throws {
        try await TestHost.with { host async throws in
            _ = try await host.hypervisor.survey(within: .seconds(4))
            #expect(try await host.hypervisor.listVMs().map(\.name) == ["alpha"])
            #expect(!host.events.all.contains { !$0.isConnected })
        }
    }

    @Test func withoutAConnectionItFails() async throws {
        let hypervisor = LibvirtHypervisor(uri: "test:///default")
        #expect(await failure { _ = try await hypervisor.survey(within: .seconds(4)) }?.code == .hypervisorUnavailable)
    }

    @Test func endsWhenTheTimeIsUp() async throws {
        try await TestHost.with { host async throws in
            let start = ContinuousClock.now
            let error = await failure { _ = try await host.hypervisor.survey(within: .zero) }
            #expect(error == nil || error?.code == .timeout)
            #expect(ContinuousClock.now - start < .seconds(1))
        }
    }
}
