import Synchronization
public import VMModel

extension VMManager {
    /// Removes a VM that is off, with everything that libvirt keeps for it.
    ///
    /// - Parameter deleteDisks: whether the disks go too that this service made for this VM. No other file is ever removed.
    /// - Returns: the paths of the VM's disks that were kept.
    /// - Throws: `invalidState` while it has a process.
    public func delete(_ uuid: VMUUID, deleteDisks: Bool) async throws(VMError) -> [String] {
        try await turns.withTurn(for: uuid, "delete") { () async throws(VMError) -> [String] in
            let vm = try await self.changeableVM(uuid, "delete") { $0 == .shutOff }
            guard vm.state == .shutOff else {
                throw Self.wrongState(vm, "delete", vm.state == .creating ? "" : "; stop it first")
            }
            do throws(VMError) {
                let disks = try await self.hypervisor.disks(of: uuid)
                // It is there, so that nothing follows of an earlier attempt; what goes is said anew.
                if self.openDeletions.withLock({ $0.remove(uuid) }) != nil {
                    await self.forget(Intent(.delete, uuid, name: "", volumes: []))
                }
                // The medium for cloud-init is of no use without the VM, and may hold secrets.
                let own = disks.filter {
                    $0.isOwn
                        && (deleteDisks && DiskName.belongs($0.path, to: uuid) || DiskName.isSeed($0.path, of: uuid))
                }
                let intent = try await self.noteDeletion(of: vm, own.map(\.path))
                let isGone = try await self.undefine(uuid, intent)
                let rest = isGone ? await self.deleteOwn(own, of: vm) : Rest(isOpen: true)
                if let intent {
                    if rest.isOpen {
                        self.noteOpenDeletion(of: uuid)
                        Task { await self.recover(intent) }
                    } else {
                        await self.forget(intent)
                    }
                }
                await self.showResult(uuid)
                return disks.filter { !own.contains($0) || rest.kept.contains($0) }.map(\.path)
            } catch {
                try? await self.inventory.refresh(uuid)
                throw error.saying("cannot delete '\(vm.name)'")
            }
        }
    }

    /// nil when nothing has to follow the definition.
    private func noteDeletion(of vm: VM, _ volumes: [String]) async throws(VMError) -> Intent? {
        guard !volumes.isEmpty else { return nil }
        let intent = Intent(
            .delete, vm.uuid, name: ForeignText.quotable(vm.name), createdAt: vm.createdAt, volumes: volumes)
        try await intents.keep(intent)
        return intent
    }

    /// - Returns: false when it is not known whether it is gone.
    /// - Throws: `invalidState` for one that somebody has started in that moment; it stays as it was.
    private func undefine(_ uuid: VMUUID, _ intent: Intent?) async throws(VMError) -> Bool {
        do throws(VMError) {
            try await hypervisor.undefine(uuid)
            guard let isThere = await isThere(uuid) else { return false }
            guard isThere else { return true }
            try await hypervisor.restoreDefinition(uuid)
            throw VMError(.invalidState, "it was started meanwhile; stop it first")
        } catch {
            if let intent {
                if error.leavesOutcomeOpen {
                    noteOpenDeletion(of: uuid)
                    Task { await recover(intent) }
                } else {
                    await forget(intent)
                }
            }
            throw error
        }
    }

    private func isThere(_ uuid: VMUUID) async -> Bool? {
        do throws(VMError) {
            return try await hypervisor.readVM(uuid) != nil
        } catch {
            log("cannot read whether VM \(uuid) is gone: \(error)")
            return nil
        }
    }

    /// What became of the disks that were to be removed.
    private struct Rest {
        /// Those that could not be.
        var kept: [VMDisk] = []
        /// Whether some have to be looked after again, because libvirt did not let them be removed now.
        var isOpen = false
    }

    /// Removes the disks that are this VM's own.
    ///
    /// The metadata that says so can be edited with other tools, so it is believed only for a file whose name carries the VM's UUID.
    private func deleteOwn(_ disks: [VMDisk], of vm: VM) async -> Rest {
        var rest = Rest()
        for disk in disks {
            do throws(VMError) {
                // Whoever copies a definition by hand copies the disk's path and our metadata along.
                guard try await hypervisor.vmsUsing(disk: disk.path).isEmpty else {
                    log(
                        "VM '\(vm.name)' \(vm.uuid) is deleted, but another VM uses its disk \(disk.path), which is kept"
                    )
                    rest.kept.append(disk)
                    continue
                }
                try await hypervisor.deleteVolume(atPath: disk.path)
            } catch {
                if error.isPassing {
                    rest.isOpen = true
                } else {
                    log("VM '\(vm.name)' \(vm.uuid) is deleted, but its disk \(disk.path) is not: \(error)")
                    rest.kept.append(disk)
                }
            }
        }
        return rest
    }
}

/// How the disks that this service makes are named: by VM, with the UUID, so that no two VMs, and no left-over of an earlier VM of
/// the same name, meet.
enum DiskName {
    static func make(for name: VMName, _ uuid: VMUUID, _ format: ImageFormat = .qcow2) -> String {
        "\(name)\(suffix(uuid, format))"
    }

    /// The medium for cloud-init.
    static func seed(for name: VMName, _ uuid: VMUUID) -> String { "\(name)\(seedSuffix(uuid))" }

    static func isSeed(_ path: String, of uuid: VMUUID) -> Bool {
        path.utf8.reversed().starts(with: seedSuffix(uuid).utf8.reversed())
    }

    private static func seedSuffix(_ uuid: VMUUID) -> String { "-\(uuid)-seed.iso" }

    static func belongs(_ path: String, to uuid: VMUUID) -> Bool {
        isSeed(path, of: uuid)
            || ImageFormat.allCases.contains { path.utf8.reversed().starts(with: suffix(uuid, $0).utf8.reversed()) }
    }

    private static func suffix(_ uuid: VMUUID, _ format: ImageFormat) -> String {
        "-\(uuid).\(format.rawValue)"
    }
}
