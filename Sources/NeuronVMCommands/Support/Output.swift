import Glibc

/// Standard output and standard error as this program writes them: whole texts, at once.
enum Output {
    /// Writes to standard output. A reader that is gone ends the process as SIGPIPE does, which is what it expects of a filter.
    /// - Throws: `Failure` for anything else, a full disk for example.
    static func write(_ text: String) throws {
        guard let code = write(text, to: STDOUT_FILENO) else { return }
        if code == EPIPE {
            // libdbus ignores the signal for the whole process.
            signal(SIGPIPE, SIG_DFL)
            raise(SIGPIPE)
        }
        throw Failure("cannot write the output: \(String(cString: strerror(code)))")
    }

    /// Writes a document: to a file or pipe as it is, to a terminal without what could harm it.
    static func writeDocument(_ text: String) throws {
        let shown = isatty(STDOUT_FILENO) == 1 ? Printable.escape(text, keeping: ["\n", "\t"]) : text
        try write(shown.utf8.last == UInt8(ascii: "\n") ? shown : shown + "\n")
    }

    /// Tells a person something on standard error, in one line.
    static func note(_ text: String) {
        _ = write("neuron-vm: \(Printable.escape(text))\n", to: STDERR_FILENO)
    }

    /// Writes without a prefix to standard error: a question, or what was wrong with the arguments.
    static func tell(_ text: String) {
        _ = write(text, to: STDERR_FILENO)
    }

    /// Whether a person reads the output on a terminal that understands colours (`NO_COLOR`: no-color.org).
    static var hasColours: Bool {
        guard isatty(STDOUT_FILENO) == 1 else { return false }
        return environment("NO_COLOR").isEmpty && environment("TERM") != "dumb"
    }

    /// Whether a person sees standard error on a terminal whose lines can be written again.
    static var canRewrite: Bool { isatty(STDERR_FILENO) == 1 && environment("TERM") != "dumb" }

    /// Whether there is somebody to ask.
    static var canAsk: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 }

    private static func environment(_ name: String) -> String { getenv(name).map { String(cString: $0) } ?? "" }

    /// Writes all of it; the number of the error if that fails.
    private static func write(_ text: String, to descriptor: Int32) -> Int32? {
        var text = text
        return text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if count >= 0 {
                    rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
                } else if errno == EAGAIN {
                    // Somebody made the descriptor non-blocking; it is shared with other programs, so it stays so.
                    var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&wanted, 1, -1)
                } else if errno != EINTR {
                    return errno
                }
            }
            return nil
        }
    }
}
