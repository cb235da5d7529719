public import VMModel

extension VMManager {
    /// Starts a VM that is off, from its saved state if it has one.
    /// - Throws: `invalidState`, `hostUnsupported` and the like when libvirt cannot start it.
    public func start(_ uuid: VMUUID) async throws(VMError) {
        try await change(uuid, "start", if: { $0 == .shutOff }) { _ async throws(VMError) in
            try await self.startOrSayWhyNot(uuid)
        }
    }

    /// Asks the guest to shut down and returns when the VM is off.
    ///
    /// While it waits others may act on the VM, so that nobody has to sit out a guest that does not answer.
    /// - Parameters:
    ///   - limit: how long the guest may take.
    ///   - force: whether the VM's process is ended at the limit.
    /// - Throws: `timeout` at the limit without `force`, and the VM runs on; `invalidState`.
    public func stop(_ uuid: VMUUID, within limit: Duration, force: Bool) async throws(VMError) {
        let vm = try await changeableVM(uuid, "stop") { $0.isExecuting || $0 == .shuttingDown }
        guard await inventory.hasRoomToWait(for: uuid) else {
            throw VMError(
                .busy, "cannot stop '\(vm.name)': too many wait for its end already; try again later, or destroy it")
        }
        switch vm.state {
        case .running, .blocked:
            guard force else {
                try await requestShutdown(uuid)
                break
            }
            guard limit > .zero else { return try await destroyIfStillThere(uuid) }
            return try await forceStop(uuid, within: limit)
        case .shuttingDown:
            break
        case .paused, .suspended, .crashed, .unknown:
            guard force else {
                throw Self.wrongState(
                    vm, "stop", ", so the guest cannot shut down; resume it first, or stop it by force")
            }
            return try await destroy(uuid)
        case .creating, .shutOff:
            guard force, try await isBeingStarted(vm) else { throw Self.wrongState(vm, "stop") }
            return try await destroy(uuid)
        }
        guard await inventory.wait(for: uuid, atMost: limit, until: { $0?.state.mayHaveProcess != true }) else {
            guard !Task.isCancelled else { throw VMError(.cancelled, "waiting for '\(vm.name)' to stop was cancelled") }
            try checkGoesOn("wait for the stop of", vm.name)
            guard force else {
                throw VMError(
                    .timeout,
                    "cannot stop '\(vm.name)': the guest did not shut down within \(limit.components.seconds) s and runs on; "
                        + "stop it by force, or give it more time")
            }
            return try await destroyIfStillThere(uuid)
        }
        // The state came with an event; what changes along with it is read before the caller is told.
        await showResult(uuid)
    }

    /// Asks the guest, and ends the VM when it cannot be asked or the time is up. The request itself is not waited for: a QEMU that
    /// hangs cannot take it either, and the limit is for that too.
    private func forceStop(_ uuid: VMUUID, within limit: Duration) async throws(VMError) {
        let wait = Task { await inventory.wait(for: uuid, atMost: limit) { $0?.state.mayHaveProcess != true } }
        Task {
            do throws(VMError) {
                try await requestShutdown(uuid)
            } catch {
                wait.cancel()
            }
        }
        let isOff = await withTaskCancellationHandler {
            await wait.value
        } onCancel: {
            wait.cancel()
        }
        guard isOff else {
            guard !Task.isCancelled else { throw VMError(.cancelled, "waiting for the VM to stop was cancelled") }
            // Not before its time, when the wait ended because the service does.
            try checkGoesOn("stop", await inventory.vm(uuid)?.name ?? "")
            return try await destroyIfStillThere(uuid)
        }
        await showResult(uuid)
    }

    private func requestShutdown(_ uuid: VMUUID) async throws(VMError) {
        let isAllowed: @Sendable (VMState) -> Bool = { $0.isExecuting || $0 == .shuttingDown }
        try await change(uuid, "stop", if: isAllowed) { [hypervisor] vm async throws(VMError) in
            guard vm.state != .shuttingDown else { return }
            try await hypervisor.requestShutdown(uuid)
        }
    }

    /// Ends the VM's process at once, as pulling the plug does. Waits for nobody: it is the way out when something else hangs.
    /// - Throws: `invalidState` when it has no process.
    public func destroy(_ uuid: VMUUID) async throws(VMError) {
        let vm = try await changeableVM(uuid, "destroy", if: \.mayHaveProcess)
        if !vm.state.mayHaveProcess {
            guard try await isBeingStarted(vm) else { throw Self.wrongState(vm, "destroy") }
        }
        do throws(VMError) {
            try await hypervisor.destroy(uuid)
        } catch {
            try? await inventory.refresh(uuid)
            throw error.saying("cannot destroy '\(vm.name)'")
        }
        await showResult(uuid)
    }

    /// Whether a VM that is shown as off has a process all the same: one whose start is not finished, and may never be.
    private func isBeingStarted(_ vm: VM) async throws(VMError) -> Bool {
        guard vm.state == .shutOff else { return false }
        return try await hypervisor.readVM(vm.uuid)?.state.mayHaveProcess == true
    }

    /// At a forced stop's limit the guest may have just ended by itself, which is what was wanted.
    private func destroyIfStillThere(_ uuid: VMUUID) async throws(VMError) {
        do throws(VMError) {
            try await destroy(uuid)
        } catch  where error.code == .invalidState || error.code == .notFound {
            return
        }
    }

    /// Halts the guest's processors; its memory stays.
    public func pause(_ uuid: VMUUID) async throws(VMError) {
        try await change(uuid, "pause", if: \.isExecuting) { [hypervisor] _ async throws(VMError) in
            try await hypervisor.suspend(uuid)
        }
    }

    /// Lets a paused guest go on, or wakes one that suspended itself.
    public func resume(_ uuid: VMUUID) async throws(VMError) {
        try await change(uuid, "resume", if: { $0 == .paused || $0 == .suspended }) {
            [hypervisor] vm async throws(VMError) in
            if vm.state == .suspended {
                try await hypervisor.wakeUp(uuid)
            } else {
                try await hypervisor.resume(uuid)
            }
        }
    }

    /// Asks the guest to reboot; returns when it was asked.
    public func reboot(_ uuid: VMUUID) async throws(VMError) {
        try await change(uuid, "reboot", if: \.isExecuting) { [hypervisor] _ async throws(VMError) in
            try await hypervisor.requestReboot(uuid)
        }
    }

    /// Presses the reset button: the guest starts anew without being asked.
    public func reset(_ uuid: VMUUID) async throws(VMError) {
        try await change(uuid, "reset", if: { $0.isExecuting || $0 == .paused }) {
            [hypervisor] _ async throws(VMError) in
            try await hypervisor.reset(uuid)
        }
    }

    /// Sets whether libvirt starts the VM when the host starts.
    public func setAutostart(_ uuid: VMUUID, _ autostart: Bool) async throws(VMError) {
        try await change(uuid, "set autostart of", if: { $0 != .creating }) { [hypervisor] _ async throws(VMError) in
            try await hypervisor.setAutostart(uuid, autostart)
        }
    }

    /// The VM's definition as libvirt has it, without secrets.
    public func definition(of uuid: VMUUID) async throws(VMError) -> String {
        let vm = try await changeableVM(uuid, "read")
        guard vm.state != .creating else { throw Self.wrongState(vm, "read the definition of") }
        do throws(VMError) {
            return try await hypervisor.definition(of: uuid)
        } catch {
            throw error.saying("cannot read the definition of '\(vm.name)'")
        }
    }
}
