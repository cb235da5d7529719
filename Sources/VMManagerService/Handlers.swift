import DBus
import Logging
import VMCore
import VMManagerAPI
import VMModel

/// Binds the contract's methods to the core: each decodes, calls, encodes, and has no rules of its own.
struct Handlers: Sendable {
    let manager: VMManager
    let authorizer: Authorizer
    let examination: HostExamination
    let mediaList: MediaList
    let logger: Logger
    let failures = LogLimit()

    /// A call whose arguments are checked and frozen and whose VM is found; nothing has been done yet.
    struct Prepared: Sendable {
        typealias Run = @Sendable (Authorizer.Caller) async throws(VMError) -> [DBusValue]

        /// What will be acted on, once it is known who calls.
        let target: @Sendable (Authorizer.Caller) -> Authorizer.Target
        /// What is needed beside the method's own action.
        let furtherActions: [Action]
        /// Who is asked for nothing, because it is about what that user has begun.
        let starter: UInt32?
        let run: Run

        init(_ vm: VM, run: @escaping Run) {
            target = { _ in Authorizer.Target(vm) }
            furtherActions = []
            starter = nil
            self.run = run
        }

        /// A job, and the VM that it works on if there is one.
        init(_ job: Job, _ vm: VM?, run: @escaping Run) {
            target = { _ in Authorizer.Target(job, vm) }
            furtherActions = []
            starter = job.startedByUID
            self.run = run
        }

        /// What concerns a medium and no VM.
        init(_ verb: String, _ medium: MediaName, run: @escaping Run) {
            var target = Authorizer.Target()
            (target.medium, target.mediumVerb) = (medium, verb)
            self.target = { [target] _ in target }
            furtherActions = []
            starter = nil
            self.run = run
        }

        /// A request for a VM that is to be the caller's.
        init(_ request: CreateRequest, _ needs: CreateNeeds, run: @escaping Run) {
            target = { caller in
                Authorizer.Target(
                    newVM: request.name, uuid: request.uuid, owner: caller.uid, template: needs.template,
                    resources: needs.hostResources)
            }
            furtherActions = needs.hostResources.isEmpty ? [] : [.hostResources]
            starter = nil
            self.run = run
        }
    }

    func managerInterface() throws(DBusError) -> Interface {
        var handlers: [String: MethodHandler] = [:]
        for method in ManagerMethod.allCases { handlers[method.rawValue] = try handler(for: method) }
        return try Interface(ManagerInterface.description, methods: handlers)
    }

    func vmInterface() throws(DBusError) -> Interface {
        var handlers: [String: MethodHandler] = [:]
        for method in VMMethod.allCases {
            handlers[method.rawValue] = guarded(method.access) { [manager] call throws(VMError) in
                guard let uuid = BusNames.uuid(of: call.path), let vm = await manager.inventory.vm(uuid) else {
                    throw VMError(.notFound, "the VM does not exist any more")
                }
                return try prepare(method, vm, call.arguments[...])
            }
        }
        return try Interface(VMInterface.description, methods: handlers)
    }

    func jobInterface() throws(DBusError) -> Interface {
        var handlers: [String: MethodHandler] = [:]
        for method in JobMethod.allCases {
            handlers[method.rawValue] = guarded(method.access) { [manager] call throws(VMError) in
                guard let id = BusNames.job(of: call.path), let job = await manager.jobs.job(id) else {
                    throw VMError(.notFound, "the job does not exist any more")
                }
                let vm: VM? = if let uuid = job.vms.first { await manager.inventory.vm(uuid) } else { nil }
                switch method {
                case .cancel:
                    return Prepared(job, vm) { _ throws(VMError) in
                        try await manager.jobs.cancel(id)
                        return []
                    }
                }
            }
        }
        return try Interface(JobInterface.description, methods: handlers)
    }

    /// A method that is not for everybody: first the arguments and the VM, then who may, then exactly that.
    /// - Parameter lookAgain: looks for a VM that is not known, for root; then it is prepared once more. Others hear of a VM of another
    ///   tool when libvirt tells of it, which is a moment later.
    func guarded(
        _ access: Access, lookAgain: (@Sendable (MethodCall) async -> Void)? = nil,
        _ prepare: @escaping @Sendable (MethodCall) async throws(VMError) -> Prepared
    ) -> MethodHandler {
        .task { [self] call in
            var caller: Authorizer.Caller?
            do throws(VMError) {
                let prepared: Prepared
                do throws(VMError) {
                    prepared = try await prepare(call)
                } catch  where error.code == .notFound {
                    guard let lookAgain, (try? await authorizer.caller(of: call))?.uid == 0 else { throw error }
                    await lookAgain(call)
                    prepared = try await prepare(call)
                }
                do throws(DBusError) {
                    let known = try await authorizer.caller(of: call)
                    if access != .starter || prepared.starter != known.uid {
                        try await authorizer.authorize(
                            known, access.actions + prepared.furtherActions, on: prepared.target(known), for: call)
                    }
                    caller = known
                } catch {
                    failures.log("refused \(call.member) to \(call.sender): \(error.message)") {
                        logger.notice("\($0)")
                    }
                    return .failure(error)
                }
                guard let caller else { return .failure(.accessDenied("it is not known who calls")) }
                return .success(try await prepared.run(caller))
            } catch {
                failures.log("\(call.member) for \(call.sender) failed: \(error)") { logger.notice("\($0)") }
                return .failure(caller?.maySeeCauses == true ? error.busErrorWithCause : error.busError)
            }
        }
    }

    /// A method that anybody may call, answered from memory on the bus's own thread.
    func reading(
        _ read: @escaping @Sendable (isolated Inventory, MethodCall) throws(VMError) -> [DBusValue]
    ) -> MethodHandler {
        .immediate { [inventory = manager.inventory] call in
            let result = inventory.assumeIsolated { inventory in
                Result { () throws(VMError) in try read(inventory, call) }
            }
            return try result.mapError(\.busError).get()
        }
    }
}

extension MethodHandler {
    /// A task whose outcome is a value, so that every way out of it is one of the two.
    static func task(
        _ body: @escaping @Sendable (MethodCall) async -> Result<[DBusValue], DBusError>
    ) -> MethodHandler {
        .task { call in try await body(call).get() }
    }
}

extension Access {
    /// What a caller needs; nothing for what is public.
    fileprivate var actions: [Action] {
        switch self {
        case .public: []
        case .action(let action): [action]
        case .starter: [.control]
        }
    }
}
