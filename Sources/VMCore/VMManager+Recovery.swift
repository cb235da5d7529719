import Synchronization
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
            if intent.kind == .delete { noteOpenDeletion(of: intent.uuid) }
            // Nobody uses or makes a medium of a name that is about to be removed.
            let media = Self.media(of: intent)
            for name in media { try? claims.beginImport(name) }
            Task {
                await recover(intent)
                for name in media { claims.endImport(name) }
            }
        }
    }

    /// The media that a cut-off import, or a creation, has made.
    private static func media(of intent: Intent) -> [MediaName] {
        switch intent.kind {
        case .importMedia: (try? MediaName(intent.name)).map { [$0] } ?? []
        case .create: intent.volumes.compactMap(HostPath.medium(inLibrary:))
        case .delete: []
        }
    }

    func recover(_ intent: Intent) async {
        guard intent.kind != .delete else { return await recoverDeletion(intent) }
        await inventory.waitForConnection()
        while await !cleanTwice(intent) { await waitToTryAgain() }
        await forget(intent)
        if intent.kind == .create {
            await inventory.abandonCreating(intent.uuid)
            await showResult(intent.uuid)
        }
    }

    /// To be called in the VM's turn, or before there are turns.
    func noteOpenDeletion(of uuid: VMUUID) {
        openDeletions.withLock { _ = $0.insert(uuid) }
    }

    /// In the VM's turn, so that nobody removes it in another way meanwhile; and not at all once somebody has begun to.
    private func recoverDeletion(_ intent: Intent) async {
        var isOver = false
        while !isOver {
            await inventory.waitForConnection()
            let outcome = try? await turns.withTurn(for: intent.uuid, "delete") { () async throws(VMError) -> Bool in
                guard self.openDeletions.withLock({ $0.contains(intent.uuid) }) else { return true }
                guard await self.cleanTwice(intent) else { return false }
                self.openDeletions.withLock { _ = $0.remove(intent.uuid) }
                await self.forget(intent)
                return true
            }
            isOver = outcome ?? false
            if !isOver { await waitToTryAgain() }
        }
    }

    /// libvirt may still be at what that process had asked for, so it is looked at twice.
    /// - Returns: false when it must be tried again.
    private func cleanTwice(_ intent: Intent) async -> Bool {
        guard await clean(intent) else { return false }
        try? await Task.sleep(for: settling / 4)
        return await clean(intent)
    }

    /// - Returns: false when it must be tried again.
    private func clean(_ intent: Intent) async -> Bool {
        await undoing("the cut-off \(intent.kind.rawValue) of '\(intent.name)' \(intent.uuid)") {
            [self] () async throws(VMError) in
            switch intent.kind {
            case .create:
                if try await isDefinition(of: intent, intent.uuid) { try await undefineAtOnce(intent.uuid) }
            case .delete:
                if let vm = try await hypervisor.readVM(intent.uuid) {
                    // It stays, with its disks. One that was started in that moment gets its definition back.
                    if !vm.isPersistent { try await hypervisor.restoreDefinition(intent.uuid) }
                    return
                }
            case .importMedia:
                break
            }
            for path in intent.volumes where try await hypervisor.vmsUsing(disk: path).isEmpty {
                try await hypervisor.deleteVolume(atPath: path)
            }
        }
    }
}
