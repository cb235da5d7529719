import DBus
public import VMManagerAPI
public import VMModel

// What anybody may read.
extension VMManagerClient {
    /// Every VM. Calls `ListVMs`.
    public func vms() async throws -> [VMSummary] {
        let call = Call.manager(.listVMs)
        return try await self.call(call) { $0.arrayValue }.map { row in
            guard let vm = VMSummary(row) else { throw call.unexpectedReply }
            return vm
        }
    }

    /// Whether the service has a connection to libvirt; without one the VMs are shown as it knew them last. Calls `Get`.
    public func isHypervisorConnected() async throws -> Bool {
        try await call(.managerProperty(.hypervisorConnected)) { $0.unwrapped.boolValue }
    }

    /// The UUID of a VM that is there. Calls `GetVM` or `GetVMByUUID`.
    /// - Throws: `notFound`.
    public func uuid(of vm: VMReference) async throws -> VMUUID {
        let call: Call =
            switch vm {
            case .name(let name): .manager(.getVM, [.string(name)])
            case .uuid(let uuid): .manager(.getVMByUUID, [.string(uuid.description)])
            }
        return try await self.call(call) { $0.objectPathValue.flatMap(BusNames.uuid(of:)) }
    }

    /// What the caller may do with a VM, or with nil on this host: a permission for each polkit action. Nobody is asked for a password.
    /// Calls `GetPermissions`.
    /// - Throws: `notFound`.
    public func permissions(of vm: VMReference?) async throws -> [String: Permission] {
        var path = BusNames.manager
        if let vm { path = BusNames.path(of: try await uuid(of: vm)) }
        let call = Call.manager(.getPermissions, [.objectPath(path)], patience: .seconds(60))
        let entries = try await self.call(call) { $0.entriesValue }
        return Dictionary(
            entries.compactMap { entry in
                guard let action = entry.key.stringValue, let word = entry.value.stringValue else { return nil }
                // A word that this version does not know is no permission.
                return (action, Permission(rawValue: word) ?? .no)
            }, uniquingKeysWith: { first, _ in first })
    }

    /// All properties of a VM. Calls `GetAll`.
    /// - Throws: `notFound`.
    public func details(of vm: VMReference) async throws -> VMDetails {
        // A UUID is its own object path, so that a lookup would only cost time.
        let uuid: VMUUID = if case .uuid(let uuid) = vm { uuid } else { try await self.uuid(of: vm) }
        return try await call(.properties(of: uuid)) { $0.optionsValue.flatMap(VMDetails.init(properties:)) }
    }

    /// The templates that VMs can be made from. Calls `ListTemplates`.
    public func templates() async throws -> [TemplateSummary] {
        let call = Call.manager(.listTemplates)
        return try await self.call(call) { $0.arrayValue }.map { row in
            guard let template = TemplateSummary(row) else { throw call.unexpectedReply }
            return template
        }
    }

    /// The media in the library, by name. Calls `ListMedia`.
    public func media() async throws -> [Medium] {
        let call = Call.manager(.listMedia, patience: .seconds(60))
        return try await self.call(call) { $0.arrayValue }.map { row in
            guard let fields = row.structureValue, fields.count == 2, let name = fields[0].stringValue,
                let size = fields[1].uint64Value
            else { throw call.unexpectedReply }
            return Medium(name: name, sizeBytes: size)
        }
    }

    /// Whether the host has what VMs need, in the service's order. Calls `CheckHost`.
    public func checkHost() async throws -> [HostCheck] {
        let call = Call.manager(.checkHost, patience: .seconds(15))
        return try await self.call(call) { $0.arrayValue }.map { row in
            guard let check = HostCheck(row) else { throw call.unexpectedReply }
            return check
        }
    }
}
