/// The messages that match a rule.
public struct SignalStream: AsyncSequence, Sendable {
    public typealias Element = DBusMessage
    public typealias Failure = DBusError
    public struct AsyncIterator: AsyncIteratorProtocol {
        public mutating func next() async throws(DBusError) -> DBusMessage? { nil }
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(DBusError) -> DBusMessage? { nil }
    }
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator() }
}
