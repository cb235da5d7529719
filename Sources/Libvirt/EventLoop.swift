import CLibvirt
import Glibc

/// libvirt's event loop on a thread of its own, once per process.
///
/// libvirt takes its loop from the process, and looks for it when a connection is opened: it has to be registered
/// before.
enum EventLoop {
    /// Starts the loop if it does not run yet.
    /// - Throws: `LibvirtError` if libvirt or the system refuses.
    static func start() throws {
        try started.get()
    }

    /// Waits until what the loop is doing now is done, at most that long. Blocks.
    ///
    /// Calls `virEventAddTimeout`: a timer that is due at once comes after everything of the present round.
    static func finishRound(atMost time: Duration) {
        let isDone = ThreadSignal()
        let opaque = Unmanaged.passRetained(isDone).toOpaque()
        let timer = virEventAddTimeout(
            0,
            { timer, opaque in
                virEventRemoveTimeout(timer)
                guard let opaque else { return }
                Unmanaged<ThreadSignal>.fromOpaque(opaque).takeUnretainedValue().signal()
            }, opaque,
            { opaque in
                guard let opaque else { return }
                Unmanaged<ThreadSignal>.fromOpaque(opaque).release()
            })
        guard timer >= 0 else { return Unmanaged<ThreadSignal>.fromOpaque(opaque).release() }
        isDone.wait(until: .now.advanced(by: time))
    }

    private static let started: Result<Void, LibvirtError> = {
        // The default handler prints every error to stderr; ours are thrown.
        virSetErrorFunc(nil) { _, _ in }
        guard virInitialize() == 0, virEventRegisterDefaultImpl() == 0 else {
            return .failure(.last(operation: "virEventRegisterDefaultImpl", object: nil))
        }
        guard startThread(named: "libvirt-events", run) else {
            return .failure(
                LibvirtError(
                    code: .internalError, message: "cannot start a thread for the event loop",
                    operation: "virEventRunDefaultImpl"))
        }
        return .success(())
    }()

    /// Calls `virEventRunDefaultImpl`, which waits for one round of events.
    @Sendable private static func run() {
        while true {
            // It fails only if poll() does; do not turn that into a busy loop.
            if virEventRunDefaultImpl() < 0 { poll(nil, 0, 100) }
        }
    }
}
