import Testing
import XMLReading

@testable import Libvirt

@Suite struct StorageTests {
    static let volumeXML = """
        <volume><name>disk.qcow2</name><capacity unit='bytes'>1048576</capacity>
        <target><format type='qcow2'/></target></volume>
        """

    @Test func findsPools() async throws {
        try await TestHost.with { connection in
            #expect(try await connection.storagePools().map(\.name) == ["default"])
            let pool = try await connection.storagePool(name: "default")
            #expect(try await pool.targetPath() == "/nowhere/default")
            #expect(await code { _ = try await connection.storagePool(name: "none") } == .noStoragePool)
            // The test driver cannot look for a path; the error says so and keeps what was asked for.
            let error = await failure { _ = try await connection.storagePool(targetPath: "/none") }
            #expect(error?.code == .noSupport && error?.object == "/none")
        }
    }

    @Test func definesBuildsAndStartsAPool() async throws {
        try await TestHost.with { connection in
            let pool = try await connection.defineStoragePool(
                xml: "<pool type='dir'><name>new</name><target><path>/nowhere/new</path></target></pool>", name: "new")
            #expect(try await !pool.isActive())
            try await pool.build()
            try await pool.start()
            #expect(try await pool.isActive())
            try await pool.setAutostart(true)
            #expect(try await pool.autostart())
            try await pool.refresh()
            let info = try await pool.info()
            #expect(info.isRunning && info.capacity > 0 && info.capacity == info.allocation + info.available)
            try await pool.stop()
            #expect(try await !pool.isActive())
            try await pool.undefine()
            #expect(await code { _ = try await connection.storagePool(name: "new") } == .noStoragePool)
        }
    }

    @Test func makesFindsAndDeletesVolumes() async throws {
        try await TestHost.with { connection in
            let pool = try await connection.storagePool(name: "default")
            let volume = try await pool.createVolume(xml: Self.volumeXML)
            #expect(volume.name == "disk.qcow2")
            let path = try await volume.path()
            #expect(path == "/nowhere/default/disk.qcow2")
            #expect(try await pool.volumes().map(\.name) == ["disk.qcow2"])
            #expect(try await pool.volume(name: "disk.qcow2").key == volume.key)
            #expect(try await connection.volume(path: path).key == volume.key)
            #expect(try await connection.volume(key: volume.key).name == volume.name)
            #expect(try await volume.info().capacity == 1_048_576)
            #expect(try await XMLTree(parsing: volume.xml()).first("name")?.text == "disk.qcow2")
            let twice = await code { _ = try await pool.createVolume(xml: Self.volumeXML) }
            // The storage driver has `storageVolExist` for this; the test driver its own code.
            #expect(twice == .operationFailed)
            try await volume.delete()
            #expect(await code { _ = try await pool.volume(name: "disk.qcow2") } == .noStorageVol)
            #expect(await code { _ = try await connection.volume(path: path) } == .noStorageVol)
        }
    }

    @Test func startsNetworks() async throws {
        try await TestHost.with { connection in
            #expect(try await connection.networks().map(\.name) == ["default"])
            let network = try await connection.network(name: "default")
            if try await network.isActive() { try await network.stop() }
            #expect(try await !network.isActive())
            try await network.start()
            #expect(try await network.isActive())
            #expect(await code { try await network.start() } == .operationInvalid)
            try await network.setAutostart(true)
            #expect(try await network.autostart())
            #expect(try await XMLTree(parsing: network.xml()).first("bridge")?.attributes["name"] == "virbr9")
            let error = await failure { _ = try await connection.network(name: "none") }
            #expect(error?.code == .noNetwork && error?.source == .network || error?.source == .test)
        }
    }
}
