import Synchronization
public import VMCore
public import VMModel

/// Everything that an inventory announced, in order.
public final class ChangeRecorder: Sendable {
    private let changes = Mutex<[InventoryChange]>([])

    public init(_ inventory: Inventory) async {
        await inventory.observe { [weak self] change in
            self?.changes.withLock { $0.append(change) }
        }
    }

    public var all: [InventoryChange] { changes.withLock { $0 } }

    /// What was announced of one VM.
    public func of(_ uuid: VMUUID) -> [InventoryChange] { all.filter { $0.vm?.uuid == uuid } }

    /// The states of one VM that were announced, each change of state once.
    public func states(of uuid: VMUUID) -> [VMState] {
        var states: [VMState] = []
        for case let vm? in of(uuid).map(\.shown) where states.last != vm.state { states.append(vm.state) }
        return states
    }

    public func forget() {
        changes.withLock { $0 = [] }
    }
}

extension InventoryChange {
    /// The VM that it is about.
    public var vm: VM? {
        switch self {
        case .added(let vm), .removed(let vm), .changed(_, let vm): vm
        case .hypervisor: nil
        }
    }

    /// The VM as it is shown afterwards.
    public var shown: VM? {
        switch self {
        case .added(let vm), .changed(_, let vm): vm
        case .removed, .hypervisor: nil
        }
    }
}
