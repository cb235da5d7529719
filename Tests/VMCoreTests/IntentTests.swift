import Glibc
import Testing
import VMModel
import VMTestSupport

@testable import VMCore

@Suite struct IntentTests {
    static let all = [
        Intent(.create, .random(), name: "web", createdAt: 1_700_000_000_000_000, volumes: ["/pool/web.qcow2"]),
        Intent(.delete, .random(), name: "", isChosen: true, volumes: ["/a b/c", "/d"]),
        Intent(.importMedia, .random(), name: "caf\u{e9}", createdAt: .max, volumes: []),
    ]

    @Test(arguments: all) func leadsBackFromItsText(_ intent: Intent) throws {
        #expect(Intent(text: try intent.text()) == intent)
    }

    @Test func whatHasLineBreaksIsNotNoted() {
        for text in ["a\nb", "a\rb", "\u{0}", "\u{7f}"] {
            #expect(throws: VMError.self) { try Intent(.create, .random(), name: text, volumes: []).text() }
            #expect(throws: VMError.self) { try Intent(.create, .random(), name: "a", volumes: [text]).text() }
        }
    }

    /// Torn at any place, or with any byte changed.
    @Test(arguments: all) func whatIsDamagedIsNone(_ intent: Intent) throws {
        let bytes = Array(try intent.text().utf8)
        for length in bytes.indices {
            #expect(Intent(text: String(decoding: bytes.prefix(length), as: UTF8.self)) == nil, "\(length)")
        }
        for index in bytes.indices {
            for mask in [1, 0x20, 0x80] as [UInt8] {
                var changed = bytes
                changed[index] ^= mask
                #expect(Intent(text: String(decoding: changed, as: UTF8.self)) == nil, "\(index) \(mask)")
            }
        }
        #expect(Intent(text: String(decoding: bytes + [10], as: UTF8.self)) == nil)
    }
}

@Suite struct IntentLogTests {
    private final class Directory {
        let path: String

        init() throws {
            var name = Array("/tmp/intents.XXXXXX".utf8CString)
            _ = try #require(mkdtemp(&name))
            path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }

        deinit {
            for name in names { unlink("\(path)/intents/\(name)") }
            rmdir(path + "/intents")
            rmdir(path)
        }

        var names: [String] {
            guard let stream = opendir(path + "/intents") else { return [] }
            defer { closedir(stream) }
            var names: [String] = []
            while let entry = readdir(stream) {
                names.append(
                    withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
                )
            }
            return names.filter { $0 != "." && $0 != ".." }.sorted()
        }

        func write(_ text: String, to name: String) {
            let file = fopen("\(path)/intents/\(name)", "w")
            fputs(text, file)
            fclose(file)
        }
    }

    @Test func whatIsKeptIsThereForTheNextProcess() async throws {
        let directory = try Directory()
        do {
            let log = try IntentLog(StateDirectory(directory.path)) { Issue.record("\($0)") }
            for intent in IntentTests.all { try await log.keep(intent) }
            try await log.forget(IntentTests.all[1])
            try await log.forget(IntentTests.all[1])
        }
        let log = try IntentLog(StateDirectory(directory.path)) { Issue.record("\($0)") }
        #expect(Set(try await log.all()) == [IntentTests.all[0], IntentTests.all[2]])
        #expect(directory.names.count == 2)
    }

    @Test func noOtherProcessUsesTheDirectory() throws {
        let directory = try Directory()
        let first = try StateDirectory(directory.path)
        let error = #expect(throws: VMError.self) { _ = try StateDirectory(directory.path) }
        #expect(error?.code == .busy)
        #expect(first.path == directory.path)
    }

    @Test func scratchFilesOfAProcessThatWasKilledGo() throws {
        let directory = try Directory()
        do {
            let scratch = try StateDirectory(directory.path).makeScratch()
            try StateDirectory.write([1, 2], to: scratch + "/user-data", isSynced: false)
            #expect(try StateDirectory.names(in: scratch) == ["user-data"])
        }
        _ = try StateDirectory(directory.path)
        #expect(try StateDirectory.names(in: directory.path + "/scratch").isEmpty)
        rmdir(directory.path + "/scratch")
    }

    @Test func whatCannotBeReadIsPutAsideAndTold() async throws {
        let directory = try Directory()
        let lines = LogLines()
        let log = try IntentLog(StateDirectory(directory.path)) { lines.add($0) }
        let (good, other) = (IntentTests.all[0], IntentTests.all[1])
        try await log.keep(good)
        directory.write(String(try other.text().dropLast(3)), to: "\(other.uuid).intent")
        // Under the name of another one.
        directory.write(try other.text(), to: "\(VMUUID.random()).intent")
        directory.write("begun", to: "\(VMUUID.random()).intent.new")
        directory.write("not ours", to: "README")
        mkfifo("\(directory.path)/intents/fifo.intent", 0o600)
        #expect(try await log.all() == [good])
        #expect(lines.all.count == 3 && lines.all.allSatisfy { $0.contains(".unreadable") })
        #expect(directory.names.filter { $0.hasSuffix(".unreadable") }.count == 3)
        #expect(directory.names.contains("README") && !directory.names.contains { $0.hasSuffix(".new") })
        #expect(try await log.all() == [good])
        #expect(lines.all.count == 3)
    }

    @Test func aDirectoryThatCannotBeWrittenIsAnErrorAndKeepsNothing() async throws {
        let directory = try Directory()
        let log = try IntentLog(StateDirectory(directory.path)) { _ in }
        // A directory has the name of the file that it needs.
        let intent = IntentTests.all[0]
        mkdir("\(directory.path)/intents/\(intent.uuid).intent", 0o700)
        let error = await failure { try await log.keep(intent) }
        #expect(error?.code == .failed && error?.message.contains("/") == false)
        #expect(error?.cause?.isOfLibvirt == false)
        rmdir("\(directory.path)/intents/\(intent.uuid).intent")
        #expect(directory.names.isEmpty)
        try await log.keep(intent)
        #expect(try await log.all() == [intent])
    }
}
