public import VMModel

// The library of media: read-only images that every VM of this host may have, each a file of root's with a name of its own.
extension VMManager {
    /// The largest file that is taken, in bytes.
    static let maximumImportBytes = ImageHeader.maximumBytes

    /// The media, sorted by name; what is still being imported is not among them.
    public func media() async throws(VMError) -> [Medium] {
        try await hypervisor.media().filter { !claims.isImporting($0.name) }
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// Copies a file into the library. All of it, or nothing: also when the task is cancelled.
    /// - Returns: its path. - Throws: `alreadyExists`, `invalidArgument` for the file, `noSpace`, `busy`, `timeout`, `cancelled`.
    public func importMedium(
        _ name: MediaName, from file: ImportFile, progress: @escaping ImportProgress = { _, _ in }
    ) async throws(VMError) -> String {
        do throws(VMError) {
            try await checkIsReady("import", name.rawValue)
            let contents = try await contents(of: file, headBytes: 0)
            try claims.beginCopy()
            defer { claims.endCopy() }
            try claims.beginImport(name)
            var isMade = false
            do throws(VMError) {
                guard try await !hypervisor.hasMedium(named: name.rawValue) else {
                    throw VMError(.alreadyExists, "there is a medium of that name")
                }
                let path = try await addMedium(name, contents, &isMade, progress)
                claims.endImport(name)
                return path
            } catch {
                await takeBackMedium(name, isMade: isMade)
                throw error
            }
        } catch {
            throw error.saying("cannot import '\(name)'")
        }
    }

    /// Removes a medium that no VM has.
    /// - Throws: `notFound`; `busy` while a VM has it, now or at its next start.
    public func removeMedium(_ name: MediaName) async throws(VMError) {
        do throws(VMError) {
            try await checkIsReady("remove", name.rawValue)
            try claims.beginRemoval(name)
            defer { claims.endRemoval(name) }
            guard try await hypervisor.media().contains(where: { NameBytes($0.name) == NameBytes(name.rawValue) })
            else {
                throw VMError(.notFound, "there is no medium of that name")
            }
            let path = try await hypervisor.pathOfMedium(named: name.rawValue)
            if let user = try await hypervisor.vmsUsing(disk: path).first {
                let words = await inventory.vm(user).map { "'\($0.name)'" } ?? "\(user)"
                throw VMError(.busy, "the VM \(words) has it")
            }
            try await hypervisor.deleteMedium(named: name.rawValue)
        } catch {
            throw error.saying("cannot remove '\(name)'")
        }
    }

    // MARK: What importing consists of

    /// Looks at a file that a caller handed over, and reads its beginning.
    /// - Throws: `invalidArgument` for what is no file that can be copied.
    func contents(of file: ImportFile, headBytes: Int) async throws(VMError) -> ImportContents {
        let facts = try await hypervisor.facts(of: file)
        guard facts.isRegular, facts.isNamed, facts.isReadable, (1...Self.maximumImportBytes).contains(facts.sizeBytes)
        else {
            throw VMError(
                .invalidArgument,
                "what is handed over must be a regular file that is open for reading, is not empty, and has at most "
                    + "\(Self.maximumImportBytes >> 30) GiB")
        }
        let count = min(Int(clamping: facts.sizeBytes), headBytes)
        let head = count == 0 ? [] : try await hypervisor.read(file, at: 0, count: count)
        return ImportContents(file: file, head: head, sizeBytes: facts.sizeBytes)
    }

    /// - Parameter isMade: whether there is a file that must go if this fails.
    func addMedium(
        _ name: MediaName, _ contents: ImportContents, _ isMade: inout Bool, _ progress: @escaping ImportProgress
    ) async throws(VMError) -> String {
        let path: String
        do throws(VMError) {
            path = try await hypervisor.createVolume(
                named: name.rawValue, in: .media, format: .raw, sizeBytes: contents.sizeBytes,
                contentBytes: contents.sizeBytes)
        } catch {
            if error.leavesOutcomeOpen {
                // It may be somebody else's by now, so it is not removed.
                log("the empty medium \(name) may be left behind by its failed import: \(error)")
            }
            throw error
        }
        isMade = true
        try await copy(contents, to: name.rawValue, in: .media, progress)
        return path
    }

    /// Copies a file into a volume; ends when the task is cancelled, or when the service is to end.
    func copy(
        _ contents: ImportContents, to fileName: String, in place: VolumePlace, _ progress: @escaping ImportProgress
    ) async throws(VMError) {
        let task = Task { [hypervisor] () async -> Result<Void, VMError> in
            do throws(VMError) {
                return .success(try await hypervisor.fill(fileName, in: place, with: contents, progress: progress))
            } catch {
                return .failure(error)
            }
        }
        let id = claims.addCopy(task.cancel)
        defer { claims.removeCopy(id) }
        try await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }.get()
        try Self.checkIsWanted()
    }

    /// - Throws: `cancelled` when the task is.
    static func checkIsWanted() throws(VMError) {
        guard !Task.isCancelled else { throw VMError(.cancelled, "it was cancelled") }
    }

    /// Removes what is left of an import that failed, and gives its name free. While there is no connection it is left for the next
    /// one, and until then the name stays taken.
    func takeBackMedium(_ name: MediaName, isMade: Bool) async {
        guard isMade, await !isDiscarded(name) else { return claims.endImport(name) }
        Task {
            repeat { await inventory.waitForConnection() } while await !isDiscarded(name)
            claims.endImport(name)
        }
    }

    /// - Returns: false when there was no connection. What cannot be removed is named in the log.
    private func isDiscarded(_ name: MediaName) async -> Bool {
        do throws(VMError) {
            try await hypervisor.deleteMedium(named: name.rawValue)
        } catch {
            guard error.code != .hypervisorUnavailable else { return false }
            log("the medium \(name) is left behind by its failed import: \(error)")
        }
        return true
    }

    /// - Throws: `hypervisorUnavailable` without a connection; `cancelled` when the service is about to end.
    private func checkIsReady(_ operation: String, _ name: String) async throws(VMError) {
        guard await inventory.status.isConnected else {
            throw VMError(.hypervisorUnavailable, "there is no connection to libvirt at present; try again later")
        }
        try checkGoesOn(operation, name)
    }
}
