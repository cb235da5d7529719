import Synchronization
public import VMCore
public import VMModel

/// Media for cloud-init whose bytes are the files' texts, one after the other.
public final class FakeSeeds: SeedBuilder {
    private let made = Mutex<[[String: String]]>([])
    private let failure = Mutex<VMError?>(nil)

    public init() {}

    /// The files of each that was made, in order.
    public var all: [[String: String]] { made.withLock { $0 } }

    /// Has the next one fail.
    public func fail(with error: VMError) {
        failure.withLock { $0 = error }
    }

    public func image(of files: [(name: String, text: String)]) async throws(VMError) -> [UInt8] {
        if let error = failure.withLock({ $0.take() }) { throw error }
        made.withLock { $0.append(Dictionary(uniqueKeysWithValues: files)) }
        return files.flatMap { Array($0.text.utf8) }
    }
}
