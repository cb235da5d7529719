import Foundation
import Testing
import VMTemplates

/// What parameters take and refuse, and what their errors say.
@Suite struct ParameterTests {
    let library: TemplateLibrary
    let linux: Template

    init() throws {
        library = try ShippedTemplates.library()
        linux = try library.template(named: "linux-basic")
    }

    /// The error of rendering with one value changed or, if nil, left out.
    private func rendering(_ name: String, _ value: ParameterValue?) throws -> TemplateError {
        var values = ShippedTemplates.required
        values[name] = value
        return try refusal("\(name)") { try library.render("linux-basic", values: values) }
    }

    @Test func namesThatAreTaken() throws {
        let parameter = try #require(linux.parameter(named: "name"))
        for name in [
            "a", "A", "0a", "win11", "Fedora-40.x_64", "a" + String(repeating: "-", count: 62), "a..b", "1.2",
            "dead-beef",
        ] {
            #expect(throws: Never.self, "\(name)") { try parameter.check(.string(name)) }
        }
    }

    static let badNames: [String] = [
        "", " ", "-", "-x", ".", "..", "...", ".x", "_x", "/", "a/b", "a\\b", "a b", " a", "a ", "a\n", "\na", "a\r",
        "a\t", "a\0",
        "a\u{1B}[31m", "a\u{7F}", "a\u{80}", "a\u{85}", "a\u{9F}", "a\u{A0}", "a\u{AD}", "a\u{200B}", "a\u{200E}",
        "a\u{202E}b",
        "a\u{2028}", "a\u{2029}", "a\u{FEFF}", "a\u{FFFF}", "é", "e\u{301}", "a\u{301}", "ａ", "а", "ß", "日本", "😀", "١",
        "a١",
        "%s%n", "a%", "a,b=c", "a;b", "a&b", "a<b", "a>b", "a'b", "a\"b", "]]>", "&lt;", "{{x}}", "{%x%}", "$(id)",
        "`id`", "a|b",
        "a*b", "a?b", "~", "a:b", "a@b", "a+b", "0", "123", "00000000000", "3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f",
        "3F2A4E6C-9D10-4B7E-8C55-0A1B2C3D4E5F", "3f2a4e6c9d104b7e8c550a1b2c3d4e5f", "../x", "/etc/passwd",
    ]

    @Test func namesThatAreRefused() throws {
        let parameter = try #require(linux.parameter(named: "name"))
        let long = [
            String(repeating: "a", count: 64), String(repeating: "a", count: 65536),
            "a" + String(repeating: "\u{301}", count: 30000),
        ]
        for name in Self.badNames + long {
            let error = try refusal("\(name.debugDescription)") { try parameter.check(.string(name)) }
            #expect(error.kind == .invalidValue && error.parameter == "name" && error.isPrintable)
            #expect(error.message.utf8.count < 1024)
        }
    }

    /// A message of the bus may hold 32 MiB; what is made of such a text must not take a multiple of that, nor long.
    @Test(arguments: ["uuid", "mac_address", "iso_path", "description", "network", "graphics", "name"])
    func hugeTextsAreRefusedAtOnce(_ name: String) throws {
        let parameter = try #require(linux.parameter(named: name))
        for unit in ["-", ":", "/", "{a"] {
            let text = String(repeating: unit, count: (2 << 20) / unit.utf8.count)
            let start = ContinuousClock.now
            let error = try refusal("\(unit)") { try parameter.check(.string(text)) }
            #expect(error.kind == .invalidValue && error.message.utf8.count < 1024)
            // It takes a second to take 2 MiB apart, and no time to see how long they are.
            #expect(ContinuousClock.now - start < .milliseconds(100))
        }
    }

