import Synchronization
import VMModel

/// Who does what with the library's media at this moment, so that nothing is used or removed before it is complete, or while it is
/// needed; and how many files are being copied.
final class MediaClaims: Sendable {
    /// How many files may be copied at once; each takes a thread, a connection to libvirt and some memory.
    static let maximumCopies = 4

    private struct State {
        var imports: Set<String> = []
        var removals: Set<String> = []
        var uses: [String: Int] = [:]
        var copies = 0
        var cancellations: [UInt64: @Sendable () -> Void] = [:]
        var last: UInt64 = 0
        var isEnding = false
    }

    private let state = Mutex(State())

    /// Takes a place for a file that is to be copied; `endCopy` gives it back.
    /// - Throws: `busy`.
    func beginCopy() throws(VMError) {
        try change { (state: inout State) throws(VMError) in
            guard state.copies < Self.maximumCopies else {
                throw VMError(.busy, "\(Self.maximumCopies) files are being copied already; try again later")
            }
            state.copies += 1
        }
    }

    func endCopy() {
        state.withLock { $0.copies -= 1 }
    }

    /// Takes note of how a copy that has begun is ended; at once where all are to end.
    func addCopy(_ cancel: @escaping @Sendable () -> Void) -> UInt64 {
        let (id, isEnding) = state.withLock { state in
            state.last &+= 1
            state.cancellations[state.last] = cancel
            return (state.last, state.isEnding)
        }
        if isEnding { cancel() }
        return id
    }

    func removeCopy(_ id: UInt64) {
        state.withLock { _ = $0.cancellations.removeValue(forKey: id) }
    }

    /// Ends what is being copied, and what will be.
    func endCopies() {
        let cancellations = state.withLock { state in
            state.isEnding = true
            return Array(state.cancellations.values)
        }
        for cancel in cancellations { cancel() }
    }

    /// Takes a name for what is to be imported; `endImport` makes it everybody's, or free again.
    /// - Throws: `alreadyExists`; `busy` while a medium of that name is being removed.
    func beginImport(_ name: MediaName) throws(VMError) {
        try change { (state: inout State) throws(VMError) in
            guard !state.removals.contains(name.rawValue) else {
                throw VMError(.busy, "the medium of that name is just being removed; try again")
            }
            guard state.imports.insert(name.rawValue).inserted else {
                throw VMError(.alreadyExists, "a medium of that name is just being imported")
            }
        }
    }

    func endImport(_ name: MediaName) {
        state.withLock { _ = $0.imports.remove(name.rawValue) }
    }

    /// Keeps media from being removed while a VM is made that has them; `endUse` once for each.
    /// - Throws: `busy`, and then nothing is kept.
    func beginUse(_ names: some Collection<MediaName>) throws(VMError) {
        try change { (state: inout State) throws(VMError) in
            for name in names where state.imports.contains(name.rawValue) || state.removals.contains(name.rawValue) {
                throw VMError(.busy, "the medium '\(name)' is just being imported or removed")
            }
            for name in names { state.uses[name.rawValue, default: 0] += 1 }
        }
    }

    func endUse(_ names: some Collection<MediaName>) {
        state.withLock { state in
            for name in names {
                let left = state.uses[name.rawValue, default: 1] - 1
                state.uses[name.rawValue] = left > 0 ? left : nil
            }
        }
    }

    /// - Throws: `busy` while the medium is being imported, removed, or given to a VM.
    func beginRemoval(_ name: MediaName) throws(VMError) {
        try change { (state: inout State) throws(VMError) in
            guard !state.imports.contains(name.rawValue) else { throw VMError(.busy, "it is just being imported") }
            guard state.uses[name.rawValue] == nil else { throw VMError(.busy, "a VM is just being made with it") }
            guard state.removals.insert(name.rawValue).inserted else {
                throw VMError(.busy, "it is just being removed")
            }
        }
    }

    func endRemoval(_ name: MediaName) {
        state.withLock { _ = $0.removals.remove(name.rawValue) }
    }

    /// Whether it is not complete yet.
    func isImporting(_ name: String) -> Bool {
        state.withLock { $0.imports.contains(name) }
    }

    private func change(_ body: (inout State) throws(VMError) -> Void) throws(VMError) {
        try state.withLock { (state: inout State) throws(VMError) in try body(&state) }
    }
}
