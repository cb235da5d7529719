public import VMModel

extension VMManager {
    /// Takes up what an earlier process of this service has left unfinished, as it had noted: what it was making goes, and what it
    /// was removing and is gone already loses its volumes too. To be called before the inventory starts: a VM that is half made
    /// is listed as `creating` until it is gone.
    ///
    /// Returns at once; the work waits for a connection.
    /// - Throws: what the intents cannot be read for; then nothing is known, and nothing is touched.
    public func recover() async throws(VMError) {
        for intent in try await intents.all() {
            log(
                "the creation, removal or import of '\(intent.name)' \(intent.uuid) was cut off; it is being cleaned up"
            )
            if intent.kind == .create {
                let vm = VM(uuid: intent.uuid, name: intent.name, state: .creating, createdAt: intent.createdAt)
                try? await inventory.beginCreating(vm)
            }
            Task { await recover(intent) }
        }
    }

    func recover(_ intent: Intent) async {
        // libvirt may still be at what that process had asked for, so it is looked at twice.
        for pass in 0...1 {
            if pass > 0 { try? await Task.sleep(for: settling / 4) }
            await inventory.waitForConnection()
            while await !clean(intent) { await waitToTryAgain() }
        }
        if intent.kind == .create {
            await inventory.abandonCreating(intent.uuid)
            await showResult(intent.uuid)
        }
        await forget(intent)
    }

    /// - Returns: false when it must be tried again.
    private func clean(_ intent: Intent) async -> Bool {
        await undoing("the cut-off \(intent.kind.rawValue) of '\(intent.name)' \(intent.uuid)") {
            [self] () async throws(VMError) in
            switch intent.kind {
            case .create:
                if try await isDefinition(of: intent, intent.uuid) { try await undefineAtOnce(intent.uuid) }
            case .delete:
                // While the definition is there, nothing has been removed, and the VM stays.
                guard try await hypervisor.readVM(intent.uuid) == nil else { return }
            case .importMedia:
                break
            }
            for path in intent.volumes where try await hypervisor.vmsUsing(disk: path).isEmpty {
                try await hypervisor.deleteVolume(atPath: path)
            }
        }
    }
}
