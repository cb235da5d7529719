import DBus
import Testing
import VMManagerAPI
import VMModel

@Suite struct EncodingTests {
    static let vm = VM(
        uuid: VMUUID(high: 1, low: 2), name: "win11", state: .shuttingDown, stateReason: "user", memoryMB: .max,
        vcpus: .max, autostart: true, isPersistent: false, template: "windows11-basic", osType: "windows",
        ownerUID: 1000,
        createdAt: 123_456_789, hasSavedState: true)

    @Test func propertiesAreThoseOfTheContract() throws {
        let values = Self.vm.busProperties
        let declared = VMInterface.description.properties
        #expect(values.map(\.0) == declared.map(\.name))
        #expect(values.map(\.1.type) == declared.map(\.type))
        let byName = Dictionary(uniqueKeysWithValues: values)
        #expect(byName["UUID"] == .string("00000000-0000-0001-0000-000000000002"))
        #expect(byName["State"] == .string("shutting-down"))
        #expect(byName["MemoryMB"] == .uint64(.max))
        #expect(byName["Persistent"] == .boolean(false))
        #expect(byName["OwnerUID"] == .uint32(1000))
        #expect(byName["CreatedAt"] == .uint64(123_456_789))
        #expect(byName["Job"] == .objectPath("/"))
        #expect(
            Dictionary(uniqueKeysWithValues: VM(uuid: .random(), name: "", state: .unknown).busProperties)["OwnerUID"]
                == .uint32(.max))
    }

    @Test(arguments: VMState.allCases)
    func aRowOfTheListLeadsBack(_ state: VMState) throws {
        var vm = Self.vm
        vm.state = state
        let row = vm.busSummary
        #expect(row.type.signature == "(ossstub)")
        #expect(row.structureValue?.first == .objectPath(BusNames.path(of: vm.uuid)))
        let summary = try #require(VMSummary(row))
        #expect(
            summary
                == VMSummary(
                    uuid: vm.uuid, name: vm.name, state: state.rawValue, memoryMB: .max, vcpus: .max, autostart: true))
    }

    @Test func aRowThatIsNoneIsRefused() throws {
        let good = try #require(Self.vm.busSummary.structureValue)
        for position in good.indices {
            var wrong = good
            wrong.remove(at: position)
            #expect(VMSummary(.structure(wrong)) == nil)
            if position > 0 {
                wrong = good
                wrong[position] = .byte(1)
                #expect(VMSummary(.structure(wrong)) == nil)
            }
        }
        #expect(VMSummary(.structure(good + [.byte(1)])) == nil)
        #expect(VMSummary(.structure([])) == nil)
        #expect(VMSummary(.string("win11")) == nil)
        var wrong = good
        wrong[2] = .string("not a UUID")
        #expect(VMSummary(.structure(wrong)) == nil)
        // A state from the future is shown as it came.
        wrong = good
        wrong[3] = .string("hibernating")
        #expect(VMSummary(.structure(wrong))?.state == "hibernating")
    }

    @Test(arguments: [
        ("a\u{0}b", "a?b"), ("\u{0}", "?"), ("a\nb\u{1b}\u{202e}", "a\nb\u{1b}\u{202e}"), ("caf\u{e9}", "caf\u{e9}"),
        ("cafe\u{301}", "cafe\u{301}"), ("\u{fffd}", "\u{fffd}"),
    ])
    func namesAreAsTheyAreButForNUL(_ name: String, _ shown: String) throws {
        let vm = VM(uuid: .random(), name: name, state: .running, template: name, osType: name)
        let values = Dictionary(uniqueKeysWithValues: vm.busProperties)
        for text in [
            values["Name"], values["Template"], values["OSType"], vm.busIdentity.last, vm.busSummary.structureValue?[1],
        ] {
            #expect(text?.stringValue?.utf8.elementsEqual(shown.utf8) == true)
        }
    }

    @Test func signalsOfComingAndGoingCarryUUIDAndName() {
        #expect(Self.vm.busIdentity == [.string("00000000-0000-0001-0000-000000000002"), .string("win11")])
    }

    // MARK: Paths

    @Test func aVMsPathLeadsBack() {
        for uuid in (0..<200).map({ _ in VMUUID.random() }) {
            let path = BusNames.path(of: uuid)
            #expect(path.rawValue == "/org/neuronos/VMManager/vms/" + uuid.description.replacing("-", with: "_"))
            #expect(BusNames.uuid(of: path) == uuid)
        }
    }

    @Test(arguments: [
        "/", "/org/neuronos/VMManager", "/org/neuronos/VMManager/vms", "/org/neuronos/VMManager/vms/x",
        "/org/neuronos/VMManager/vms/3f2a4e6c9d104b7e8c550a1b2c3d4e5f",
        "/org/neuronos/VMManager/vms/3f2a4e6c_9d10_4b7e_8c55_0a1b2c3d4e5f/x",
        "/org/neuronos/VMManager/3f2a4e6c_9d10_4b7e_8c55_0a1b2c3d4e5f",
        "/org/neuronos/VMManager/jobs/3f2a4e6c_9d10_4b7e_8c55_0a1b2c3d4e5f",
        "/3f2a4e6c_9d10_4b7e_8c55_0a1b2c3d4e5f", "/org/neuronos/VMManager/vms/3f2a4e6c_9d10_4b7e_8c55_0a1b2c3d4e5_",
    ])
    func anotherPathIsNoVMs(_ text: String) throws {
        #expect(BusNames.uuid(of: try ObjectPath(text)) == nil)
    }

    // MARK: Errors

    @Test(arguments: VMError.Code.all + [VMError.Code(rawValue: "FromTheFuture")])
    func anErrorLeadsBackWithoutItsCause(_ code: VMError.Code) throws {
        let cause = VMError.Cause(domain: 1, code: 2, operation: "virDomainCreate", text: "/secret")
        let sent = VMError(code, "cannot start 'a': no", cause: cause).busError
        #expect(
            sent == DBusError(name: "org.neuronos.VMManager.Error." + code.rawValue, message: "cannot start 'a': no"))
        #expect(VMError(sent) == VMError(code, "cannot start 'a': no"))
    }

    @Test(arguments: [
        ("a\tb", "a\\u{9}b"), ("a\u{202e}b", "a\\u{202e}b"), ("a\u{1b}[31m", "a\\u{1b}[31m"), ("a\u{0}b", "a\\u{0}b"),
        ("caf\u{e9}", "caf\u{e9}"),
    ])
    func aForeignNameIsSafeInAMessage(_ name: String, _ shown: String) {
        let cause = VMError.Cause(domain: 1, code: 2, operation: "virDomainCreate", text: "no \(name)\nfor you\n")
        let error = VMError(.failed, "cannot start '\(name)'", cause: cause)
        #expect(error.busError.message == "cannot start '\(shown)'")
        #expect(error.busErrorWithCause.message == "cannot start '\(shown)' (libvirt: no \(shown); for you)")
    }

    @Test(arguments: [
        "org.freedesktop.DBus.Error.AccessDenied", "org.neuronos.VMManager.Error", "org.neuronos.VMManager.Errors.Busy",
        "",
        "org.neuronos.VMManager.Busy", "x.org.neuronos.VMManager.Error.Busy",
    ])
    func anErrorOfOthersIsNotOurs(_ name: String) {
        #expect(VMError(DBusError(name: name, message: "no")) == nil)
    }
}
