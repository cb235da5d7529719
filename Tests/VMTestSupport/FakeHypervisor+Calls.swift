import Synchronization
public import VMCore
public import VMModel

// The calls of the protocol, each with the effect that libvirt's has.
extension FakeHypervisor {
    public func start(onEvent: @escaping @Sendable (HypervisorEvent) -> Void) async {
        state.withLock { state in
            state.handler = onEvent
            onEvent(
                state.isConnected
                    ? .connected(HypervisorInfo(version: "Fake 1.0")) : .disconnected(reason: "nobody answers"))
        }
    }

    public func stop() async {
        state.withLock { $0.handler = nil }
    }

    // MARK: Reading

    public func listVMs() async throws(VMError) -> [VM] {
        try await perform(.listVMs) { $0.world.machines.values.map(\.vm) }
    }

    public func readVM(_ uuid: VMUUID) async throws(VMError) -> VM? {
        try await perform(.readVM, uuid) { $0.world.machines[uuid]?.vm }
    }

    public func uuid(ofVMNamed name: String) async throws(VMError) -> VMUUID? {
        try await perform(.findVM) { state in state.world.machines.values.first { $0.vm.name == name }?.vm.uuid }
    }

    public func definition(of uuid: VMUUID) async throws(VMError) -> String {
        try await perform(.definition, uuid) { state throws(VMError) in try state.world.machine(uuid).xml }
    }

    public func disks(of uuid: VMUUID) async throws(VMError) -> [VMDisk] {
        try await perform(.disks, uuid) { state throws(VMError) in try state.world.machine(uuid).disks }
    }

    public func vmsUsing(disk path: String) async throws(VMError) -> [VMUUID] {
        try await perform(.vmsUsing) { state in
            state.world.machines.values.filter { $0.disks.contains { $0.path == path } }.map(\.vm.uuid)
        }
    }

    public func hostFacts() async throws(VMError) -> HostFacts {
        try await perform(.hostFacts) { $0.world.facts }
    }

    public func survey(within budget: Duration) async throws(VMError) -> HostSurvey {
        try await perform(.survey) { $0.world.survey }
    }

    public func resources(of uuid: VMUUID) async throws(VMError) -> HostResources {
        try await perform(.resources, uuid) { state throws(VMError) in try state.world.machine(uuid).resources }
    }

    public func pciDevices(at addresses: [PCIAddress]) async throws(VMError) -> [PCIDevice] {
        try await perform(.pciDevices) { state in
            addresses.compactMap { address in state.world.pciDevices.first { $0.address == address } }
        }
    }

    public func passthroughSupport() async throws(VMError) -> PassthroughSupport {
        try await perform(.passthroughSupport) { $0.world.support }
    }

    // MARK: Lifecycle

    public func start(_ uuid: VMUUID) async throws(VMError) {
        try await go(.start, uuid, to: .running, "booted")
    }

    public func requestShutdown(_ uuid: VMUUID) async throws(VMError) {
        try await perform(.requestShutdown, uuid) { state throws(VMError) in
            _ = try state.world.machine(uuid)
            guard state.world.guestShutsDown else { return }
            state.world.setState(uuid, .shutOff, "shutdown")
            state.tell(.stateChanged(uuid, .shutOff, reason: "shutdown"))
        }
    }

    public func destroy(_ uuid: VMUUID) async throws(VMError) {
        try await perform(.destroy, uuid) { state throws(VMError) in
            guard try state.world.machine(uuid).vm.state.mayHaveProcess else {
                throw VMError(.invalidState, "it is not running")
            }
            state.world.setState(uuid, .shutOff, "destroyed")
            state.tell(.stateChanged(uuid, .shutOff, reason: "destroyed"))
        }
    }

    public func suspend(_ uuid: VMUUID) async throws(VMError) { try await go(.suspend, uuid, to: .paused, "user") }
    public func resume(_ uuid: VMUUID) async throws(VMError) { try await go(.resume, uuid, to: .running, "unpaused") }
    public func wakeUp(_ uuid: VMUUID) async throws(VMError) { try await go(.wakeUp, uuid, to: .running, "wakeup") }
    public func requestReboot(_ uuid: VMUUID) async throws(VMError) { try await touch(.requestReboot, uuid) }
    public func reset(_ uuid: VMUUID) async throws(VMError) { try await touch(.reset, uuid) }

    public func setAutostart(_ uuid: VMUUID, _ autostart: Bool) async throws(VMError) {
        try await perform(.setAutostart, uuid, " \(autostart)") { state throws(VMError) in
            _ = try state.world.machine(uuid)
            state.world.machines[uuid]?.vm.autostart = autostart
        }
    }

    private func go(_ step: Step, _ uuid: VMUUID, to vmState: VMState, _ reason: String) async throws(VMError) {
        try await perform(step, uuid) { state throws(VMError) in
            _ = try state.world.machine(uuid)
            state.world.setState(uuid, vmState, reason)
            state.tell(.stateChanged(uuid, vmState, reason: reason))
        }
    }

    private func touch(_ step: Step, _ uuid: VMUUID) async throws(VMError) {
        try await perform(step, uuid) { state throws(VMError) in _ = try state.world.machine(uuid) }
    }

    // MARK: Making and removing

    public func pathOfDisk(named fileName: String) async throws(VMError) -> String {
        try await perform(.pathOfDisk, nil, fileName) { _ in World.pool + fileName }
    }

    public func createDisk(named fileName: String, sizeBytes: UInt64) async throws(VMError) -> String {
        try await perform(.createDisk, nil, fileName) { state throws(VMError) in
            let path = World.pool + fileName
            guard state.world.disks[path] == nil else { throw VMError(.alreadyExists, "there is such a disk") }
            state.world.disks[path] = sizeBytes
            return path
        }
    }

    public func hasVolume(atPath path: String) async throws(VMError) -> Bool {
        try await perform(.hasVolume, nil, path) { state in
            state.world.disks[path] != nil || World.medium(path).map { state.world.media[$0] != nil } == true
        }
    }

    public func deleteVolume(atPath path: String) async throws(VMError) {
        try await perform(.deleteVolume, nil, path) { state throws(VMError) in
            if let medium = World.medium(path) {
                state.world.media[medium] = nil
            } else {
                guard path.hasPrefix(World.pool) else { throw VMError(.pathNotAllowed, "it is outside the pool") }
                state.world.disks[path] = nil
            }
            state.world.contents[path] = nil
        }
    }

    public func prepareNetwork() async throws(VMError) -> String? {
        try await perform(.prepareNetwork) { $0.world.network }
    }

    public func availableNetwork() async throws(VMError) -> String? {
        try await perform(.availableNetwork) { $0.world.network }
    }

    public func define(_ xml: String) async throws(VMError) -> VMUUID {
        try await perform(.define) { state throws(VMError) in
            let uuid = try state.world.define(xml)
            state.tell(.changed(uuid))
            return uuid
        }
    }

    public func undefine(_ uuid: VMUUID) async throws(VMError) {
        try await perform(.undefine, uuid) { state throws(VMError) in
            if try state.world.machine(uuid).vm.state.mayHaveProcess {
                state.world.machines[uuid]?.vm.isPersistent = false
            } else {
                state.world.machines[uuid] = nil
            }
            state.tell(.undefined(uuid))
        }
    }

    public func restoreDefinition(_ uuid: VMUUID) async throws(VMError) {
        try await perform(.restoreDefinition, uuid) { state throws(VMError) in
            _ = try state.world.machine(uuid)
            state.world.machines[uuid]?.vm.isPersistent = true
            state.tell(.changed(uuid))
        }
    }
}
