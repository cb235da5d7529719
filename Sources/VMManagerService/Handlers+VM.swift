import DBus
import VMCore
import VMManagerAPI
import VMModel

extension Handlers {
    /// Checks the arguments of a VM's method and says what will be done; the options are always the last argument.
    func prepare(_ method: VMMethod, _ vm: VM, _ arguments: ArraySlice<DBusValue>) throws(VMError) -> Prepared {
        var options = try OptionReader(arguments.last)
        let uuid = vm.uuid
        let prepared: Prepared
        switch method {
        case .start:
            prepared = try working(.start, on: vm, &options) { manager, _ throws(VMError) in
                try await manager.start(uuid)
                return []
            }
        case .destroy: prepared = acting(on: vm) { manager throws(VMError) in try await manager.destroy(uuid) }
        case .pause: prepared = acting(on: vm) { manager throws(VMError) in try await manager.pause(uuid) }
        case .resume: prepared = acting(on: vm) { manager throws(VMError) in try await manager.resume(uuid) }
        case .reboot: prepared = acting(on: vm) { manager throws(VMError) in try await manager.reboot(uuid) }
        case .reset: prepared = acting(on: vm) { manager throws(VMError) in try await manager.reset(uuid) }
        case .stop:
            let seconds = try Self.timeout(&options)
            let force = try options.bool("force") ?? false
            prepared = try working(.stop, on: vm, &options, isCancelable: true) { manager, job throws(VMError) in
                try await job.interruptible { () async throws(VMError) in
                    try await manager.stop(uuid, within: .seconds(seconds), force: force)
                }
                return []
            }
        case .setAutostart:
            guard let autostart = arguments.first?.boolValue else {
                throw VMError(.invalidArgument, "autostart must be a boolean")
            }
            prepared = acting(on: vm) { manager throws(VMError) in try await manager.setAutostart(uuid, autostart) }
        case .delete:
            let deleteDisks = try options.bool("delete_disks") ?? false
            prepared = try working(.delete, on: vm, &options, inBackground: [.strings([])]) {
                manager, _ throws(VMError) in
                [.strings(try await manager.delete(uuid, deleteDisks: deleteDisks))]
            }
        case .getXML:
            prepared = Prepared(vm) { [manager] _ throws(VMError) in
                [.string(try await manager.definition(of: uuid))]
            }
        }
        try options.finish()
        return prepared
    }

    /// An operation that answers with nothing but its success.
    private func acting(
        on vm: VM, _ body: @escaping @Sendable (VMManager) async throws(VMError) -> Void
    ) -> Prepared {
        Prepared(vm) { [manager] _ throws(VMError) in
            try await body(manager)
            return []
        }
    }

    /// An operation that is a job. With the option `background` its caller does not wait for it.
    private func working(
        _ operation: JobOperation, on vm: VM, _ options: inout OptionReader, isCancelable: Bool = false,
        inBackground reply: [DBusValue] = [],
        _ work: @escaping @Sendable (VMManager, JobControl) async throws(VMError) -> [DBusValue]
    ) throws(VMError) -> Prepared {
        let isInBackground = try options.bool("background") ?? false
        return Prepared(vm) { [manager] caller throws(VMError) in
            let order = Jobs.Order(operation, vm.name, on: [vm.uuid], by: caller.uid, isCancelable: isCancelable)
            guard isInBackground else {
                return try await manager.jobs.run(order) { job throws(VMError) in try await work(manager, job) }
            }
            try await manager.jobs.start(order) { job throws(VMError) in _ = try await work(manager, job) }
            return reply
        }
    }

    private static func timeout(_ options: inout OptionReader) throws(VMError) -> UInt64 {
        let seconds = try options.unsigned("timeout") ?? 60
        guard seconds <= 86_400 else {
            throw VMError(.invalidArgument, "timeout must be from 0 to 86400 seconds")
        }
        return seconds
    }
}
