import VMModel

/// What a creation has made so far, and what must go if the rest fails.
struct Undo: Sendable {
    let name: String
    let uuid: VMUUID
    /// What was noted of it on disk; nil before that.
    var intent: Intent?
    /// The disk that was made, or may have been.
    var diskPath: String?
    /// The same of the medium for cloud-init.
    var seedPath: String?
    /// The name that is taken for the medium that was handed over.
    var iso: MediaName?
    /// Whether that medium was made, or may have been.
    var isoIsMade = false
    /// Set once the definition was made, or may have been.
    var definition: VMUUID?
    /// Whether libvirt has not said how something ended, and may still be at it.
    var isOpen = false

    var words: String { "the failed creation of '\(name)' \(uuid)" }

    init(_ configuration: VMConfiguration) {
        name = configuration.name.rawValue
        uuid = configuration.uuid
    }
}

extension VMManager {
    /// Takes back what was made, newest first. While libvirt does not let it, that is left for later, and until then the name stays
    /// taken. What cannot be removed is named in the log: the caller has the first error.
    func undoCreation(_ undo: Undo) async {
        guard await takeBack(undo) else {
            Task {
                repeat { await waitToTryAgain() } while await !takeBack(undo)
                await giveUp(undo)
            }
            return
        }
        await giveUp(undo)
    }

    /// Makes the names free again: at once, or where libvirt may still be at it, when that must be over and has been taken back as well.
    /// Until then nobody else can have them, and whatever has them is this creation's.
    private func giveUp(_ undo: Undo) async {
        guard undo.isOpen else { return await freeNames(of: undo) }
        Task {
            try? await Task.sleep(for: settling)
            while await !takeBack(undo, isLate: true) { await waitToTryAgain() }
            await freeNames(of: undo)
        }
    }

    private func freeNames(of undo: Undo) async {
        if let intent = undo.intent { await forget(intent) }
        if let iso = undo.iso { claims.endImport(iso) }
        await inventory.abandonCreating(undo.uuid)
        try? await inventory.refresh(undo.uuid)
    }

    func forget(_ intent: Intent) async {
        do throws(VMError) {
            do throws(VMError) {
                try await intents.forget(intent)
            } catch {
                // Once more, since it may be an error of the moment.
                try await intents.forget(intent)
            }
        } catch {
            log("the next start of the service will look after '\(intent.name)' \(intent.uuid) again: \(error)")
        }
    }

    /// - Parameter isLate: whether others may have got hold of it meanwhile.
    /// - Returns: false when it must be tried again.
    private func takeBack(_ undo: Undo, isLate: Bool = false) async -> Bool {
        if let uuid = undo.definition {
            let isUndefined = await undoing(undo.words) { [self] () async throws(VMError) in
                if undo.isOpen, try await !isDefinition(of: undo.intent, uuid) { return }
                try await undefineAtOnce(uuid)
            }
            guard isUndefined else { return false }
        }
        let medium = undo.isoIsMade ? undo.intent?.volumes.last : nil
        for path in [undo.diskPath, undo.seedPath, medium].compactMap(\.self) {
            let isDeleted = await undoing(undo.words) { [hypervisor] () async throws(VMError) in
                if isLate, try await !hypervisor.vmsUsing(disk: path).isEmpty { return }
                try await hypervisor.deleteVolume(atPath: path)
            }
            guard isDeleted else { return false }
        }
        return true
    }

    /// Ends and removes a VM that was never whole.
    func undefineAtOnce(_ uuid: VMUUID) async throws(VMError) {
        try await destroyIfRunning(uuid)
        try await hypervisor.undefine(uuid)
        // A start whose end was not told may have begun between the two, and it would run on without a definition.
        if try await hypervisor.readVM(uuid) != nil { try await destroyIfRunning(uuid) }
    }

    private func destroyIfRunning(_ uuid: VMUUID) async throws(VMError) {
        do throws(VMError) {
            try await hypervisor.destroy(uuid)
        } catch  where error.code == .invalidState {
            // It is off.
        }
    }

    /// Whether the definition that there is under a UUID is the one that was to be made.
    func isDefinition(of intent: Intent?, _ uuid: VMUUID) async throws(VMError) -> Bool {
        guard let vm = try await hypervisor.readVM(uuid) else { return false }
        // A random UUID is nobody else's.
        guard let intent, intent.isChosen else { return true }
        return vm.createdAt == intent.createdAt
    }

    /// Not at once: what libvirt is busy with takes its time.
    func waitToTryAgain() async {
        try? await Task.sleep(for: settling / 10)
        await inventory.waitForConnection()
    }

    /// - Parameter what: of what something may be left behind, for the log.
    /// - Returns: false when it must be tried again, because it is not known what libvirt did, or it is still at it.
    func undoing(_ what: String, _ step: @Sendable () async throws(VMError) -> Void) async -> Bool {
        do throws(VMError) {
            try await step()
        } catch {
            guard !error.isPassing else { return false }
            // What is not there was never made.
            if error.code != .notFound { log("left behind by \(what): \(error)") }
        }
        return true
    }
}
