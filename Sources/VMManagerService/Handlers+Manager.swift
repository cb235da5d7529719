import DBus
import VMCore
import VMManagerAPI
import VMModel
import VMTemplates

extension Handlers {
    /// What answers a method of the manager: only one that is declared public gets a handler that asks nobody.
    /// - Throws: `InvalidArgs` when the declaration and the handler do not go together; then the service does not start.
    func handler(for method: ManagerMethod) throws(DBusError) -> MethodHandler {
        let handler = method.access == .public ? openHandler(for: method) : guardedHandler(for: method)
        guard let handler else {
            throw .invalidArgs("\(method.rawValue) has no handler of the access that it declares")
        }
        return handler
    }

    private func openHandler(for method: ManagerMethod) -> MethodHandler? {
        switch method {
        case .listVMs:
            reading { inventory, _ throws(VMError) in
                [.array(of: Self.summaryType, inventory.vms.map(\.busSummary))]
            }
        case .getVM:
            reading { inventory, call throws(VMError) in
                [.objectPath(BusNames.path(of: try inventory.vm(named: call.arguments.first?.stringValue ?? "").uuid))]
            }
        case .getVMByUUID:
            reading { inventory, call throws(VMError) in
                guard let uuid = VMUUID(call.arguments.first?.stringValue ?? "") else {
                    throw VMError(.invalidArgument, "uuid must be a UUID such as 3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f")
                }
                guard let vm = inventory.vm(uuid) else { throw VMError(.notFound, "there is no VM with that UUID") }
                return [.objectPath(BusNames.path(of: vm.uuid))]
            }
        case .listTemplates:
            reading { [templates = manager.templates] _, _ throws(VMError) in
                [.array(of: Self.templateType, templates.templates.map(\.busValue))]
            }
        case .getPermissions: .task(permissions)
        case .checkHost:
            .task { [examination] _ in
                .success([.array(of: Self.checkType, await examination.checks().map(\.busValue))])
            }
        case .listMedia: listMedia
        case .createVM, .renderTemplate, .importMedia, .removeMedia, .startVM, .stopVM, .destroyVM, .pauseVM,
            .resumeVM, .rebootVM, .resetVM, .deleteVM:
            nil
        }
    }

    private func guardedHandler(for method: ManagerMethod) -> MethodHandler? {
        switch method {
        case .createVM: guarded(method.access, prepareCreate)
        case .renderTemplate: guarded(method.access, prepareRender)
        case .importMedia: guarded(method.access, prepareImport)
        case .removeMedia: guarded(method.access, prepareRemoval)
        case .startVM, .stopVM, .destroyVM, .pauseVM, .resumeVM, .rebootVM, .resetVM, .deleteVM:
            guarded(
                method.access,
                lookAgain: { [manager] call in
                    await manager.lookForVM(named: call.arguments.first?.stringValue ?? "")
                }
            ) { [manager] call throws(VMError) in
                guard let vmMethod = method.vmMethod else { throw VMError(.failed, "no such operation") }
                let vm = try await manager.inventory.vm(named: call.arguments.first?.stringValue ?? "")
                return try prepare(vmMethod, vm, call.arguments.dropFirst())
            }
        case .listVMs, .getVM, .getVMByUUID, .listTemplates, .listMedia, .getPermissions, .checkHost:
            nil
        }
    }

    private func prepareCreate(_ call: MethodCall) async throws(VMError) -> Prepared {
        var request = CreateRequest(name: call.arguments.first?.stringValue ?? "")
        var options = try OptionReader(call.arguments.last)
        let isInBackground = try options.bool("background") ?? false
        try request.take(&options, choosesTemplate: true)
        return Prepared(request, try manager.check(request)) { [manager, request] caller throws(VMError) in
            let uuid = try await manager.create(request, owner: caller.uid, inBackground: isInBackground)
            return [.objectPath(BusNames.path(of: uuid))]
        }
    }

    private func prepareRender(_ call: MethodCall) async throws(VMError) -> Prepared {
        guard call.arguments.count == 3, let template = call.arguments[0].stringValue else {
            throw VMError(.invalidArgument, "template must be a string")
        }
        var request = CreateRequest(name: call.arguments[1].stringValue ?? "")
        request.template = template
        var options = try OptionReader(call.arguments[2])
        try request.take(&options, choosesTemplate: false)
        return Prepared(request, try manager.check(request)) { [manager, request] caller throws(VMError) in
            [.string(try await manager.render(request, owner: caller.uid))]
        }
    }

    /// What the caller may do: with a VM, or on this host.
    private func permissions(_ call: MethodCall) async -> Result<[DBusValue], DBusError> {
        do throws(DBusError) {
            let path = call.arguments.first?.objectPathValue ?? .root
            let vm: VM? = if let uuid = BusNames.uuid(of: path) { await manager.inventory.vm(uuid) } else { nil }
            guard vm != nil || path == BusNames.manager else {
                throw VMError(.notFound, "that is neither the manager nor a VM").busError
            }
            let actions = Action.allCases.filter { $0.dependsOnOwner == (vm != nil) }
            let permissions = try await authorizer.permissions(
                of: try await authorizer.caller(of: call), for: actions,
                on: vm.map { Authorizer.Target($0) } ?? Authorizer.Target())
            let entries = permissions.map { action, permission in
                DBusValue.Entry(key: .string(action), value: .string(permission.rawValue))
            }
            return .success([.dictionary(key: .string, value: .string, entries)])
        } catch {
            return .failure(error)
        }
    }

    private static let summaryType = DBusType.structure([
        .objectPath, .string, .string, .string, .uint64, .uint32, .boolean,
    ])
    private static let checkType = DBusType.structure([.string, .string, .string, .string])
    private static let templateType = DBusType.structure([.string, .string, .string, .options])
}
