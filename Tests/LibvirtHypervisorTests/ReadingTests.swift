import Testing
import VMCore
import VMModel

@testable import LibvirtHypervisor

@Suite(.timeLimit(.minutes(1))) struct ReadingTests {
    static let metadata = """
        <neuronos:vm xmlns:neuronos='https://neuronos.org/libvirt/1'>
          <neuronos:template>linux-basic</neuronos:template>
          <neuronos:os-type>linux</neuronos:os-type>
          <neuronos:owner-uid>1000</neuronos:owner-uid>
          <neuronos:created-at>1700000000000000</neuronos:created-at>
          <neuronos:volume>/nowhere/disks/own.qcow2</neuronos:volume>
        </neuronos:vm>
        """

    @Test func listsEveryVM() async throws {
        try await TestHost.with(["alpha", "beta", "gamma"]) { host async throws in
            let beta = try await host.vm("beta").uuid
            try await host.hypervisor.start(beta)
            try await host.hypervisor.setAutostart(beta, true)
            let vms = try await host.hypervisor.listVMs().sorted { $0.name < $1.name }
            #expect(vms.map(\.name) == ["alpha", "beta", "gamma"])
            #expect(vms.map(\.state) == [.shutOff, .running, .shutOff])
            #expect(vms.map(\.autostart) == [false, true, false])
            #expect(vms.allSatisfy { $0.memoryMB == 8 && $0.vcpus == 2 && $0.isPersistent && !$0.hasSavedState })
            #expect(vms.allSatisfy { $0.template.isEmpty && $0.osType.isEmpty && $0.ownerUID == nil })
            #expect(vms[1].stateReason == "booted")
        }
    }

    @Test func listsWhatItReadsOneByOne() async throws {
        try await TestHost.with((0..<40).map { "vm-\($0)" }) { host async throws in
            for vm in try await host.hypervisor.listVMs() {
                let read = try await host.hypervisor.readVM(vm.uuid)
                #expect(read == vm)
            }
        }
    }

    @Test func listsMoreVMsThanItReadsAtOnce() async throws {
        try await TestHost.with((0..<1100).map { "vm-\($0)" }) { host async throws in
            let vms = try await host.hypervisor.listVMs()
            #expect(Set(vms.map(\.uuid)).count == 1100)
        }
    }

    @Test func readsItsOwnMetadata() async throws {
        try await TestHost.with { host async throws in
            let uuid = try await host.hypervisor.define(TestHost.domainXML("new", metadata: Self.metadata))
            let vm = try #require(try await host.hypervisor.readVM(uuid))
            #expect(vm.template == "linux-basic" && vm.osType == "linux")
            #expect(vm.ownerUID == 1000 && vm.createdAt == 1_700_000_000_000_000)
        }
    }

    @Test(arguments: [
        "<n:vm xmlns:n='https://neuronos.org/libvirt/1'/>",
        "<n:vm xmlns:n='https://neuronos.org/libvirt/1'><n:owner-uid>-1</n:owner-uid></n:vm>",
        "<n:vm xmlns:n='https://neuronos.org/libvirt/1'><n:owner-uid>4294967295</n:owner-uid></n:vm>",
        "<n:vm xmlns:n='https://neuronos.org/libvirt/1'><n:owner-uid>x</n:owner-uid></n:vm>",
        "<n:vm xmlns:n='https://neuronos.org/libvirt/1'><n:created-at>18446744073709551616</n:created-at></n:vm>",
        "<n:vm xmlns:n='https://example.org/1'><n:template>foreign</n:template><n:owner-uid>5</n:owner-uid></n:vm>",
    ])
    func takesMetadataThatSaysNothingForNone(metadata: String) async throws {
        try await TestHost.with { host async throws in
            let uuid = try await host.hypervisor.define(TestHost.domainXML("new", metadata: metadata))
            let vm = try #require(try await host.hypervisor.readVM(uuid))
            #expect(vm.template.isEmpty && vm.ownerUID == nil && vm.createdAt == 0)
        }
    }

    @Test func readsNothingOfAVMThatIsNotThere() async throws {
        try await TestHost.with { host async throws in
            #expect(try await host.hypervisor.readVM(.random()) == nil)
            #expect(await failure { _ = try await host.hypervisor.definition(of: .random()) }?.code == .notFound)
        }
    }

    @Test func tellsOwnDisksFromOthers() async throws {
        let devices = """
            <disk type='file' device='disk'><source file='/nowhere/disks/own.qcow2'/><target dev='vda'/></disk>
            <disk type='file' device='disk'><source file='/nowhere/disks/other.qcow2'/><target dev='vdb'/></disk>
            <disk type='file' device='cdrom'><source file='/nowhere/install.iso'/><target dev='sda'/><readonly/></disk>
            <disk type='block' device='disk'><source dev='/dev/nowhere'/><target dev='vdc'/></disk>
            """
        try await TestHost.with { host async throws in
            let uuid = try await host.hypervisor.define(
                TestHost.domainXML("new", metadata: Self.metadata, devices: devices))
            let disks = try await host.hypervisor.disks(of: uuid)
            #expect(
                disks == [
                    VMDisk(path: "/nowhere/disks/own.qcow2", isOwn: true),
                    VMDisk(path: "/nowhere/disks/other.qcow2", isOwn: false),
                    VMDisk(path: "/dev/nowhere", isOwn: false),
                ])
        }
    }

    @Test func givesTheDefinition() async throws {
        try await TestHost.with { host async throws in
            let definition = try await host.hypervisor.definition(of: try await host.vm().uuid)
            #expect(definition.contains("<name>alpha</name>"))
        }
    }
}
