import Testing
import VMManagerClient
import VMModel

@testable import NeuronVMCommands

struct PrintableTests {
    @Test func whatCouldHarmATerminalIsEscaped() {
        #expect(Printable.escape("plain näme 日本") == "plain näme 日本")
        #expect(Printable.escape("\u{1b}[31m\u{7}") == #"\u001b[31m\u0007"#)
        #expect(Printable.escape("a\nb\tc\u{0}\r") == #"a\u000ab\u0009c\u0000\u000d"#)
        #expect(Printable.escape("a\nb\u{1b}", keeping: ["\n"]) == "a\nb\\u001b")
    }

    @Test(
        arguments: [
            0x00...0x1f, 0x7f...0x9f, 0x61c...0x61c, 0x200e...0x200f, 0x2028...0x202e, 0x2066...0x2069,
        ] as [ClosedRange<UInt32>])
    func eachDangerousCharacterIsEscaped(_ range: ClosedRange<UInt32>) {
        for scalar in range.compactMap(Unicode.Scalar.init) {
            let text = "a" + String(Character(scalar)) + "b"
            #expect(!Printable.escape(text).unicodeScalars.contains(scalar))
            #expect(!JSON.string(text).text.unicodeScalars.contains(scalar))
        }
    }

    @Test(arguments: [
        ("", 0), ("abc", 3), ("ä", 1), ("a\u{308}", 1), ("日本", 4), ("한글", 4), ("🙂", 2), ("Ω", 1), ("\u{200b}x", 1),
    ])
    func widthIsThatOnATerminal(_ text: String, _ width: Int) {
        #expect(Printable.width(text) == width)
    }
}

struct JSONTests {
    @Test func valuesAreWritten() {
        let value = JSON.object([
            ("b", .array([.integer(.max), .boolean(true), .null])), ("a", .string("x")), ("c", .object([])),
        ])
        #expect(value.text == #"{"b": [18446744073709551615, true, null], "a": "x", "c": {}}"#)
    }

    @Test func stringsAreEscaped() {
        #expect(JSON.string("\"\\/\n\t\r\u{8}").text == #""\"\\/\n\t\r\u0008""#)
        #expect(JSON.string("é日\u{1f642}\u{202e}").text == "\"é日\u{1f642}\\u202e\"")
    }

    @Test func listsReadLikeTables() {
        #expect(JSON.lines([]) == "[]\n")
        #expect(JSON.lines([.integer(1), .integer(2)]) == "[\n  1,\n  2\n]\n")
    }
}

struct SizesTests {
    @Test(
        arguments: [
            (0, "0 MiB"), (512, "512 MiB"), (1024, "1 GiB"), (1536, "1536 MiB"), (8192, "8 GiB"), (1 << 20, "1 TiB"),
            ((1 << 20) + 1024, "1025 GiB"), (UInt64.max, "18446744073709551615 MiB"),
        ] as [(UInt64, String)])
    func memoryIsShownInItsLargestWholeUnit(_ mebibytes: UInt64, _ text: String) {
        #expect(Sizes.text(mebibytes: mebibytes) == text)
    }

    @Test(
        arguments: [
            ("8", 8192), ("512M", 512), ("512m", 512), ("8G", 8192), ("8 GiB", 8192), ("1024MiB", 1024), ("2GB", 2048),
            ("1T", 1 << 20), ("0", nil), ("", nil), ("G", nil), ("8K", nil), ("-1", nil), ("1.5", nil), ("8x", nil),
            ("8 G B", nil), ("iB", nil), ("8iB", nil), ("８", nil), ("+8", nil), ("18446744073709551616", nil),
            ("18446744073709551615", nil),
        ] as [(String, UInt64?)])
    func memoryIsRead(_ text: String, _ mebibytes: UInt64?) {
        #expect(Sizes.mebibytes(text) == mebibytes)
    }

    @Test(
        arguments: [
            ("64", 64), ("64G", 64), ("2T", 2048), ("64GiB", 64), ("512M", nil), ("0", nil), ("none", nil),
        ] as [(String, UInt64?)])
    func disksAreRead(_ text: String, _ gibibytes: UInt64?) {
        #expect(Sizes.gibibytes(text) == gibibytes)
    }
}

struct VMListTests {
    private static func vm(_ number: UInt64, _ name: String, _ state: String = "shut-off") -> VMSummary {
        VMSummary(
            uuid: VMUUID(high: 0, low: number), name: name, state: state, memoryMB: 1024 * number, vcpus: 2,
            autostart: number == 1)
    }

