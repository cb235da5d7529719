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

    /// Copies a file into the library. All of it, or nothing.
    /// - Parameters:
    ///   - uid: who asks for it.
    ///   - inBackground: whether it returns as soon as the name is taken; how it ends is then told by the job.
    /// - Returns: its path. - Throws: `alreadyExists`, `invalidArgument` for the file, `noSpace`, `busy`, `timeout`, `cancelled`.
    public func importMedium(
        _ name: MediaName, from file: ImportFile, by uid: UInt32, inBackground: Bool = false
    ) async throws(VMError) -> String {
        do throws(VMError) {
            try await checkIsReady("import", name.rawValue)
            let contents = try await contents(of: file, headBytes: 0)
            try claims.beginImport(name)
            let (job, path) = try await beginImport(of: name, by: uid, inBackground)
            let work: @Sendable (JobControl) async throws(VMError) -> Void = { job throws(VMError) in
                try await self.carryOutImport(of: name, path, contents, by: uid, job)
            }
            if inBackground {
                jobs.leave(job, work)
            } else {
                try await jobs.carryOut(job, work)
            }
            return path
        } catch {
            throw error.saying("cannot import '\(name)'")
        }
    }

    /// What can be said at once. The name is taken already, and free again if this throws.
    private func beginImport(
        of name: MediaName, by uid: UInt32, _ inBackground: Bool
    ) async throws(VMError) -> (JobControl, path: String) {
        do throws(VMError) {
            guard try await !hypervisor.hasMedium(named: name.rawValue) else {
                throw VMError(.alreadyExists, "there is a medium of that name")
            }
            let path = try await hypervisor.pathOfMedium(named: name.rawValue)
            let order = Jobs.Order(.importMedia, name.rawValue, by: uid, isCancelable: true)
            return (try await jobs.begin(order, inBackground: inBackground), path)
        } catch {
            claims.endImport(name)
            throw error
        }
    }

    /// From the name that is taken to the medium that is there, or to nothing and a name that is free.
    private func carryOutImport(
        of name: MediaName, _ path: String, _ contents: ImportContents, by uid: UInt32, _ job: JobControl
    ) async throws(VMError) {
        let intent = Intent(.importMedia, .random(), name: name.rawValue, volumes: [path])
        var (isNoted, isMade) = (false, false)
        do throws(VMError) {
            try await copies.withPlace(for: uid, job) { () async throws(VMError) in
                try checkGoesOn("import", name.rawValue)
                try await intents.keep(intent)
                isNoted = true
                try await addMedium(name, contents, &isMade, job, job.report)
                try await jobs.passPointOfNoReturn(job)
                // From here on it is there, whatever happens.
                try await intents.forget(intent)
            }
            claims.endImport(name)
        } catch {
            await takeBack(isNoted ? intent : nil, name, path, isMade: isMade, isOpen: error.leavesOutcomeOpen)
            throw error.saying("cannot import '\(name)'")
        }
    }

    /// Removes what is left of an import that failed, and gives its name free. While there is no connection, or libvirt may still be
    /// at it, that happens later, and until then the name stays taken.
    private func takeBack(
        _ intent: Intent?, _ name: MediaName, _ path: String, isMade: Bool, isOpen: Bool
    ) async {
        guard let intent else { return claims.endImport(name) }
        var isGone = true
        if isMade {
            isGone = await undoing("the failed import of '\(name)'") { [hypervisor] () async throws(VMError) in
                try await hypervisor.deleteVolume(atPath: path)
            }
        }
        guard !isGone || isOpen else {
            await forget(intent)
            return claims.endImport(name)
        }
        Task {
            await recover(intent)
            claims.endImport(name)
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
            try await hypervisor.deleteVolume(atPath: path)
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
        _ name: MediaName, _ contents: ImportContents, _ isMade: inout Bool, _ job: JobControl,
        _ progress: @escaping ImportProgress
    ) async throws(VMError) {
        _ = try await hypervisor.createVolume(
            named: name.rawValue, in: .media, format: .raw, sizeBytes: contents.sizeBytes,
            contentBytes: contents.sizeBytes)
        isMade = true
        try await copy(contents, to: name.rawValue, in: .media, job, progress)
    }

    /// Copies a file into a volume; ends when the job is cancelled.
    func copy(
        _ contents: ImportContents, to fileName: String, in place: VolumePlace, _ job: JobControl,
        _ progress: @escaping ImportProgress
    ) async throws(VMError) {
        progress(0, contents.sizeBytes)
        do throws(VMError) {
            try await job.interruptible { [hypervisor] () async throws(VMError) in
                try await hypervisor.fill(fileName, in: place, with: contents, progress: progress)
            }
        } catch {
            // Whatever the interrupted call says of it.
            try job.checkGoesOn()
            throw error
        }
        try job.checkGoesOn()
    }

    /// - Throws: `hypervisorUnavailable` without a connection; `cancelled` when the service is about to end.
    private func checkIsReady(_ operation: String, _ name: String) async throws(VMError) {
        guard await inventory.status.isConnected else {
            throw VMError(.hypervisorUnavailable, "there is no connection to libvirt at present; try again later")
        }
        try checkGoesOn(operation, name)
    }
}
