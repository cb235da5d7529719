/// How much the arguments of a call are.
struct CallSize {
    var parts = 0
    var descriptors = 0
}

/// The calls that tasks answer at this time, and how many there may be: whoever calls faster than it is answered, with calls that
/// want no reply for instance, would else fill this process's memory.
struct CallAdmission {
    /// Of all senders together.
    static let maximumCalls = 2048
    /// As many as the bus lets a connection wait for.
    static let maximumCallsOfSender = 128
    /// The parts of all their arguments together (`MessageDecoder.maximumArguments` is for one call).
    static let maximumParts = 1 << 17
    /// Of all their arguments together, far fewer than a process may have: when the last one is gone, libdbus closes the connection.
    static let maximumDescriptors = 256

    private(set) var calls = 0
    private var total = CallSize()
    private var callsOfSender: [String: Int] = [:]

    /// - Throws: `LimitsExceeded`.
    mutating func enter(_ sender: String, _ size: CallSize) throws(DBusError) {
        guard calls < Self.maximumCalls, callsOfSender[sender, default: 0] < Self.maximumCallsOfSender,
            total.parts + size.parts <= Self.maximumParts,
            total.descriptors + size.descriptors <= Self.maximumDescriptors
        else { throw .limitsExceeded("too many calls are being answered; try again") }
        calls += 1
        total.parts += size.parts
        total.descriptors += size.descriptors
        callsOfSender[sender, default: 0] += 1
    }

    mutating func leave(_ sender: String, _ size: CallSize) {
        calls -= 1
        total.parts -= size.parts
        total.descriptors -= size.descriptors
        let left = callsOfSender[sender, default: 1] - 1
        callsOfSender[sender] = left > 0 ? left : nil
    }
}
