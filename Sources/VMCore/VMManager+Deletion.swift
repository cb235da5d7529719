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
                try await self.hypervisor.undefine(uuid)
                let kept = deleteDisks ? await self.deleteOwn(disks, of: vm) : disks.map(\.path)
                await self.showResult(uuid)
                return kept
            } catch {
                try? await self.inventory.refresh(uuid)
                throw error.saying("cannot delete '\(vm.name)'")
            }
        }
    }

    /// Removes the disks that are this VM's own, and gives the paths of the others.
    ///
    /// The metadata that says so can be edited with other tools, so it is believed only for a file whose name carries the VM's UUID.
    private func deleteOwn(_ disks: [VMDisk], of vm: VM) async -> [String] {
        guard await isGone(vm) else { return disks.map(\.path) }
        var kept: [String] = []
        for disk in disks {
            guard disk.isOwn, DiskName.belongs(disk.path, to: vm.uuid) else {
                kept.append(disk.path)
                continue
            }
            do throws(VMError) {
                // Whoever copies a definition by hand copies the disk's path and our metadata along.
                guard try await hypervisor.vmsUsing(disk: disk.path).isEmpty else {
                    log(
                        "VM '\(vm.name)' \(vm.uuid) is deleted, but another VM uses its disk \(disk.path), which is kept"
                    )
                    kept.append(disk.path)
                    continue
                }
                try await hypervisor.deleteDisk(atPath: disk.path)
            } catch {
                log("VM '\(vm.name)' \(vm.uuid) is deleted, but its disk \(disk.path) is not: \(error)")
                kept.append(disk.path)
            }
        }
        return kept
    }
}

extension VMManager {
    /// Whether nothing is left of a VM whose definition was removed. One that somebody started in that moment runs on without a
    /// definition, and needs its disks.
    private func isGone(_ vm: VM) async -> Bool {
        do throws(VMError) {
            guard try await hypervisor.readVM(vm.uuid) != nil else { return true }
            log("VM '\(vm.name)' \(vm.uuid) was started while it was deleted; it keeps its disks")
        } catch {
            log(
                "VM '\(vm.name)' \(vm.uuid) is deleted, but whether it runs is not known, so its disks are kept: \(error)"
            )
        }
        return false
    }
}

/// How the disks that this service makes are named: by VM, with the UUID, so that no two VMs, and no left-over of an earlier VM of
/// the same name, meet.
enum DiskName {
    static func make(for name: VMName, _ uuid: VMUUID, _ format: ImageFormat = .qcow2) -> String {
        "\(name)\(suffix(uuid, format))"
    }

    static func belongs(_ path: String, to uuid: VMUUID) -> Bool {
        ImageFormat.allCases.contains { path.utf8.reversed().starts(with: suffix(uuid, $0).utf8.reversed()) }
    }

    private static func suffix(_ uuid: VMUUID, _ format: ImageFormat) -> String {
        "-\(uuid).\(format.rawValue)"
    }
}
