public import DBus
import Glibc
public import VMCore

/// Tells the service manager again and again that the service is alive, in time for `WatchdogSec=` (systemd.service(5)).
///
/// It is the bus's own loop that says so, in the inventory's name: a loop that hangs is silent, and the service is started anew.
public struct Watchdog: Sendable {
    /// How long the service manager waits for a word.
    public let limit: Duration

    /// As `sd_watchdog_enabled(3)` reads the environment.
    /// - Parameters:
    ///   - microseconds: the value of `WATCHDOG_USEC`.
    ///   - process: the value of `WATCHDOG_PID`; who is not that process is not watched.
    /// - Returns: nil where nobody waits for a word.
    public init?(microseconds: String?, process: String?) {
        guard let microseconds, let number = Int64(microseconds), number > 0 else { return nil }
        guard process == nil || process == "\(getpid())" else { return nil }
        limit = .microseconds(number)
    }

    /// The one that this process's environment asks for.
    public static func fromEnvironment() -> Watchdog? {
        Watchdog(
            microseconds: getenv("WATCHDOG_USEC").map { String(cString: $0) },
            process: getenv("WATCHDOG_PID").map { String(cString: $0) })
    }

    /// Says so at every third of the limit from now on.
    public func start(on loop: EventLoop, _ inventory: Inventory, _ notification: ServiceNotification) {
        loop.repeatEvery(limit / 3) {
            // Answered where every read is answered, or not at all.
            inventory.assumeIsolated { _ = $0.status }
            notification.alive()
        }
    }
}
