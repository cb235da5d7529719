/// What this version is called and can do.
public enum ServiceVersion {
    public static let current = "0.1.0"
    /// The `Features` property: words that a client can look for instead of comparing versions.
    public static let features = [
        "lifecycle", "create", "templates", "autostart", "check-host", "jobs", "media", "disk-image", "cloud-init",
    ]
}
