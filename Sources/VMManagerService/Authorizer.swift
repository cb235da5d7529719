import DBus
import VMManagerAPI
import VMModel

/// Decides whether a caller may do what it asks for. What is not public is refused unless something here says otherwise.
struct Authorizer: Sendable {
    let connection: DBusConnection

    /// Who calls, once it is known that they may.
    struct Caller: Sendable {
        /// From the bus, which has it from the kernel.
        let uid: UInt32

        /// Whether libvirt's own words, which may hold paths, are fit for this caller.
        var maySeeCauses: Bool { uid == 0 }
    }

    /// - Parameter vm: the VM that will be acted on, and no other.
    /// - Throws: `AccessDenied`.
    func authorize(_ call: MethodCall, _ access: Access, _ vm: VM?) async throws(DBusError) -> Caller {
        let uid: UInt32
        do {
            uid = try await connection.credentials(of: call.sender)
        } catch {
            throw .accessDenied("it is not known who calls")
        }
        switch access {
        case .public: return Caller(uid: uid)
        case .action where uid == 0: return Caller(uid: uid)
        case .action(let action):
            let right = action.identifier(ownVM: vm?.ownerUID == uid)
            throw .accessDenied("\(call.member) needs the authorization \(right), which only root has at present")
        }
    }
}
