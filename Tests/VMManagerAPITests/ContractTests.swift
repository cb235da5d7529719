import DBus
import Testing
import VMManagerAPI

/// The contract as it is promised to clients, spelled out: a signature never changes.
@Suite struct ContractTests {
    static let managerMethods: [String: (String, String)] = [
        "ListVMs": ("", "a(ossstub)"),
        "GetVM": ("s", "o"),
        "GetVMByUUID": ("s", "o"),
        "CreateVM": ("sa{sv}", "o"),
        "StartVM": ("sa{sv}", ""),
        "StopVM": ("sa{sv}", ""),
        "DestroyVM": ("sa{sv}", ""),
        "PauseVM": ("sa{sv}", ""),
        "ResumeVM": ("sa{sv}", ""),
        "RebootVM": ("sa{sv}", ""),
        "ResetVM": ("sa{sv}", ""),
        "DeleteVM": ("sa{sv}", "as"),
        "ListTemplates": ("", "a(sssa{sv})"),
        "RenderTemplate": ("ssa{sv}", "s"),
        "ImportMedia": ("sha{sv}", "s"), "ListMedia": ("", "a(st)"), "RemoveMedia": ("s", ""),
        "GetPermissions": ("o", "a{ss}"),
        "CheckHost": ("", "a(ssss)"),
    ]
    static let vmMethods: [String: (String, String)] = [
        "Start": ("a{sv}", ""),
        "Stop": ("a{sv}", ""),
        "Destroy": ("a{sv}", ""),
        "Pause": ("a{sv}", ""),
        "Resume": ("a{sv}", ""),
        "Reboot": ("a{sv}", ""),
        "Reset": ("a{sv}", ""),
        "Delete": ("a{sv}", "as"),
        "SetAutostart": ("ba{sv}", ""),
        "GetXML": ("a{sv}", "s"),
    ]
    static let managerSignals = [
        "VMAdded": "oss", "VMRemoved": "oss", "VMStateChanged": "ossss", "PermissionsChanged": "",
    ]
    static let managerProperties = [
        "Version": "s", "HypervisorURI": "s", "HypervisorVersion": "s", "HypervisorConnected": "b", "Features": "as",
    ]
    static let vmProperties = [
        "Name": "s", "UUID": "s", "State": "s", "StateReason": "s", "MemoryMB": "t", "VCPUs": "u", "Autostart": "b",
        "Persistent": "b", "Template": "s", "OSType": "s", "OwnerUID": "u", "CreatedAt": "t", "HasSavedState": "b",
        "Job": "o",
    ]

    static let jobProperties = [
        "Operation": "s", "Target": "s", "Progress": "d", "ProgressValid": "b", "StartTime": "t", "StartedByUID": "u",
        "Objects": "ao", "Cancelable": "b",
    ]

    @Test func theNamesAreThose() {
        #expect(BusNames.service == "org.neuronos.VMManager")
        #expect(BusNames.manager.rawValue == "/org/neuronos/VMManager")
        #expect(ManagerInterface.description.name == "org.neuronos.VMManager")
        #expect(VMInterface.description.name == "org.neuronos.VMManager.VM")
        #expect(BusNames.errorPrefix == "org.neuronos.VMManager.Error.")
    }

    @Test func theManagersMembersAreThose() {
        expect(ManagerInterface.description.methods, Self.managerMethods)
        expect(ManagerInterface.description.signals, Self.managerSignals)
        expect(ManagerInterface.description.properties, Self.managerProperties)
    }

    @Test func theVMsMembersAreThose() {
        expect(VMInterface.description.methods, Self.vmMethods)
        #expect(VMInterface.description.signals.isEmpty)
        expect(VMInterface.description.properties, Self.vmProperties)
    }

    @Test func theJobsMembersAreThose() {
        #expect(JobInterface.description.name == "org.neuronos.VMManager.Job")
        expect(JobInterface.description.methods, ["Cancel": ("", "")])
        expect(JobInterface.description.signals, ["Completed": "bss"])
        expect(JobInterface.description.properties, Self.jobProperties)
    }

    private func expect(_ methods: [MethodDescription], _ table: [String: (String, String)]) {
        #expect(methods.map(\.name).sorted() == table.keys.sorted())
        for method in methods {
            #expect(method.inputSignature.description == table[method.name]?.0, "\(method.name)")
            #expect(method.outputSignature.description == table[method.name]?.1, "\(method.name)")
        }
    }

