import CLibvirt

extension Domain {
    /// How to ask the guest to shut down. `virDomainShutdownFlagValues`
    public enum ShutdownMode: Sendable, Hashable {
        /// libvirt chooses: the guest agent if there is one, else the power button.
        case `default`
        /// The ACPI power button.
        case acpi
        /// The guest agent.
        case guestAgent

        var flags: UInt32 {
            switch self {
            case .default: VIR_DOMAIN_SHUTDOWN_DEFAULT.rawValue
            case .acpi: VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN.rawValue
            case .guestAgent: VIR_DOMAIN_SHUTDOWN_GUEST_AGENT.rawValue
            }
        }
    }

    /// Starts it; from its saved state, if it has one. Calls `virDomainCreateWithFlags`.
    /// - Parameters:
    ///   - paused: leaves its CPUs stopped.
    ///   - discardsManagedSave: boots, and throws a saved state away.
    public func start(
        paused: Bool = false, discardsManagedSave: Bool = false, deadline: Duration = .seconds(30)
    ) async throws {
        var flags: UInt32 = 0
        if paused { flags |= VIR_DOMAIN_START_PAUSED.rawValue }
        if discardsManagedSave { flags |= VIR_DOMAIN_START_FORCE_BOOT.rawValue }
        try await act("virDomainCreateWithFlags", deadline) { [flags] in virDomainCreateWithFlags($0, flags) }
    }

    /// Stops its CPUs; its memory stays. Calls `virDomainSuspend`.
    public func suspend(deadline: Duration = .seconds(30)) async throws {
        try await act("virDomainSuspend", deadline) { virDomainSuspend($0) }
    }

    /// Lets its CPUs go on. Calls `virDomainResume`.
    public func resume(deadline: Duration = .seconds(30)) async throws {
        try await act("virDomainResume", deadline) { virDomainResume($0) }
    }

    /// Wakes a guest that put itself to sleep. Calls `virDomainPMWakeup`.
    public func wakeUp(deadline: Duration = .seconds(30)) async throws {
        try await act("virDomainPMWakeup", deadline) { virDomainPMWakeup($0, 0) }
    }

    /// Asks the guest to shut down, and returns at once; the guest may do nothing. Calls `virDomainShutdownFlags`.
    public func shutdown(_ mode: ShutdownMode = .default, deadline: Duration = .seconds(30)) async throws {
        try await act("virDomainShutdownFlags", deadline) { virDomainShutdownFlags($0, mode.flags) }
    }

    /// Asks the guest to reboot, and returns at once; the guest may do nothing. Calls `virDomainReboot`.
    public func reboot(_ mode: ShutdownMode = .default, deadline: Duration = .seconds(30)) async throws {
        // The reboot flags have the same values as those of a shutdown (`virDomainRebootFlagValues`).
        try await act("virDomainReboot", deadline) { virDomainReboot($0, mode.flags) }
    }

    /// Presses the reset button: the guest is not asked. Calls `virDomainReset`.
    public func reset(deadline: Duration = .seconds(30)) async throws {
        try await act("virDomainReset", deadline) { virDomainReset($0, 0) }
    }

    /// Ends its process at once. Calls `virDomainDestroyFlags`.
    /// - Parameter graceful: gives up, rather than kill a process that does not end when told to.
    public func destroy(graceful: Bool = false, deadline: Duration = .seconds(30)) async throws {
        let flags = graceful ? VIR_DOMAIN_DESTROY_GRACEFUL.rawValue : VIR_DOMAIN_DESTROY_DEFAULT.rawValue
        try await act("virDomainDestroyFlags", deadline) { virDomainDestroyFlags($0, flags) }
    }

    /// Saves its memory to a file of libvirt's and ends its process; the next start goes on from there.
    ///
    /// It takes as long as writing the memory does: state a deadline for that. Calls `virDomainManagedSave`.
    public func managedSave(deadline: Duration) async throws {
        try await act("virDomainManagedSave", deadline) { virDomainManagedSave($0, 0) }
    }

    /// Throws its saved state away. Calls `virDomainManagedSaveRemove`.
    public func removeManagedSave(deadline: Duration = .seconds(30)) async throws {
        try await act("virDomainManagedSaveRemove", deadline) { virDomainManagedSaveRemove($0, 0) }
    }

    func act(
        _ operation: String, _ deadline: Duration, _ body: @escaping @Sendable (OpaquePointer) -> Int32
    ) async throws {
        try await handle.call(operation, deadline) { domain, call in
            _ = try call.check(body(domain))
        }
    }
}
