import Synchronization
import VMModel

/// Who does what with the library's media at this moment, so that nothing is used or removed before it is complete, or while it is
/// needed.
final class MediaClaims: Sendable {
    private struct State {
        var imports: Set<String> = []
        var removals: Set<String> = []
        var uses: [String: Int] = [:]
    }

    private let state = Mutex(State())

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
