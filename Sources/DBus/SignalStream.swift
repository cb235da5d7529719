/// The signals that match a rule, in the order of the bus. For one consumer.
///
/// The stream ends with `Disconnected` when the connection closes, and with `LimitsExceeded` when its buffer is full.
/// The rule is taken off the bus when the stream is dropped or its task is cancelled.
public struct SignalStream: AsyncSequence, Sendable {
    public typealias Element = DBusMessage
    public typealias Failure = DBusError

    typealias Source = AsyncThrowingStream<DBusMessage, any Error>

    let source: Source

    public struct AsyncIterator: AsyncIteratorProtocol {
        var base: Source.AsyncIterator

        public mutating func next() async throws(DBusError) -> DBusMessage? {
            try await next(isolation: nil)
        }

        /// The next signal; nil when the task is cancelled.
        /// - Throws: `Disconnected`, `LimitsExceeded`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(DBusError) -> DBusMessage? {
            do {
                return try await base.next(isolation: actor)
            } catch {
                throw error as? DBusError ?? .failed("\(error)")
            }
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(base: source.makeAsyncIterator())
    }
}