    @Test func theTableIsAligned() {
        let vms = [
            Self.vm(8, "windows", "running"), Self.vm(1, "日本"), Self.vm(16, "a\u{1b}b", "no-such-state"),
        ]
        #expect(
            VMList.table(vms, colours: false) == """
                Name      State          Memory  vCPUs
                a\\u001bb  no-such-state  16 GiB      2
                windows   running         8 GiB      2
                日本      shut-off        1 GiB      2

                """)
    }

    @Test func anEmptyTableHasItsHeading() {
        #expect(VMList.table([], colours: false) == "Name  State  Memory  vCPUs\n")
    }

    @Test func coloursDoNotMoveColumns() {
        let table = VMList.table([Self.vm(8, "a", "running")], colours: true)
        #expect(table.contains("a     \u{1b}[32mrunning\u{1b}[0m   8 GiB      2\n"))
    }

    @Test func theOrderIsThatOfTheBytes() {
        // Composed and decomposed é are two names, and both come after z.
        let names = ["é", "z", "e\u{301}", "B", "a", "a"]
        let sorted = VMList.sorted(names.enumerated().map { Self.vm(UInt64($0.offset + 1), $0.element) })
        #expect(sorted.map { Array($0.name.utf8) } == ["B", "a", "a", "e\u{301}", "z", "é"].map { Array($0.utf8) })
        #expect(sorted.map(\.uuid.low) == [4, 5, 6, 3, 2, 1])
    }

    @Test func jsonHasEveryField() {
        #expect(
            VMList.json([Self.vm(1, "a\"b", "running")]) == """
                [
                  {"name": "a\\"b", "uuid": "00000000-0000-0000-0000-000000000001", "state": "running", \
                "memory_mb": 1024, "vcpus": 2, "autostart": true}
                ]

                """)
    }

    @Test func eachWordFindsItsVMAgain() {
        let uuid = "01234567-89ab-4def-8123-456789abcdef"
        let names = ["-rf", "", "a b", "a\nb", "c", "x\u{fffd}", uuid]
        let vms = names.enumerated().map { Self.vm(UInt64($0.offset + 1), $0.element) }
        let words = VMList.words(vms).split(separator: "\n").map(String.init)
        #expect(words.filter { VMUUID($0) != nil }.count == 6)
        #expect(words.contains("c"))
        #expect(!words.contains(uuid))
    }
}

struct TemplateRenderingTests {
    private let template = TemplateSummary(
        name: "linux-basic", guest: "linux", summary: "Linux",
        documentation: "A\u{1b} distribution.\n\nThe host:\n- KVM",
        parameters: [
            .init(
                name: "memory_mb", type: "t", allowed: "an integer", unit: "MiB", defaultValue: .integer(4096),
                documentation: "Memory."),
            .init(name: "key", type: "s", allowed: "text", isRequired: true, documentation: "A\u{1b}key."),
        ])

    @Test func theListIsATable() {
        #expect(
            TemplateList.table([template], colours: false) == """
                Name         Guest  Description
                linux-basic  linux  Linux

                """)
    }

    @Test func parametersAreParagraphs() {
        #expect(
            template.text == """
                linux-basic (linux): Linux

                A\\u001b distribution.

                The host:
                - KVM

                memory_mb = 4096 MiB
                    Memory.
                    Allowed: an integer

                key (required)
                    A\\u001bkey.
                    Allowed: text

                """)
    }

    @Test func jsonHasTheParameters() {
        #expect(
            TemplateList.json([template]) == """
                [
                  {"name": "linux-basic", "guest": "linux", "description": "Linux", \
                "documentation": "A\\u001b distribution.\\n\\nThe host:\\n- KVM", "parameters": [\
                {"name": "memory_mb", "type": "t", "allowed": "an integer", "unit": "MiB", "default": 4096, \
                "required": false, "description": "Memory."}, \
                {"name": "key", "type": "s", "allowed": "text", "unit": "", "default": null, \
                "required": true, "description": "A\\u001bkey."}]}
                ]

                """)
    }

    @Test func momentsAreInUTC() {
        #expect(Moment.text(microseconds: 1_700_000_000_999_999) == "2023-11-14 22:13:20 UTC")
        #expect(!Moment.text(microseconds: .max).isEmpty)
    }
}

struct FailureTests {
    @Test func eachErrorHasWords() {
        #expect(Failure(VMError(.notFound, "there is no VM 'a'")).description == "there is no VM 'a'")
        #expect(Failure(VMError(.notFound, "")).description == "NotFound")
        #expect(Failure(ClientError(.noReply, "no reply")).description == "no reply")
        #expect(Failure(CancellationError()).description == "cancelled")
        #expect(Failure(Failure("x") as any Error) == Failure("x"))
    }

    @Test func theVMIsNamedOnce() {
        let vm = VMReference.name("a1")
        #expect(Failure(VMError(.notFound, "there is no VM"), about: vm).description == "a1: there is no VM")
        #expect(Failure(VMError(.notFound, "there is no 'a1'"), about: vm).description == "there is no 'a1'")
        #expect(Failure(VMError(.busy, "it is busy"), about: vm).description == "it is busy")
        #expect(Failure(ClientError(.noReply, "no reply"), about: vm).description == "no reply")
    }
}
