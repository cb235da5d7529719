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
        case .start: prepared = acting(on: vm) { manager throws(VMError) in try await manager.start(uuid) }
        case .destroy: prepared = acting(on: vm) { manager throws(VMError) in try await manager.destroy(uuid) }
        case .pause: prepared = acting(on: vm) { manager throws(VMError) in try await manager.pause(uuid) }
        case .resume: prepared = acting(on: vm) { manager throws(VMError) in try await manager.resume(uuid) }
        case .reboot: prepared = acting(on: vm) { manager throws(VMError) in try await manager.reboot(uuid) }
        case .reset: prepared = acting(on: vm) { manager throws(VMError) in try await manager.reset(uuid) }
        case .stop:
            let seconds = try Self.timeout(&options)
            let force = try options.bool("force") ?? false
            prepared = acting(on: vm) { manager throws(VMError) in
                try await manager.stop(uuid, within: .seconds(seconds), force: force)
            }
        case .setAutostart:
            guard let autostart = arguments.first?.boolValue else {
                throw VMError(.invalidArgument, "autostart must be a boolean")
            }
            prepared = acting(on: vm) { manager throws(VMError) in try await manager.setAutostart(uuid, autostart) }
        case .delete:
            let deleteDisks = try options.bool("delete_disks") ?? false
            prepared = Prepared(vm) { [manager] _ throws(VMError) in
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

    private static func timeout(_ options: inout OptionReader) throws(VMError) -> UInt64 {
        let seconds = try options.unsigned("timeout") ?? 60
        guard seconds <= 86_400 else {
            throw VMError(.invalidArgument, "timeout must be from 0 to 86400 seconds")
        }
        return seconds
    }
}
