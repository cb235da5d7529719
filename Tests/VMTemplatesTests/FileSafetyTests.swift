import Foundation
import Testing
import VMTemplates

/// Which files and directories a library takes.
@Suite struct FileSafetyTests {
    let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    private static let isRoot = geteuid() == 0
    /// A template that is right.
    static let good = """
        {#
        summary: Something small
        guest: linux
        parameters:
          name: {type: name, required: true, meaning: Name of the VM.}
        #}<domain><name>{{ name }}</name></domain>

        """

    private func library(trustedOwner: UInt32? = geteuid()) throws -> TemplateLibrary {
        try TemplateLibrary(directories: [directory.path], trustedOwner: trustedOwner)
    }

    /// That the file `a.xml.j2` is refused by its name, while the good one beside it is not.
    private func expectRefusal(_ kind: TemplateError.Kind, saying words: String, template: String = "a") throws {
        try directory.write("good.xml.j2", Self.good)
        let library = try library()
        #expect(library.templates.map(\.name) == ["good"])
        let error = try #require(library.rejected.first)
        #expect(library.rejected.count == 1 && error.kind == kind && error.template == template, "\(error)")
        #expect(error.message.contains(words) && error.isPrintable, "\(error)")
        #expect(try refusal { try library.template(named: template) } == error)
        #expect(try refusal { try library.render(template, values: [:]) } == error)
    }

    @Test func aGoodFileIsTaken() throws {
        try directory.write("a.xml.j2", Self.good)
        try directory.write("README", "not a template", mode: 0o666)
        let library = try library()
        #expect(library.rejected.isEmpty)
        #expect(try library.render("a", values: ["name": .string("x")]) == "<domain><name>x</name></domain>")
    }

    @Test(arguments: [0o664, 0o646, 0o666, 0o777] as [mode_t])
    func filesThatOthersMayWrite(mode: mode_t) throws {
        try directory.write("a.xml.j2", Self.good, mode: mode)
        try expectRefusal(.unsafeFile, saying: "may be written by others")
    }

    @Test func symbolicLinks() throws {
        let target = try directory.write("target", Self.good)
        try FileManager.default.createSymbolicLink(atPath: directory.path + "/a.xml.j2", withDestinationPath: target)
        try expectRefusal(.unsafeFile, saying: "symbolic link")
    }

    @Test func fifosAreNotWaitedFor() throws {
        #expect(mkfifo(directory.path + "/a.xml.j2", 0o644) == 0)
        try expectRefusal(.unsafeFile, saying: "not a regular file")
    }

    @Test func directoriesNamedAsTemplates() throws {
        try FileManager.default.createDirectory(
            atPath: directory.path + "/a.xml.j2", withIntermediateDirectories: false)
        try expectRefusal(.unsafeFile, saying: "not a regular file")
    }

    @Test func sizeLimit() throws {
        let filler = String(repeating: " ", count: 64 * 1024 - Self.good.utf8.count)
        try directory.write("a.xml.j2", Self.good + filler)
        #expect(try library().templates.map(\.name) == ["a"])
        try directory.write("a.xml.j2", Self.good + filler + " ")
        try expectRefusal(.unsafeFile, saying: "longer than 65536 bytes")
    }

    @Test func otherBytes() throws {
        try directory.write("a.xml.j2", Data(Self.good.utf8) + Data([0xFF]))
        try expectRefusal(.malformed, saying: "UTF-8")
        for control in ["\0", "\t", "\r\n", "\u{1B}[0m", "\u{85}"] {
            try directory.write("a.xml.j2", Self.good + control)
            try expectRefusal(.malformed, saying: "control characters")
        }
    }

    @Test(arguments: ["a b", "é", "-a", ".a", "a\nb", "__a", ""])
    func oddNames(name: String) throws {
        try directory.write(name + ".xml.j2", Self.good)
        try directory.write("good.xml.j2", Self.good)
        let library = try library()
        #expect(library.templates.map(\.name) == ["good"])
        let error = try #require(library.rejected.first)
        #expect(error.kind == .unsafeFile && error.isPrintable)
    }

    @Test(.enabled(if: isRoot, "only root can give files to another user"))
    func ownersOfFiles() throws {
        let file = try directory.write("a.xml.j2", Self.good)
        #expect(chown(file, 65534, 65534) == 0)
        try expectRefusal(.unsafeFile, saying: "belongs to user 65534")
        #expect(try library(trustedOwner: nil).rejected.count == 1)
        #expect(try library(trustedOwner: 65534).rejected.isEmpty)
    }

    @Test(.enabled(if: isRoot, "only root can give directories to another user"))
    func ownersOfDirectories() throws {
        try directory.write("a.xml.j2", Self.good)
        #expect(chown(directory.path, 65534, 65534) == 0)
        #expect(try refusal { try library() }.kind == .unsafeFile)
        #expect(try refusal { try library(trustedOwner: nil) }.kind == .unsafeFile)
        #expect(try library(trustedOwner: 65534).templates.count == 1)
    }

    @Test(arguments: [0o777, 0o775, 0o757, 0o1777] as [mode_t])
    func directoriesThatOthersMayWrite(mode: mode_t) throws {
        #expect(chmod(directory.path, mode) == 0)
        let error = try refusal { try library() }
        #expect(error.kind == .unsafeFile && error.message.contains(directory.path))
    }

    @Test func directoriesThatAreNone() throws {
        let missing = directory.path + "/missing"
        let library = try TemplateLibrary(directories: [missing])
        #expect(library.templates.isEmpty && library.rejected.map(\.kind) == [.notFound])
        let file = try directory.write("file", "")
        #expect(try refusal { try TemplateLibrary(directories: [file], trustedOwner: geteuid()) }.kind == .unsafeFile)
        let link = directory.path + "/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: directory.path)
        #expect(try refusal { try TemplateLibrary(directories: [link], trustedOwner: geteuid()) }.kind == .unsafeFile)
    }

    // MARK: - Several directories

    @Test func laterDirectoriesOverride() throws {
        let later = try TemporaryDirectory()
        try directory.write("a.xml.j2", Self.good)
        try directory.write("b.xml.j2", Self.good)
        try later.write("b.xml.j2", Self.good.replacing("Something small", with: "Another"))
        try later.write("c.xml.j2", Self.good)
        let library = try TemplateLibrary(directories: [directory.path, later.path], trustedOwner: geteuid())
        #expect(library.templates.map(\.name) == ["a", "b", "c"])
        #expect(try library.template(named: "b").summary == "Another")
    }

    @Test func aRefusedOverrideDoesNotUncoverTheEarlierOne() throws {
        let later = try TemporaryDirectory()
        try directory.write("a.xml.j2", Self.good)
        try later.write("a.xml.j2", Self.good, mode: 0o666)
        let library = try TemplateLibrary(directories: [directory.path, later.path], trustedOwner: geteuid())
        #expect(library.templates.isEmpty)
        #expect(try refusal { try library.template(named: "a") }.kind == .unsafeFile)
    }

    @Test func aRefusedPartTakesItsTemplatesWithIt() throws {
        try directory.write("_base.xml.j2", "<domain>{% block x %}{% endblock %}</domain>", mode: 0o666)
        try directory.write("a.xml.j2", "{#\nsummary: A\nguest: linux\n#}{% extends \"_base.xml.j2\" %}")
        let library = try library()
        #expect(library.templates.isEmpty && library.rejected.map(\.template) == ["_base.xml.j2", "a"])
        #expect(library.rejected.last?.message.contains("'_base.xml.j2'") == true)
    }
}
