import ArgumentParser
import Foundation
import Testing
import VMManagerClient
import VMModel

@testable import NeuronVMCommands

struct ParsingTests {
    private func parse<Command: ParsableCommand>(_ type: Command.Type, _ arguments: String...) throws -> Command {
        try #require(try NeuronVM.parseAsRoot(arguments) as? Command)
    }

    @Test func eachVerbIsParsed() throws {
        #expect(try parse(List.self, "list", "--json").format.json)
        #expect(try parse(List.self, "list", "-q").quiet)
        #expect(try parse(Info.self, "info", "a", "--json").format.json)
        #expect(try parse(Start.self, "start", "a", "b").targets.vms == ["a", "b"])
        #expect(try parse(Pause.self, "pause", "a").targets.references == [.name("a")])
        #expect(try parse(Resume.self, "resume", "a").targets.vms == ["a"])
        #expect(try parse(Reboot.self, "reboot", "a").targets.vms == ["a"])
        #expect(try parse(Reset.self, "reset", "--", "-x").targets.vms == ["-x"])
        #expect(try parse(Autostart.self, "autostart", "a", "on").setting == .on)
        #expect(try parse(XML.self, "xml", "a").target.vm == "a")
        #expect(try parse(Watch.self, "watch", "--json").json)
        #expect(try parse(Templates.self, "templates", "linux-basic").name == "linux-basic")
        #expect(try parse(Render.self, "render", "linux-basic", "a").rendering.template == "linux-basic")
        #expect(try parse(Template.List.self, "template", "list", "--json").format.json)
        #expect(try parse(Template.Show.self, "template", "show", "linux-basic").name == "linux-basic")
        let render = try parse(Template.Render.self, "template", "render", "linux-basic", "a", "--cpus", "3").rendering
        #expect((render.template, render.name, render.hardware.cpus) == ("linux-basic", "a", 3))
        #expect(try parse(Start.self, "start", "a", "--no-ask-password").service.noAskPassword)
        let stop = try parse(Stop.self, "stop", "a", "--force", "--timeout", "5")
        #expect(stop.force && stop.timeout == 5)
        let delete = try parse(Delete.self, "delete", "a", "--delete-disk", "--yes")
        #expect(delete.deleteDisk && delete.yes)
    }

    @Test func aUUIDIsTakenAsOne() throws {
        let uuid = VMUUID(high: 1, low: 2)
        #expect(try parse(Start.self, "start", uuid.description).targets.references == [.uuid(uuid)])
    }

    @Test(arguments: [
        ["nonsense"], ["list", "extra"], ["list", "--json", "--quiet"], ["info"], ["start"], ["start", ""],
        ["start", "-x"], ["stop", "a", "--timeout", "soon"], ["stop", "a", "--timeout", "-1"],
        ["stop", "a", "--timeout", "86401"], ["autostart", "a"], ["autostart", "a", "maybe"], ["xml", "a", "b"],
        ["create"], ["create", "../a"], ["create", "1"], ["create", "a", "--type", "beos"],
        ["create", "a", "--memory", "0"], ["create", "a", "--memory", "much"], ["create", "a", "--cpus", "0"],
        ["create", "a", "--cpus", "4294967296"], ["create", "a", "--disk", "512M"],
        ["create", "a", "--parameter", "novalue"], ["create", "a", "--parameter", "=x"],
        ["create", "a", "--parameter", "k=1", "--parameter", "k=2"], ["render", "linux-basic"],
        ["template", "show"], ["template", "render", "a"], ["template", "nonsense"], ["template", "list", "extra"],
    ])
    func wrongUsageIsRefused(_ arguments: [String]) {
        do {
            _ = try NeuronVM.parseAsRoot(arguments)
            Issue.record("it was accepted")
        } catch {
            #expect(NeuronVM.exitCode(for: error).rawValue == 64)
        }
    }

    @Test func onlyAClearYesIsOne() {
        #expect(["y", "Y", "yes", "YES"].allSatisfy { Delete.isYes($0) })
        #expect(!["", "n", "no", "yep", " "].contains { Delete.isYes($0) })
        let question = Delete.question(name: "a\u{1b}", uuid: VMUUID(high: 0, low: 1), deleteDisk: true)
        #expect(question.contains("'a\\u001b'") && question.contains("with its disks"))
    }
}

struct CreateTests {
    private func request(_ arguments: String..., templates: [TemplateSummary] = []) throws -> NewVM {
        try Create.parse(arguments).newVM(templates: templates)
    }

    @Test func theDefaultIsAWindowsVM() throws {
        let vm = try request("a")
        #expect(vm.name == "a")
        #expect(vm.guest == .windows)
        #expect(vm.template == nil)
        #expect((vm.memoryMB, vm.vcpus, vm.diskSizeGB) == (8192, 4, 64))
        #expect(!vm.start && !vm.autostart && vm.isoPath == nil && vm.parameters.isEmpty)
    }

    @Test func optionsAreTaken() throws {
        let vm = try request(
            "a", "--type", "linux", "--memory", "512M", "--cpus", "2", "--disk", "10", "--start", "--autostart")
        #expect(vm.guest == .linux)
        #expect((vm.memoryMB, vm.vcpus, vm.diskSizeGB) == (512, 2, 10))
        #expect(vm.start && vm.autostart)
    }