    private func expect(_ signals: [SignalDescription], _ table: [String: String]) {
        #expect(Dictionary(uniqueKeysWithValues: signals.map { ($0.name, $0.signature.description) }) == table)
    }

    private func expect(_ properties: [PropertyDescription], _ table: [String: String]) {
        #expect(Dictionary(uniqueKeysWithValues: properties.map { ($0.name, $0.type.signature) }) == table)
    }

    /// The options are always the last argument.
    @Test func whatTakesOptionsTakesThemLast() {
        for method in ManagerInterface.description.methods + VMInterface.description.methods {
            let positions = method.inputs.indices.filter { method.inputs[$0].type == .options }
            #expect(positions.isEmpty || positions == [method.inputs.count - 1], "\(method.name)")
        }
        #expect(VMInterface.description.methods.allSatisfy { $0.inputs.last?.type == .options })
    }

    @Test func everythingIsDocumented() {
        for description in [ManagerInterface.description, VMInterface.description, JobInterface.description] {
            #expect(!description.documentation.isEmpty)
            for method in description.methods {
                #expect(method.documentation.utf8.count > 10, "\(method.name)")
                for argument in method.inputs + method.outputs {
                    #expect(
                        !argument.documentation.isEmpty && !argument.name.isEmpty, "\(method.name) \(argument.name)")
                }
            }
            for signal in description.signals { #expect(!signal.documentation.isEmpty, "\(signal.name)") }
            for property in description.properties { #expect(!property.documentation.isEmpty, "\(property.name)") }
        }
    }

    @Test func whatNeverChangesSaysSo() {
        let constant = (ManagerInterface.description.properties + VMInterface.description.properties)
            .filter { $0.emitsChangedSignal == .const }
        #expect(Set(constant.map(\.name)) == ["Version", "HypervisorURI", "Features", "UUID"])
    }

    // MARK: Who may

    static let actions: [String: Action] = [
        "CreateVM": .create, "RenderTemplate": .create, "ImportMedia": .create, "RemoveMedia": .delete,
        "StartVM": .control, "StopVM": .control, "DestroyVM": .control, "PauseVM": .control, "ResumeVM": .control,
        "RebootVM": .control, "ResetVM": .control, "DeleteVM": .delete,
        "Start": .control, "Stop": .control, "Destroy": .control, "Pause": .control, "Resume": .control,
        "Reboot": .control, "Reset": .control, "SetAutostart": .control, "Delete": .delete, "GetXML": .access,
    ]

    @Test func onlyReadsOfNamesAndStatesArePublic() {
        for method in ManagerMethod.allCases {
            #expect(method.access == Self.actions[method.rawValue].map { .action($0) } ?? .public, "\(method)")
        }
        for method in VMMethod.allCases {
            #expect(method.access == Self.actions[method.rawValue].map { .action($0) } ?? .public, "\(method)")
        }
        #expect(
            ManagerMethod.allCases.filter { $0.access == .public }.map(\.rawValue)
                == ["ListVMs", "GetVM", "GetVMByUUID", "ListTemplates", "ListMedia", "GetPermissions", "CheckHost"])
        #expect(!VMMethod.allCases.contains { $0.access == .public })
    }

    @Test func aMethodByNameIsTheVMsOwn() throws {
        let pairs = ManagerMethod.allCases.compactMap { method in method.vmMethod.map { (method, $0) } }
        #expect(pairs.count == 8)
        for (method, vmMethod) in pairs {
            #expect(method.rawValue == vmMethod.rawValue + "VM")
            #expect(method.access == vmMethod.access)
            #expect(method.description.inputs.dropFirst() == vmMethod.description.inputs[...])
            #expect(method.description.outputs == vmMethod.description.outputs)
        }
    }

    @Test func theActionsAreThose() {
        let identifiers = Action.allCases.flatMap { [$0.identifier(ownVM: true), $0.identifier(ownVM: false)] }
        #expect(
            Set(identifiers.map { $0.replacing("org.neuronos.vmmanager.", with: "") }) == [
                "create", "control.own", "control.any", "configure.own", "configure.any", "access.own", "access.any",
                "delete.own", "delete.any", "host-resources",
            ])
        #expect(identifiers.allSatisfy { $0.hasPrefix("org.neuronos.vmmanager.") })
        #expect(Action.create.identifier(ownVM: true) == Action.create.identifier(ownVM: false))
    }
}