    @Test func addressesAndPaths() throws {
        let cases: [(String, good: [String], bad: [String])] = [
            (
                "mac_address", ["52:54:00:12:34:56", "52:54:00:AA:bb:cC", ""],
                [
                    "52:54:00:12:34", "52:54:00:12:34:5", "52:54:00:12:34:567", "53:54:00:12:34:56",
                    "00:00:00:00:00:00",
                    "52-54-00-12-34-56", "52:54:00:12:34:5g", "+2:54:00:12:34:56", "52:54:00:12:34:56\n", ":::::",
                ]
            ),
            (
                "uuid", ["3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f", "3F2A4E6C-9D10-4B7E-8C55-0A1B2C3D4E5F", ""],
                [
                    "3f2a4e6c9d104b7e8c550a1b2c3d4e5f", "3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5", "x", "----",
                    "3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5g", "3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f\n",
                ]
            ),
            (
                "iso_path", ["/a", "/a b/ü&<'\".iso", "/a/.hidden/..b", ""],
                [
                    "a", "./a", "../a", "/", "/../a", "/a/..", "/a/./b", "/a\nb", "/a\0", "nbd:x", "json:{}", "/a{{b",
                    "~/a",
                    "/" + String(repeating: "a", count: 4095),
                ]
            ),
            ("network", ["default", "my net", ""], ["a/b", "a\n", String(repeating: "a", count: 256)]),
            ("bridge", ["br0", ""], ["br 0", "-br", "a-name-that-is-too-long", "br0\n"]),
            ("accelerator", ["kvm", "tcg"], ["", "KVM", "qemu", "kvm ", "kvm\u{301}"]),
            ("emulator_cpus", ["0", "0-3,8", ""], ["a", "3-0", "0,", "0\n", "^1", "99999"]),
        ]
        let passthrough = try library.template(named: "linux-passthrough")
        for (name, good, bad) in cases {
            let parameter = try #require(passthrough.parameter(named: name))
            for text in good { #expect(throws: Never.self, "\(name) \(text)") { try parameter.check(.string(text)) } }
            for text in bad {
                let error = try refusal("\(name) \(text.debugDescription)") {
                    try parameter.check(.string(text))
                }
                #expect(error.kind == .invalidValue && error.isPrintable)
            }
        }
    }

    private static let boundaries: [UInt64] = [
        0, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x20_0000_0000_0001, 0x8000_0000_0000_0000, .max,
    ]

    @Test func numbersHaveLimits() throws {
        let limits: [(String, ClosedRange<UInt64>)] = [
            ("vcpus", 1...255), ("memory_mb", 256...16_777_216), ("disk_size_gb", 1...65536),
        ]
        for (name, range) in limits {
            for number in [range.lowerBound, range.upperBound] {
                let values = ShippedTemplates.required.merging([name: .integer(number)]) { $1 }
                #expect(throws: Never.self) { try library.render("linux-basic", values: values) }
            }
            let beyond: [UInt64] = [range.lowerBound - 1, range.upperBound + 1] + Self.boundaries
            for number in beyond where !range.contains(number) {
                let error = try rendering(name, .integer(number))
                #expect(error.kind == .invalidValue && error.parameter == name && error.template == "linux-basic")
                #expect(error.message.contains("from \(range.lowerBound) to \(range.upperBound)"))
            }
        }
    }

    @Test func typesAreNotConverted() throws {
        let values: [ParameterValue] = [.string("1"), .integer(1), .boolean(true), .strings(["1"])]
        let takes = ["vcpus": 1, "secure_boot": 2, "description": 0, "volumes": 3, "graphics": nil, "iso_path": nil]
        for (name, fitting) in takes {
            for (index, value) in values.enumerated() where index != fitting {
                let error = try rendering(name, value)
                #expect(error.kind == .invalidValue && error.parameter == name)
            }
        }
    }

    @Test func missingAndUnknownParameters() throws {
        let missing = try rendering("disk_path", nil)
        #expect(
            missing.kind == .missingParameter && missing.parameter == "disk_path" && missing.template == "linux-basic")
        let empty = try rendering("disk_path", .string(""))
        #expect(empty.kind == .invalidValue && empty.parameter == "disk_path")
        let unknown = try rendering("memory\u{1B}_gb", .integer(4))
        #expect(unknown.kind == .unknownParameter && unknown.isPrintable && unknown.message.contains("memory_mb"))
        let driversForLinux = try rendering("drivers_iso_path", .string("/a.iso"))
        #expect(driversForLinux.kind == .unknownParameter)
    }

    @Test func unknownTemplates() throws {
        for name in [
            "", "nosuch", "_base", "_base.xml.j2", "linux-basic.xml.j2", "../linux-basic", "/etc/passwd", "a\n\u{1B}b",
        ] {
            let error = try refusal("\(name)") { try library.render(name, values: ShippedTemplates.required) }
            #expect(error.kind == .notFound && error.isPrintable)
        }
    }