    @Test func aNamedTemplateKeepsItsOwnDefaults() throws {
        let vm = try request("a", "--template", "linux-basic", "--memory", "2")
        #expect(vm.template == "linux-basic")
        #expect(vm.guest == nil)
        #expect(vm.memoryMB == 2048)
        #expect(vm.vcpus == nil && vm.diskSizeGB == nil)
    }

    @Test func parametersHaveTheDeclaredType() throws {
        func template(_ name: String, _ guest: String, _ types: [(String, String)]) -> TemplateSummary {
            TemplateSummary(
                name: name, guest: guest, summary: "", parameters: types.map { .init(name: $0, type: $1) })
        }
        let templates = [
            template("other", "windows", [("count", "s")]),
            template("linux-basic", "linux", [("count", "t"), ("tpm", "b"), ("keys", "as"), ("text", "s")]),
        ]
        let vm = try request(
            "a", "--type", "linux", "--parameter", "count=7", "--parameter", "tpm=yes", "--parameter", "keys=x,y",
            "--parameter", "text=1=2", "--parameter", "unknown=5", templates: templates)
        #expect(
            vm.parameters == [
                "count": .integer(7), "tpm": .boolean(true), "keys": .strings(["x", "y"]), "text": .string("1=2"),
                "unknown": .string("5"),
            ])
        #expect(throws: Failure.self) {
            try request("a", "--type", "linux", "--parameter", "count=x", templates: templates)
        }
        #expect(throws: Failure.self) {
            try request("a", "--type", "linux", "--parameter", "tpm=maybe", templates: templates)
        }
    }

    @Test func theISOFileMustBeOne() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("a.iso")
        try Data([1]).write(to: file)
        let empty = directory.appendingPathComponent("empty.iso")
        try Data().write(to: empty)
        let fifo = directory.appendingPathComponent("fifo").path
        mkfifo(fifo, 0o600)
        let link = directory.appendingPathComponent("link.iso")
        try FileManager.default.createSymbolicLink(at: link, withDestinationURL: file)
        let resolved = file.resolvingSymlinksInPath().path
        let winding = "\(directory.path)/../\(directory.lastPathComponent)/link.iso"
        let vm = try request("a", "--iso", winding)
        #expect(vm.iso != nil && vm.isoPath == nil && vm.diskImage == nil)
        #expect(try LocalFile(winding, to: "use").path == resolved)
        #expect(try request("a", "--disk-image", winding).diskImage != nil)
        #expect(try request("a", "--disk-image", winding).diskSizeGB == nil)
        #expect(try request("a", "--disk-image", winding, "--disk", "9").diskSizeGB == 9)
        for (path, reason) in [
            (directory.path, "not a regular file"), (directory.path + "/none", "No such file"),
            (file.path + "/x", "Not a directory"), ("", "No such file"), (empty.path, "it is empty"),
            ("/dev/zero", "not a regular file"), (fifo, "not a regular file"), ("./none.iso", "No such file"),
        ] {
            for option in ["--iso", "--disk-image"] {
                let failure = #expect(throws: Failure.self) { try request("a", option, path) }
                #expect(failure?.description.contains(reason) == true)
            }
        }
    }

    @Test func aMediumIsAFileOrANameInTheLibrary() throws {
        #expect(try request("a", "--iso", "no-such-file-here.iso").isoPath == "no-such-file-here.iso")
        for path in ["~/no-such-file.iso", "no such file.iso", "sub/a.iso", "..", "."] {
            #expect(throws: Failure.self) { try request("a", "--iso", path) }
        }
        let home = try #require(getenv("HOME").map { String(cString: $0) })
        let file = URL(fileURLWithPath: home).appendingPathComponent("a-\(UUID().uuidString).iso")
        try Data([1]).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        #expect(try request("a", "--iso", "~/\(file.lastPathComponent)").iso != nil)
    }

    @Test func mediaAreNamedAfterTheirFiles() throws {
        #expect(try Media.Import.name(for: "/a/b/debian.iso") == "debian.iso")
        #expect(try Media.Import.name(for: "/a/Win 11.iso") == "Win-11.iso")
        #expect(throws: Failure.self) { try Media.Import.name(for: "/a/...") }
        let media = [Medium(name: "a\u{1b}", sizeBytes: 0), Medium(name: "b", sizeBytes: (631 << 20) + 300_000)]
        #expect(
            MediaTable.text(media, colours: false) == "Name          Size\na\\u001b        0 B\nb        631.2 MiB\n")
        #expect(MediaTable.json(media).contains(#"{"name": "b", "size_bytes": 661951456}"#))
        #expect(
            [1, 1023, 1024, 10_239, (1 << 20) - 1, 1 << 20, 5 << 30, .max].map(Sizes.text(bytes:)) == [
                "1 B", "1023 B", "1.0 KiB", "9.9 KiB", "1023.9 KiB", "1.0 MiB", "5.0 GiB", "15.9 EiB",
            ])
    }
}
