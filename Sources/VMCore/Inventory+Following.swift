public import VMModel

/// How the inventory follows the hypervisor: its events, the listing after each connect, and reads of one VM.
extension Inventory {
    /// Connects the hypervisor and follows its events until it is stopped.
    ///
    /// Returns after the first full listing, or when the first attempt to connect or to list failed; `status` tells which.
    public func start() async {
        let (firstWord, isSaid) = AsyncStream.makeStream(of: Void.self)
        await hypervisor.start { [weak self, executor] event in
            // No stream and no task, which resume on the cooperative pool first: from libvirt's thread to the bus is one step.
            executor.execute { [weak self] in self?.assumeIsolated { $0.follow(event, isSaid) } }
        }
        for await _ in firstWord {}
    }

    private func follow(_ event: HypervisorEvent, _ isSaid: AsyncStream<Void>.Continuation) {
        if let listing = apply(event) {
            Task {
                await listing.value
                isSaid.finish()
            }
        } else if case .disconnected = event {
            isSaid.finish()
        }
    }

    /// Takes an event in; for a new connection gives the first attempt to list that it began.
    @discardableResult
    func apply(_ event: HypervisorEvent) -> Task<Void, Never>? {
        switch event {
        case .connected(let info):
            connection &+= 1
            // Events that are still missing went with the old connection.
            for uuid in entries.keys { entries[uuid]?.statesAheadOfEvents = [] }
            return Task { [connection] in await list(on: connection, info) }
        case .disconnected(let reason):
            connection &+= 1
            status = HypervisorStatus(isConnected: false, version: status.version)
            if !reason.isEmpty, reason != lossReason { log("no connection to \(hypervisor.uri): \(reason)") }
            lossReason = reason
        case .stateChanged(let uuid, let state, let reason):
            applyState(uuid, state, reason)
            refreshInBackground(uuid)
        case .changed(let uuid), .undefined(let uuid):
            noteChange(uuid)
            hearChange(of: uuid)
            refreshInBackground(uuid)
        }
        return nil
    }

    private func applyState(_ uuid: VMUUID, _ state: VMState, _ reason: String) {
        noteChange(uuid)
        guard var entry = entries[uuid], !entry.isCreating else { return }
        if let awaited = entry.statesAheadOfEvents.first {
            if awaited == state { entries[uuid]?.statesAheadOfEvents.removeFirst() }
            return
        }
        guard entry.vm.state != .shutOff, entry.vm.state != .crashed else {
            // What comes first of a start does not say how it started, so a start is read; also one after a crash.
            entries[uuid]?.heard = .state(state)
            return
        }
        guard entry.vm.state != state else { return }
        entry.vm.state = state
        entry.vm.stateReason = reason
        store(entry)
    }

    /// An event that does not say the state may be that of a transition all the same.
    private func hearChange(of uuid: VMUUID) {
        if entries[uuid]?.statesAheadOfEvents.isEmpty == false {
            entries[uuid]?.statesAheadOfEvents.removeFirst()
        } else {
            entries[uuid]?.heard = .change
        }
    }

    /// Reads every VM and makes the inventory equal to that, except where something newer is known.
    ///
    /// Returns after one attempt. When it fails there are others, after growing pauses, while the connection lasts.
    private func list(
        on connection: UInt64, _ info: HypervisorInfo, pause: Duration = .milliseconds(100)
    ) async {
        guard connection == self.connection else { return }
        changedDuringListing = []
        do throws(VMError) {
            let vms = try await hypervisor.listVMs()
            guard connection == self.connection else { return }
            for uuid in take(vms) { await readMissing(uuid) }
            guard connection == self.connection else { return }
            if lossReason != nil { log("connected to \(hypervisor.uri) again") }
            lossReason = nil
            status = HypervisorStatus(isConnected: true, version: info.version)
            for waiter in connectionWaiters { waiter.resume() }
            connectionWaiters = []
        } catch {
            log("cannot list the VMs: \(error)")
            Task {
                try? await Task.sleep(for: pause)
                await list(on: connection, info, pause: min(pause * 2, .seconds(5)))
            }
        }
    }

    /// - Returns: the VMs of which nothing is known yet, because they changed meanwhile.
    private func take(_ vms: [VM]) -> [VMUUID] {
        let changed = changedDuringListing ?? []
        changedDuringListing = nil
        var gone = Set(entries.keys)
        for vm in vms {
            gone.remove(vm.uuid)
            guard !changed.contains(vm.uuid), entries[vm.uuid]?.isCreating != true else { continue }
            store(Entry(vm: Self.shown(vm, after: entries[vm.uuid])))
        }
        for uuid in gone where !changed.contains(uuid) && entries[uuid]?.isCreating != true {
            remove(uuid)
        }
        for uuid in changed where entries[uuid] != nil { refreshInBackground(uuid) }
        return changed.filter { entries[$0] == nil }
    }

    /// Whoever sees the connection sees every VM, also one that changed while all were listed.
    private func readMissing(_ uuid: VMUUID) async {
        do throws(VMError) {
            try await refresh(uuid)
        } catch {
            log("cannot read VM \(uuid): \(error)")
        }
    }

