import Dispatch
import Glibc
import Synchronization

/// polkit's own agent for terminals, `pkttyagent(1)`, which asks for passwords on behalf of this process while it runs.
///
/// It is started for the first call that needs it and not before: who is in a desktop session has an agent, and most calls need none.
actor TextAgent {
    static let shared = TextAgent()

    private enum State {
        case notStarted
        case started(Bool)
    }

    private static let program = "/usr/bin/pkttyagent"
    /// How long it may take to announce itself to polkit, in milliseconds.
    private static let patience: Int32 = 10_000
    /// The agent's process, for the end of this one; 0 where there is none.
    private static let process = Atomic<Int32>(0)

    private var state = State.notStarted

    /// Starts the agent unless it was started before.
    /// - Returns: whether there is one; false without a terminal to ask on, or without the program.
    func start() -> Bool {
        if case .started(let isRunning) = state { return isRunning }
        let isRunning = Output.canAsk && Self.spawn()
        state = .started(isRunning)
        return isRunning
    }

    /// Ends the agent, which gives the terminal back as it was. Called at the end of the program.
    static func stop() {
        let process = process.exchange(0, ordering: .relaxed)
        guard process > 0 else { return }
        kill(process, SIGTERM)
        kill(process, SIGCONT)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }

    /// Returns when the agent is known to polkit. It closes the descriptor that it is given when it is, or when it ends.
    private static func spawn() -> Bool {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return false }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // Also takes the close-on-exec flag away from the copy.
        let notifier: Int32 = 3
        posix_spawn_file_actions_adddup2(&actions, ends[1], notifier)
        // This thread may block signals that the agent has to hear, and libdbus has the process ignore SIGPIPE.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var child: pid_t = 0
        // Not "--fallback": outside of a session polkit does not find such an agent. Another one is not there, or it would have been asked.
        let words = [program, "--process", String(getpid()), "--notify-fd", String(notifier)]
        let code = withCStrings(words) { posix_spawn(&child, program, &actions, &attributes, $0, environ) }
        close(ends[1])
        guard code == 0 else { return false }
        process.store(child, ordering: .relaxed)
        var end = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
        guard poll(&end, 1, patience) == 1 else {
            stop()
            return false
        }
        guard waitpid(child, nil, WNOHANG) == 0 else {
            // It has ended, and its number may be another process's by now.
            process.store(0, ordering: .relaxed)
            return false
        }
        endWithSignals()
        return true
    }

    /// When this process is told to end, the agent must not stay behind with the terminal.
    private static func endWithSignals() {
        for number in [SIGTERM, SIGHUP] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                stop()
                signal(number, SIG_DFL)
                raise(number)
            }
            source.resume()
            // For the rest of the process.
            _ = Unmanaged.passRetained(source as AnyObject)
        }
    }

    private static func withCStrings<Result>(
        _ words: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let copies = words.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        return body(copies + [nil])
    }
}
