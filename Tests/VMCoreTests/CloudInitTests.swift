import Foundation
import Testing
import VMModel
import VMTestSupport

@testable import VMCore

@Suite(.timeLimit(.minutes(1))) struct CloudInitTests {
    static let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE alice@home"

    private func files(_ cloudInit: CloudInit, _ name: String = "web_1.lan") throws -> [String: String] {
        Dictionary(uniqueKeysWithValues: cloudInit.files(for: try VMName(name), .random()))
    }

    /// A document as YAML that is JSON says it.
    private func parsed(_ text: String?) throws -> [String: Any] {
        let body = try #require(text).replacing("#cloud-config\n", with: "")
        return try #require(try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any])
    }

    @Test func aUserWithKeysLogsInAndMayBecomeRoot() throws {
        let files = try files(CloudInit(user: "alice", sshKeys: [Self.key], userData: nil))
        #expect(Set(files.keys) == ["meta-data", "user-data"])
        #expect(files["user-data"]?.hasPrefix("#cloud-config\n") == true)
        let users = try #require(try parsed(files["user-data"])["users"] as? [[String: Any]])
        #expect(users.count == 1 && users[0]["name"] as? String == "alice")
        #expect(users[0]["ssh_authorized_keys"] as? [String] == [Self.key])
        let metaData = try parsed(files["meta-data"])
        #expect(metaData["local-hostname"] as? String == "web-1.lan")
        #expect(VMUUID(metaData["instance-id"] as? String ?? "") != nil)
    }

    @Test func keysWithoutAUserAreForTheImagesOwn() throws {
        let files = try files(CloudInit(user: nil, sshKeys: [Self.key], userData: nil))
        #expect(try parsed(files["user-data"])["ssh_authorized_keys"] as? [String] == [Self.key])
    }

    @Test func ownUserDataGoFirst() throws {
        let text = "#!/bin/sh\necho 'a\tb'\n"
        let files = try files(CloudInit(user: "bob", sshKeys: [], userData: text))
        #expect(files["user-data"] == text)
        #expect((try parsed(files["vendor-data"])["users"] as? [Any])?.count == 1)
    }

    /// What is in a key's comment stays there.
    @Test func noTextBreaksOutOfItsPlace() throws {
        let hostile = #"ssh-rsa AAAA "}], "runcmd": ["x"], \ : - # {{ \u0041"#
        let files = try files(CloudInit(user: "a", sshKeys: [hostile], userData: nil))
        let parsed = try parsed(files["user-data"])
        #expect(Set(parsed.keys) == ["users", "ssh_pwauth"])
        #expect((parsed["users"] as? [[String: Any]])?[0]["ssh_authorized_keys"] as? [String] == [hostile])
    }

    @Test(arguments: [
        "", "Alice", "1a", "-a", "a b", "a\n", "a:b", "caf\u{e9}", String(repeating: "a", count: 33), "root\0", "a/b",
    ])
    func aUserNameIsOneOfLinux(_ name: String) {
        let error = #expect(throws: VMError.self) {
            _ = try CloudInit(user: name, sshKeys: [Self.key], userData: nil)
        }
        #expect(error?.code == .invalidArgument && error?.message.hasPrefix("user must be") == true)
    }

    @Test(arguments: [
        "", "ssh-rsa", "rsa AAAA", "ssh-rsa AAAA\nssh-rsa BBBB", "ssh-rsa AAAA\0",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "ssh-rsa " + String(repeating: "A", count: 17 << 10),
    ])
    func aKeyIsALine(_ key: String) {
        let error = #expect(throws: VMError.self) { _ = try CloudInit(user: nil, sshKeys: [key], userData: nil) }
        #expect(error?.message.hasPrefix("ssh_keys must be") == true)
        #expect(throws: VMError.self) {
            _ = try CloudInit(user: nil, sshKeys: Array(repeating: Self.key, count: 65), userData: nil)
        }
    }

    @Test(arguments: [
        "", "packages: [x]", "#!/bin/sh\0", " #cloud-config",
        "#cloud-config\n" + String(repeating: "a", count: 257 << 10),
    ])
    func userDataThatCloudInitWouldPassOverAreRefused(_ text: String) {
        let error = #expect(throws: VMError.self) { _ = try CloudInit(user: nil, sshKeys: [], userData: text) }
        #expect(error?.message.hasPrefix("cloud_init must be") == true)
    }

    @Test func aUserWithoutAKeyCouldNotLogIn() {
        let error = #expect(throws: VMError.self) { _ = try CloudInit(user: "a", sshKeys: [], userData: nil) }
        #expect(error?.message == "user needs ssh_keys, or nobody could log in")
    }

    // MARK: With a VM

    private func request() throws -> CreateRequest {
        var request = linuxRequest("web")
        request.cloudInit = try CloudInit(user: "alice", sshKeys: [Self.key], userData: nil)
        return request
    }

    @Test func theSeedIsMadeAndGoesWithTheVM() async throws {
        let rig = try await Rig()
        let uuid = try await rig.manager.create(request(), owner: 0)
        let path = "/pool/web-\(uuid)-seed.iso"
        #expect(rig.fake.world.contents[path].map { String(decoding: $0, as: UTF8.self) }?.contains("alice") == true)
        #expect(rig.fake.world.machines[uuid]?.xml.contains("<seed>\(path)</seed>") == true)
        #expect(rig.seeds.all.count == 1 && rig.intents.kept.isEmpty)
        // Without its VM it is of no use, also when the disk is kept.
        rig.fake.change { $0.machines[uuid]?.disks.append(VMDisk(path: path, isOwn: true)) }
        let kept = try await rig.manager.delete(uuid, deleteDisks: false)
        #expect(kept == ["/pool/web-\(uuid).qcow2"])
        #expect(Array(rig.fake.world.disks.keys) == kept)
    }

    @Test func whatIsToBeMadeIsNoted() async throws {
        let rig = try await Rig()
        let gate = rig.fake.hold(.createVolume)
        let create = Task { [request = try request()] in try await rig.manager.create(request, owner: 0) }
        try await gate.reached()
        let volumes = try #require(rig.intents.kept.first?.volumes)
        #expect(volumes.count == 2 && volumes[1].hasSuffix("-seed.iso"))
        gate.open()
        _ = try await create.value
    }

    @Test(arguments: [FakeHypervisor.Step.createVolume, .fill, .define])
    func aFailureLeavesNothing(_ step: FakeHypervisor.Step) async throws {
        let rig = try await Rig()
        for code in [VMError.Code.noSpace, .timeout] {
            rig.fake.fail(step, with: VMError(code, "no"), code == .timeout ? .after : .before)
            #expect(await rig.failureCreating(try request())?.code == code)
            try await rig.settle()
            #expect(rig.fake.world == World())
        }
        try await eventually("what was noted to be forgotten") { rig.intents.kept.isEmpty }
    }

    @Test func aSeedThatCannotBeMadeLeavesNothing() async throws {
        let rig = try await Rig()
        rig.seeds.fail(with: VMError(.hostUnsupported, "there is no xorriso"))
        #expect(
            await rig.failureCreating(try request())
                == VMError(.hostUnsupported, "cannot create 'web': there is no xorriso"))
        #expect(rig.fake.world == World() && rig.intents.kept.isEmpty)
    }

    @Test func aGuestThatDoesNotKnowItIsRefused() async throws {
        let rig = try await Rig()
        var request = try request()
        request.guest = .windows
        let error = await rig.failureCreating(request)
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("does not know cloud-init") == true)
        #expect(rig.fake.changes.isEmpty)
    }

    @Test func toRenderNothingIsMade() async throws {
        let rig = try await Rig()
        let xml = try await rig.manager.render(request(), owner: 0)
        #expect(xml.contains("-seed.iso</seed>"))
        #expect(rig.seeds.all.isEmpty && rig.fake.changes.isEmpty)
    }
}

@Suite(.timeLimit(.minutes(1))) struct XorrisoTests {
    @Test func makesAMediumThatHoldsTheFiles() async throws {
        let directory = "/tmp/seeds-\(VMUUID.random())"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let state = try StateDirectory(directory)
        let bytes = try await Xorriso(state).image(of: [("meta-data", "{}\n"), ("user-data", "#cloud-config\n{}\n")])
        // The primary volume descriptor (ECMA-119 8.4): identifier and volume name.
        #expect(Array(bytes[32769..<32774]) == Array("CD001".utf8))
        #expect(Array(bytes[32808..<32814]) == Array("CIDATA".utf8))
        #expect(bytes.count < 1 << 20)
        #expect(try StateDirectory.names(in: directory + "/scratch").isEmpty)
        let file = directory + "/seed.iso"
        try StateDirectory.write(bytes, to: file, isSynced: false)
        let list = Process()
        list.executableURL = URL(filePath: "/usr/bin/xorriso")
        list.arguments = ["-indev", file, "-find", "/", "-type", "f"]
        let pipe = Pipe()
        (list.standardOutput, list.standardError) = (pipe, FileHandle.nullDevice)
        try list.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(text.contains("'/meta-data'") && text.contains("'/user-data'"))
    }
}
