import DBus
import Foundation
import Testing
import VMCore
import VMManagerAPI
import VMManagerService
import VMModel
import VMTestSupport

/// A caller that is not root, on a bus that lets everything through: the service alone refuses.
@Suite(.timeLimit(.minutes(2)), .enabled(if: getuid() == 0, "needs root to become another user"))
struct ServiceAccessTests {
    /// Calls as user 65534; each line of input is a call, each of output its error's name, or `ok`.
    private static let caller = """
        import json, os, sys
        import dbus.bus, dbus.lowlevel
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
        bus = dbus.bus.BusConnection(sys.argv[1])
        for line in sys.stdin:
            destination, path, interface, member, signature, arguments = json.loads(line)
            call = dbus.lowlevel.MethodCallMessage(destination, path, interface, member)
            call.append(*arguments, signature=signature)
            try:
                bus.send_message_with_reply_and_block(call, 20)
                print("ok")
            except dbus.DBusException as error:
                print(error.get_dbus_name())
        """

    struct Call: Encodable {
        let path: String
        let interface: String?
        let member: String
        let signature: String
        let arguments: [Argument]

        enum Argument: Encodable {
            case text(String)
            case flag(Bool)
            case noOptions
            /// Standard input, whatever that is.
            case descriptor

            func encode(to encoder: any Encoder) throws {
                var container = encoder.singleValueContainer()
                switch self {
                case .text(let text): try container.encode(text)
                case .flag(let flag): try container.encode(flag)
                case .noOptions: try container.encode([String: String]())
                case .descriptor: try container.encode(0)
                }
            }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.unkeyedContainer()
            try container.encode(BusNames.service)
            try container.encode(path)
            try container.encode(interface)
            try container.encode(member)
            try container.encode(signature)
            try container.encode(arguments)
        }

        /// A call with arguments that would be fine from root.
        init(_ path: ObjectPath, _ interface: String?, _ method: MethodDescription, name: String) {
            self.path = path.rawValue
            self.interface = interface
            member = method.name
            signature = method.inputSignature.description
            arguments = method.inputs.map { argument in
                switch argument.name {
                case "autostart": .flag(true)
                case "options": .noOptions
                case "file": .descriptor
                case "template": .text("linux-basic")
                case "uuid": .text(name)
                case "object": .text(BusNames.manager.rawValue)
                default: .text(name)
                }
            }
        }

        init(_ path: ObjectPath, _ interface: String, _ member: String, _ arguments: String...) {
            self.path = path.rawValue
            self.interface = interface
            self.member = member
            signature = String(repeating: "s", count: arguments.count)
            self.arguments = arguments.map { .text($0) }
        }
    }

    /// The outcome of each call, made by one process of another user.
    private func outcomes(_ rig: ServiceRig, _ calls: [Call]) async throws -> [String] {
        let input = try calls.map { String(decoding: try JSONEncoder().encode($0), as: UTF8.self) + "\n" }.joined()
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = ["-c", Self.caller, rig.bus.address]
        let (to, from) = (Pipe(), Pipe())
        process.standardInput = to
        process.standardOutput = from
        try process.run()
        try to.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try to.fileHandleForWriting.close()
        let output = await TestBus.blocking { from.fileHandleForReading.readDataToEndOfFile() }
        await TestBus.blocking { process.waitUntilExit() }
        #expect(process.terminationStatus == 0)
        return String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test(arguments: [VMState.running, .shutOff])
    func everyMethodThatIsNotPublicIsDenied(_ state: VMState) async throws {
        let vm = VM(uuid: .random(), name: "theirs", state: state, ownerUID: 65534)
        try await ServiceRig.with(vm) { rig async throws in
            let path = BusNames.path(of: vm.uuid)
            var calls: [Call] = []
            for interface in [ManagerInterface.name, nil] {
                for method in ManagerMethod.allCases where method.access != .public {
                    let name = method == .createVM || method == .renderTemplate ? "new" : "theirs"
                    calls.append(Call(BusNames.manager, interface, method.description, name: name))
                }
            }
            for interface in [VMInterface.name, nil] {
                for method in VMMethod.allCases {
                    calls.append(Call(path, interface, method.description, name: "theirs"))
                }
            }
            #expect(calls.count == 2 * (12 + 10))
            let outcomes = try await outcomes(rig, calls)
            #expect(outcomes.count == calls.count)
            for (call, outcome) in zip(calls, outcomes) {
                #expect(
                    outcome == DBusError.Name.accessDenied, "\(call.member) \(call.interface ?? "without interface")")
            }
            // Nothing was asked of the hypervisor, and nothing is different.
            #expect(rig.fake.calls.map(\.step) == [.listVMs])
            #expect(await rig.inventory.vms == [vm])
            #expect(rig.log.all.filter { $0.hasPrefix("refused ") }.count == calls.count)
        }
    }

    @Test func whatIsPublicIsAnswered() async throws {
        let vm = machine("theirs", .running)
        try await ServiceRig.with(vm) { rig async throws in
            let properties = "org.freedesktop.DBus.Properties"
            var calls = ManagerMethod.allCases.filter { $0.access == .public }.map { method in
                Call(
                    BusNames.manager, ManagerInterface.name, method.description,
                    name: method == .getVMByUUID ? vm.uuid.description : "theirs")
            }
            calls += [
                Call(BusNames.manager, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"),
                Call(BusNames.manager, properties, "GetAll", ManagerInterface.name),
                Call(BusNames.path(of: vm.uuid), properties, "GetAll", VMInterface.name),
                Call(BusNames.path(of: vm.uuid), properties, "Get", VMInterface.name, "State"),
                Call(BusNames.path(of: vm.uuid), "org.freedesktop.DBus.Introspectable", "Introspect"),
            ]
            #expect(try await outcomes(rig, calls) == calls.map { _ in "ok" })
        }
    }

    @Test func propertiesCannotBeSetAndMethodsNotReachedThroughThem() async throws {
        let vm = machine("theirs", .running)
        try await ServiceRig.with(vm) { rig async throws in
            let properties = "org.freedesktop.DBus.Properties"
            let path = BusNames.path(of: vm.uuid)
            let outcomes = try await outcomes(
                rig,
                [
                    Call(path, properties, "Get", VMInterface.name, "Destroy"),
                    Call(path, properties, "Get", VMInterface.name, "GetXML"),
                    Call(path, properties, "Destroy"),
                    Call(path, ManagerInterface.name, "DestroyVM", "theirs"),
                    Call(BusNames.manager, VMInterface.name, "Destroy"),
                ])
            #expect(
                outcomes == [
                    DBusError.Name.unknownProperty, DBusError.Name.unknownProperty, DBusError.Name.unknownMethod,
                    DBusError.Name.unknownInterface, DBusError.Name.unknownInterface,
                ])
            #expect(rig.fake.calls.map(\.step) == [.listVMs])
        }
    }

    /// What is wrong is said before who may, so that no refusal depends on luck.
    @Test func aMistakeIsAMistakeForEverybody() async throws {
        try await ServiceRig.with(machine("theirs")) { rig async throws in
            let start = Call(BusNames.manager, ManagerInterface.name, ManagerMethod.startVM.description, name: "nobody")
            let create = Call(BusNames.manager, ManagerInterface.name, ManagerMethod.createVM.description, name: "..")
            #expect(try await outcomes(rig, [start, create]) == [errorName(.notFound), errorName(.invalidArgument)])
            #expect(rig.fake.changes.isEmpty)
        }
    }
}
