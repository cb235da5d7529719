// swift-tools-version: 6.1
import PackageDescription

/// The language rules that all targets share. `WARNINGS=errors` in the environment, as the checks set it, lets no warning pass.
let strict: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ] + (Context.environment["WARNINGS"] == "errors" ? [.unsafeFlags(["-warnings-as-errors"])] : [])

/// Of what the linker writes the most is for the loader, which reads it all at each start, and its pages stay in memory: addresses to
/// be adjusted are written down in a hundredth of the space (DT_RELR, glibc 2.36), and equal functions once. lld comes with Swift.
let compact: [LinkerSetting] = [
    .unsafeFlags(["-use-ld=lld", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs", "-Xlinker", "--icf=safe"])
]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

/// A library target of this package, with the language rules that all of them share.
func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// The tests of one library; what a test imports beyond it is named.
func tests(_ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: [.byName(name: name)] + dependencies, exclude: exclude,
        swiftSettings: strict)
}

// Data flows one way; a target imports only what stands further down in its chain:
//   neuron-vm  -> NeuronVMCommands -> VMManagerClient -> VMManagerAPI -> DBus -> CDBus
//   neuron-vmd -> VMManagerService -> VMCore <- LibvirtHypervisor -> Libvirt -> CLibvirt
// XMLReading and VMModel are leaves that several of them use.
let package = Package(
    name: "neuron-vm-manager",
    products: [
        .executable(name: "neuron-vm", targets: ["neuron-vm"]),
        .executable(name: "neuron-vmd", targets: ["neuron-vmd"]),
        .library(name: "VMManagerClient", targets: ["VMManagerClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        .systemLibrary(name: "CDBus", pkgConfig: "dbus-1", providers: [.apt(["libdbus-1-dev"])]),
        .systemLibrary(name: "CLibvirt", pkgConfig: "libvirt", providers: [.apt(["libvirt-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),

        library("DBus", ["CDBus"]),
        library("XMLReading"),
        library("Libvirt", ["CLibvirt", "XMLReading"]),
        library("VMModel"),
        library("VMTemplates", ["VMModel", "XMLReading", "CYAML"]),
        library(
            "VMCore",
            [
                "VMModel", "VMTemplates", .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
            ]),
        library("LibvirtHypervisor", ["Libvirt", "VMCore", "VMModel", "XMLReading"]),
        library("VMManagerAPI", ["DBus", "VMModel"]),
        library("VMManagerService", ["DBus", "VMCore", "VMManagerAPI", "VMModel", "VMTemplates", logging]),
        library("VMManagerClient", ["DBus", "VMManagerAPI", "VMModel"]),
        library("NeuronVMCommands", ["VMManagerClient", "VMModel", argumentParser]),

        .executableTarget(
            name: "neuron-vm", dependencies: ["NeuronVMCommands"], swiftSettings: strict, linkerSettings: compact),
        .executableTarget(
            name: "neuron-vmd",
            dependencies: [
                "VMManagerService", "VMManagerAPI", "VMCore", "VMTemplates", "LibvirtHypervisor", "DBus",
                logging,
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict, linkerSettings: compact),

        .target(
            name: "VMTestSupport", dependencies: ["VMCore", "VMModel", "VMTemplates"], path: "Tests/VMTestSupport",
            swiftSettings: strict),
        tests("XMLReading"),
        tests("DBus"),
        tests("Libvirt", ["XMLReading"]),
        tests("VMModel"),
        tests("VMTemplates", ["VMModel", "XMLReading"]),
        tests("VMCore", ["VMModel", "VMTemplates", "VMTestSupport"]),
        tests("LibvirtHypervisor", ["Libvirt", "VMCore", "VMModel"]),
        tests("VMManagerAPI", ["DBus", "VMModel"]),
        tests(
            "VMManagerService", ["DBus", "VMCore", "VMManagerAPI", "VMModel", "VMTemplates", "VMTestSupport", logging]),
        tests("VMManagerClient", ["DBus", "VMManagerAPI", "VMModel"]),
        tests("NeuronVMCommands", ["VMManagerClient", "VMModel", argumentParser]),
    ],
    swiftLanguageModes: [.v6]
)