    // MARK: Reads of one VM

    /// Reads the VM from the hypervisor; afterwards the inventory shows it as it was at some moment after the call.
    ///
    /// A VM that changes faster than it can be read is left to its events.
    /// - Throws: what the hypervisor throws; the inventory is unchanged then.
    public func refresh(_ uuid: VMUUID) async throws(VMError) {
        readers[uuid, default: Readers()].count += 1
        defer { endReading(uuid) }
        for _ in 0..<Self.readAttempts {
            let before = readers[uuid]?.changes
            let vm = try await hypervisor.readVM(uuid)
            guard readers[uuid]?.changes == before else { continue }
            return apply(read: vm, uuid)
        }
    }

    private static var readAttempts: Int { 8 }

    private func endReading(_ uuid: VMUUID) {
        readers[uuid]?.count -= 1
        if readers[uuid]?.count == 0 { readers[uuid] = nil }
    }

    private func apply(read vm: VM?, _ uuid: VMUUID) {
        let known = entries[uuid]
        if known?.isCreating == true { return }
        guard let vm else { return remove(uuid) }
        var entry = Entry(vm: Self.shown(vm, after: known))
        if let known {
            entry.statesAheadOfEvents = known.statesAheadOfEvents
            if let state = entry.vm.state.toldByEvents, state != known.vm.state.toldByEvents,
                known.heard != .change, known.heard != .state(state)
            {
                entry.statesAheadOfEvents.append(state)
            }
            // So many never come late: there is a state among them that no event tells of.
            if entry.statesAheadOfEvents.count > Self.maximumAhead { entry.statesAheadOfEvents = [] }
        }
        store(entry)
    }

    private static var maximumAhead: Int { 8 }

    /// What was read, as it is shown: a start holds the guest's processors until everything is in place, and that is no pause to tell of.
    private static func shown(_ vm: VM, after known: Entry?) -> VM {
        guard let known, vm.state == .paused, vm.stateReason == StateReason.startingUp else { return vm }
        var vm = vm
        vm.state = known.vm.state
        vm.stateReason = known.vm.stateReason
        return vm
    }

    /// Reads the VM once more, without anybody waiting for it; events that come in a burst share a read.
    func refreshInBackground(_ uuid: VMUUID) {
        // It is read when it is made.
        guard entries[uuid]?.isCreating != true else { return }
        guard refreshes.updateValue(true, forKey: uuid) == nil else { return }
        Task {
            while refreshes[uuid] == true {
                refreshes[uuid] = false
                do throws(VMError) {
                    try await refresh(uuid)
                } catch  where error.code == .hypervisorUnavailable {
                    // The listing after the next connect makes up for it.
                } catch {
                    log("cannot read VM \(uuid): \(error)")
                }
            }
            refreshes[uuid] = nil
        }
    }

    // MARK: Waiting

    /// Waits until `isDone` holds for the VM (nil once it is gone).
    /// - Returns: false when the time ran out or the task was cancelled first.
    public func wait(
        for uuid: VMUUID, atMost limit: Duration, until isDone: @escaping @Sendable (VM?) -> Bool
    ) async -> Bool {
        if isDone(entries[uuid]?.vm) { return true }
        guard !hasEndedWaits else { return false }
        lastWaiter &+= 1
        let id = lastWaiter
        let timer = Task {
            try? await Task.sleep(for: limit)
            resumeWaiter(id, false)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation {
                waiters[id] = Waiter(uuid: uuid, isDone: isDone, continuation: $0)
            }
        } onCancel: {
            Task { await self.resumeWaiter(id, false) }
        }
    }

    /// Whether one more may wait for the VM: what waits takes memory, and each event is shown to all of them.
    func hasRoomToWait(for uuid: VMUUID) -> Bool {
        waiters.values.lazy.filter { $0.uuid == uuid }.count < VMTurns.maximumWaiting
    }

    /// Ends every wait, those to come as well, as if its time were over.
    func endWaits() {
        hasEndedWaits = true
        for id in waiters.keys { resumeWaiter(id, false) }
    }

    /// Returns when there is a connection and every VM has been listed, at once if so.
    func waitForConnection() async {
        guard !status.isConnected else { return }
        await withCheckedContinuation { connectionWaiters.append($0) }
    }

    func resumeWaiters(for uuid: VMUUID) {
        guard !waiters.isEmpty else { return }
        for (id, waiter) in waiters where waiter.uuid == uuid && waiter.isDone(entries[uuid]?.vm) {
            resumeWaiter(id, true)
        }
    }

    private func resumeWaiter(_ id: UInt64, _ result: Bool) {
        waiters.removeValue(forKey: id)?.continuation.resume(returning: result)
    }
}

extension VMState {
    /// The state as an event would tell of it; nil where none does.
    fileprivate var toldByEvents: VMState? {
        switch self {
        case .running, .blocked: .running
        case .paused, .shuttingDown, .shutOff, .crashed, .suspended: self
        case .creating, .unknown: nil
        }
    }
}
