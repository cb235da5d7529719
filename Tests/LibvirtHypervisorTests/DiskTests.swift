import Testing
import VMCore
import VMModel

@testable import LibvirtHypervisor

@Suite(.timeLimit(.minutes(1))) struct DiskTests {
    @Test func makesAndRemovesADisk() async throws {
        try await TestHost.with { host async throws in
            let planned = try await host.hypervisor.pathOfDisk(named: "a.qcow2")
            #expect(planned == "/nowhere/disks/a.qcow2")
            let made = try await host.hypervisor.createDisk(named: "a.qcow2", sizeBytes: 1 << 30)
            #expect(made == planned)
            try await host.hypervisor.deleteVolume(atPath: made)
            // Gone already is what was wanted.
            try await host.hypervisor.deleteVolume(atPath: made)
            let again = try await host.hypervisor.createDisk(named: "a.qcow2", sizeBytes: 1 << 30)
            #expect(again == made)
        }
    }

    @Test func makesThePoolThatIsAbsent() async throws {
        try await TestHost.with(extra: "") { host async throws in
            let planned = try await host.hypervisor.pathOfDisk(named: "a.qcow2")
            #expect(planned == "/var/lib/libvirt/images/a.qcow2")
            // Many at once share the making of the pool.
            let paths = try await withThrowingTaskGroup(of: String.self) { group in
                for number in 0..<20 {
                    group.addTask {
                        try await host.hypervisor.createDisk(named: "\(number).qcow2", sizeBytes: 1 << 30)
                    }
                }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(paths == Set((0..<20).map { "/var/lib/libvirt/images/\($0).qcow2" }))
        }
    }

    @Test func removesNothingWhereThereIsNoPool() async throws {
        try await TestHost.with(extra: "") { host async throws in
            try await host.hypervisor.deleteVolume(atPath: "/var/lib/libvirt/images/a.qcow2")
        }
    }

    @Test(arguments: [
        "/etc/passwd", "/nowhere/disks/../a.qcow2", "/nowhere/disks/sub/a.qcow2", "/nowhere/disks", "a.qcow2", "",
        "/nowhere/disks//a.qcow2", "/nowhere/disks/a.qcow2/",
    ])
    func removesNothingOutsideThePool(path: String) async throws {
        try await TestHost.with { host async throws in
            let kept = try await host.hypervisor.createDisk(named: "a.qcow2", sizeBytes: 1 << 30)
            #expect(await failure { try await host.hypervisor.deleteVolume(atPath: path) }?.code == .pathNotAllowed)
            // It is still there: making it again fails.
            #expect(await failure { _ = try await host.hypervisor.createDisk(named: "a.qcow2", sizeBytes: 1) } != nil)
            try await host.hypervisor.deleteVolume(atPath: kept)
        }
    }

    @Test func saysWhenThePoolIsFull() async throws {
        // The test driver's pool has 100 GiB, and takes the whole capacity of each volume from it.
        try await TestHost.with { host async throws in
            _ = try await host.hypervisor.createDisk(named: "big.qcow2", sizeBytes: (100 << 30) - (8 << 20))
            let error = await failure { _ = try await host.hypervisor.createDisk(named: "a.qcow2", sizeBytes: 1 << 30) }
            #expect(error?.code == .noSpace)
        }
    }
}
