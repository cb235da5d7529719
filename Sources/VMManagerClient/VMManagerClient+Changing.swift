import DBus
import VMManagerAPI
public import VMModel

extension VMManagerClient {
    /// Makes a VM and returns when it is made, and started if that was asked for. Calls `CreateVM`.
    /// - Returns: the new VM's UUID.
    public func create(_ vm: NewVM) async throws -> VMUUID {
        let call = Call.manager(
            .createVM, [.string(vm.name), vm.options(choosesTemplate: true)],
            patience: vm.iso == nil && vm.diskImage == nil ? Call.patienceForCreation : Call.patienceForCopies)
        return try await self.call(call) { $0.objectPathValue.flatMap(BusNames.uuid(of:)) }
    }

    /// The definition in libvirt's XML that `create` would make. Calls `RenderTemplate`.
    /// - Throws: `invalidArgument` where `vm` names no template.
    public func render(_ vm: NewVM) async throws -> String {
        guard let template = vm.template else {
            throw VMError(.invalidArgument, "a template must be named to be rendered")
        }
        let arguments: [DBusValue] = [.string(template), .string(vm.name), vm.options(choosesTemplate: false)]
        return try await call(.manager(.renderTemplate, arguments)) { $0.stringValue }
    }

    /// Copies a file into the library of media and returns when it is there. Calls `ImportMedia`.
    /// - Returns: its path on the service's host.
    public func importMedium(_ name: String, from file: OpenFile) async throws -> String {
        let arguments: [DBusValue] = [.string(name), .unixFD(file.descriptor), .options([])]
        return try await call(.manager(.importMedia, arguments, patience: Call.patienceForCopies)) { $0.stringValue }
    }

    /// Removes a medium that no VM has. Calls `RemoveMedia`.
    public func removeMedium(_ name: String) async throws {
        _ = try await call(.manager(.removeMedia, [.string(name)], patience: Call.patienceForChanges))
    }

    /// Starts a VM that is off. Calls `Start`.
    public func start(_ vm: VMReference) async throws {
        try await perform(.start, on: vm)
    }

    /// Asks the guest to shut down and returns when the VM is off. Calls `Stop`.
    /// - Parameters:
    ///   - timeout: seconds that the guest may take.
    ///   - force: whether the VM is destroyed when they are over; else it runs on and this throws `timeout`.
    public func stop(_ vm: VMReference, timeout: UInt32 = 60, force: Bool = false) async throws {
        var options: [(String, DBusValue)] = [("timeout", .uint32(timeout))]
        if force { options.append(("force", .boolean(true))) }
        try await perform(.stop, on: vm, options: options, patience: Call.patienceForChanges + .seconds(Int64(timeout)))
    }

    /// Ends a VM at once, as pulling the plug does. Calls `Destroy`.
    public func destroy(_ vm: VMReference) async throws {
        try await perform(.destroy, on: vm)
    }

    /// Halts the guest's processors. Calls `Pause`.
    public func pause(_ vm: VMReference) async throws {
        try await perform(.pause, on: vm)
    }

    /// Lets a paused or suspended guest go on. Calls `Resume`.
    public func resume(_ vm: VMReference) async throws {
        try await perform(.resume, on: vm)
    }

    /// Asks the guest to reboot. Calls `Reboot`.
    public func reboot(_ vm: VMReference) async throws {
        try await perform(.reboot, on: vm)
    }

    /// Presses the reset button. Calls `Reset`.
    public func reset(_ vm: VMReference) async throws {
        try await perform(.reset, on: vm)
    }

    /// Removes a VM that is off. Calls `Delete`.
    /// - Parameter deleteDisks: whether the disks go too that were made with the VM.
    /// - Returns: the paths of the disks that were not removed.
    public func delete(_ vm: VMReference, deleteDisks: Bool = false) async throws -> [String] {
        let options: [(String, DBusValue)] = deleteDisks ? [("delete_disks", .boolean(true))] : []
        return try await perform(.delete, on: vm, options: options) { $0.first?.stringsValue }
    }

    /// Sets whether a VM is started when the host starts. Calls `SetAutostart`.
    public func setAutostart(_ vm: VMReference, _ autostart: Bool) async throws {
        try await perform(.setAutostart, on: vm, [.boolean(autostart)])
    }

    /// A VM's definition in libvirt's XML, without passwords. Calls `GetXML`.
    public func xml(of vm: VMReference) async throws -> String {
        try await perform(.getXML, on: vm) { $0.first?.stringValue }
    }

    private func perform(
        _ method: VMMethod, on vm: VMReference, _ arguments: [DBusValue] = [], options: [(String, DBusValue)] = [],
        patience: Duration = Call.patienceForChanges
    ) async throws {
        try await perform(method, on: vm, arguments, options: options, patience: patience) { _ in () }
    }

    /// Calls a VM's method: on its object by UUID; by name through the manager, which looks the name up and acts in one step.
    private func perform<Value>(
        _ method: VMMethod, on vm: VMReference, _ arguments: [DBusValue] = [], options: [(String, DBusValue)] = [],
        patience: Duration = Call.patienceForChanges, _ value: ([DBusValue]) -> Value?
    ) async throws -> Value {
        let arguments = arguments + [.options(options)]
        let call: Call
        if case .name(let name) = vm, let byName = ManagerMethod.allCases.first(where: { $0.vmMethod == method }) {
            call = .manager(byName, [.string(name)] + arguments, patience: patience)
        } else {
            let uuid: VMUUID = if case .uuid(let uuid) = vm { uuid } else { try await self.uuid(of: vm) }
            call = .vm(uuid, method, arguments, patience: patience)
        }
        guard let value = value(try await self.call(call)) else { throw call.unexpectedReply }
        return value
    }
}
