import DBus

/// The contract as the files that are installed under `share/dbus-1/interfaces`, for tools that read it from there.
public enum InterfaceFiles {
    /// The files' texts by name.
    public static let all: [String: String] = [
        "\(ManagerInterface.name).xml": document(ManagerInterface.description.xml(indent: 2)),
        "\(VMInterface.name).xml": document(VMInterface.description.xml(indent: 2)),
        "\(JobInterface.name).xml": document(JobInterface.description.xml(indent: 2)),
    ]

    private static func document(_ interface: String) -> String {
        """
        <!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
          "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
        <node>
        \(interface)</node>

        """
    }
}
