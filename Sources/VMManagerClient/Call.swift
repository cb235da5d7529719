import DBus
import VMManagerAPI
import VMModel

/// One call to the service, with what its failure has to tell.
struct Call {
    let path: ObjectPath
    let interface: String
    let member: String
    var arguments: [DBusValue] = []
    let access: Access
    /// How long the work itself may take.
    var patience: Duration = .seconds(25)
    /// The VM whose object is called; without the object there is no such VM.
    var uuid: VMUUID?

    /// Changes may have to wait for the VM's turn and for libvirt.
    static let patienceForChanges: Duration = .seconds(300)
    static let patienceForCreation: Duration = .seconds(1800)
    /// Copying a file takes as long as it takes.
    static let patienceForCopies: Duration = .seconds(86_400)
    private static let timeForPrompt: Duration = .seconds(310)

    static func manager(
        _ method: ManagerMethod, _ arguments: [DBusValue] = [], patience: Duration = .seconds(25)
    ) -> Call {
        Call(
            path: BusNames.manager, interface: ManagerInterface.name, member: method.rawValue, arguments: arguments,
            access: method.access, patience: patience)
    }

    static func vm(_ uuid: VMUUID, _ method: VMMethod, _ arguments: [DBusValue], patience: Duration) -> Call {
        Call(
            path: BusNames.path(of: uuid), interface: VMInterface.name, member: method.rawValue, arguments: arguments,
            access: method.access, patience: patience, uuid: uuid)
    }

    static func properties(of uuid: VMUUID) -> Call {
        Call(
            path: BusNames.path(of: uuid), interface: "org.freedesktop.DBus.Properties", member: "GetAll",
            arguments: [.string(VMInterface.name)], access: .public, uuid: uuid)
    }

    static func managerProperty(_ property: ManagerProperty) -> Call {
        Call(
            path: BusNames.manager, interface: "org.freedesktop.DBus.Properties", member: "Get",
            arguments: [.string(ManagerInterface.name), .string(property.rawValue)], access: .public)
    }

    /// The deadline of the call. Somebody who is asked for a password needs time to type.
    func timeout(mayPrompt: Bool) -> Duration {
        mayPrompt ? patience + Self.timeForPrompt : patience
    }

    var unexpectedReply: ClientError {
        ClientError(
            .protocolMismatch,
            "the service's reply to \(member) is not the expected one; client and service are of different versions")
    }

    /// What an error reply, or a failure of the connection, means to the caller.
    func failure(_ error: DBusError) -> any Error {
        if let own = VMError(error) { return own }
        switch error.name {
        case DBusError.Name.unknownObject:
            if let uuid { return VMError(.notFound, "there is no VM with the UUID \(uuid)") }
            return mismatch(error)
        case DBusError.Name.unknownMethod, DBusError.Name.unknownInterface, DBusError.Name.invalidArgs:
            return mismatch(error)
        case DBusError.Name.accessDenied:
            return ClientError(.accessDenied, denial(error), cause: error)
        case DBusError.Name.interactiveAuthorizationRequired:
            return ClientError(
                .authorizationRequired,
                "not authorized: \(error.message.orName(of: error)); authenticate where a prompt can be shown, or be root",
                cause: error)
        default:
            return ClientError(calling: member, error)
        }
    }

    private func mismatch(_ error: DBusError) -> ClientError {
        let text = error.message.orName(of: error)
        return ClientError(
            .protocolMismatch, "the service does not know \(member) in this form, it is of another version: \(text)",
            cause: error)
    }

    private func denial(_ error: DBusError) -> String {
        guard access != .public else { return "access denied by the bus: \(error.message)" }
        // The bus's own text lists the fields of the message and tells a person nothing.
        guard !error.message.isEmpty, !error.message.hasPrefix("Rejected send message") else {
            return "access denied to \(member) by the bus; only root may do what the bus's policy forbids"
        }
        return "access denied: \(error.message); an administrator can allow it in polkit's rules, and root may do it"
    }
}

extension String {
    /// This text of an error, or the error's name where there is no text.
    func orName(of error: DBusError) -> String { isEmpty ? error.name : self }
}