    @Test func listsHaveLimits() throws {
        let many = [String](repeating: "/pool/v", count: 65)
        #expect(try rendering("volumes", .strings(many)).parameter == "volumes")
        #expect(try rendering("volumes", .strings(["/pool/v", "a\nb"])).isPrintable)
        let windows = try library.template(named: "windows11-basic")
        let features = try #require(windows.parameter(named: "hyperv_features"))
        #expect(throws: TemplateError.self) { try features.check(.strings(["relaxed", "nosuch"])) }
        #expect(throws: TemplateError.self) { try features.check(.strings([""])) }
    }

    @Test func devicesAreAddressesThatDiffer() throws {
        let parameter = try #require(try library.template(named: "linux-passthrough").parameter(named: "pci_devices"))
        #expect(parameter.kind.givesHostDevices)
        for good in [[], ["0000:01:00.0"], ["0000:01:00.0", "0000:01:00.1"], ["10000:e1:1f.7"]] {
            #expect(throws: Never.self) { try parameter.check(.strings(good)) }
        }
        for bad in [
            [""], ["01:00.0"], ["0000:01:00.8"], ["0000:01:20.0"], ["0000:01:00.0", "x"], ["0000:01:00.0\u{1B}[31m"],
            ["0000:0a:00.0", "0000:0A:00.0"], ["0000:01:00.0", "00000:01:00.0"], ["0000:01:00.0'/><x a='"],
            (0..<33).map { "0000:\(10 + $0):00.0" },
        ] {
            let error = try refusal("\(bad)") { try parameter.check(.strings(bad)) }
            #expect(error.kind == .invalidValue && error.isPrintable)
        }
        #expect(try refusal { try parameter.check(.string("0000:01:00.0")) }.message.contains("a string was given"))
    }

    @Test func pinsAreAsManyAsProcessors() throws {
        func problem(_ pins: [String], vcpus: UInt64) throws -> TemplateError {
            let values = ShippedTemplates.required.merging([
                "cpu_pinning": .strings(pins), "vcpus": .integer(vcpus),
            ]) { $1 }
            return try refusal { try library.render("linux-passthrough", values: values) }
        }
        let few = try problem(["0"], vcpus: 2)
        #expect(few.kind == .invalidValue && few.parameter == "cpu_pinning" && few.template == "linux-passthrough")
        #expect(few.message.contains("one item for each of vcpus, which is 2; there are 1"))
        #expect(try problem(["0", "1", "2"], vcpus: 2).parameter == "cpu_pinning")
        #expect(try problem(["0", "x"], vcpus: 2).message.contains("'x'"))
        #expect(try problem(["0", ""], vcpus: 2).parameter == "cpu_pinning")
    }

    @Test func threadsDivideProcessors() throws {
        let values = ShippedTemplates.required.merging(["vcpus": .integer(3), "threads": .integer(2)]) { $1 }
        let error = try refusal { try library.render("windows11-passthrough", values: values) }
        #expect(
            error.kind == .invalidValue && error.parameter == "threads" && error.template == "windows11-passthrough")
        #expect(error.message.contains("3 is not divisible by 2"))
    }

    @Test func numbersCanBeAChoice() throws {
        let windows = try library.template(named: "windows11-passthrough")
        let parameter = try #require(windows.parameter(named: "looking_glass_mb"))
        for number in [0, 16, 32, 512] as [UInt64] {
            #expect(throws: Never.self) { try parameter.check(.integer(number)) }
        }
        for number in [1, 31, 33, 96, 1024, .max] as [UInt64] {
            let error = try refusal { try parameter.check(.integer(number)) }
            #expect(error.message.contains("one of 0, 16, 32, 64, 128, 256, 512 (MiB)"))
        }
        #expect(throws: TemplateError.self) { try parameter.check(.string("32")) }
    }

    @Test func theServicesOwnParametersAreMarked() {
        let reserved = Set(linux.parameters.filter(\.isReserved).map(\.name))
        #expect(
            reserved == [
                "disk_path", "disk_format", "template", "os_type", "owner_uid", "created_at", "volumes", "sockets",
                "cores",
                "threads", "seed_path",
            ])
    }
}
