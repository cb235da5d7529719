import Glibc
import VMManagerClient
import VMModel

extension VMDetails {
    /// One property per line, the values under each other.
    func text(colours: Bool) -> String {
        let reason = stateReason.isEmpty ? "" : " (\(Printable.escape(stateReason)))"
        let shownState = Printable.escape(state)
        let lines: [(String, String?)] = [
            ("Name", Printable.escape(name)),
            ("UUID", uuid.description),
            ("State", (colours ? Style.of(state: state).apply(to: shownState) : shownState) + reason),
            ("Memory", Sizes.text(mebibytes: memoryMB)),
            ("vCPUs", String(vcpus)),
            ("Guest system", osType.isEmpty ? nil : Printable.escape(osType)),
            ("Template", template.isEmpty ? nil : Printable.escape(template)),
            ("Autostart", autostart ? "yes" : "no"),
            ("Persistent", isPersistent ? "yes" : "no"),
            ("Saved state", hasSavedState ? "yes" : "no"),
            ("Owner", ownerUID.map { "user \($0)" }),
            ("Created", createdAt.map(Moment.text(microseconds:))),
            ("Job", job.map { Printable.escape($0) }),
        ]
        let width = lines.map(\.0.utf8.count).max() ?? 0
        return lines.compactMap { label, value in
            value.map { label + ":" + String(repeating: " ", count: width - label.utf8.count + 1) + $0 + "\n" }
        }.joined()
    }

    /// Every property, in one line.
    var json: String {
        JSON.object([
            ("name", .string(name)), ("uuid", .string(uuid.description)), ("state", .string(state)),
            ("state_reason", .string(stateReason)), ("memory_mb", .integer(memoryMB)),
            ("vcpus", .integer(UInt64(vcpus))), ("autostart", .boolean(autostart)),
            ("persistent", .boolean(isPersistent)), ("template", .string(template)), ("os_type", .string(osType)),
            ("owner_uid", .optional(ownerUID.map(UInt64.init))), ("created_at_us", .optional(createdAt)),
            ("has_saved_state", .boolean(hasSavedState)), ("job", .optional(job)),
        ]).text + "\n"
    }
}

/// A moment as people read it.
enum Moment {
    /// Microseconds since the epoch as date and time in UTC (`gmtime_r(3)`).
    static func text(microseconds: UInt64) -> String {
        var seconds = time_t(clamping: microseconds / 1_000_000)
        var parts = tm()
        guard gmtime_r(&seconds, &parts) != nil else { return "\(microseconds) µs after 1970" }
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : String(number) }
        let year = Int64(parts.tm_year) + 1900
        return "\(year)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) UTC"
    }
}
