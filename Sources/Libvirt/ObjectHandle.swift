import CLibvirt

/// A reference to a libvirt object that one of our handles owns; given back with the handle, or when the connection
/// closes.
final class ObjectHandle: Sendable {
    let core: ConnectionCore
    let key: UInt64
    /// The object's name, for errors.
    let label: String

    init(core: ConnectionCore, key: UInt64, label: String) {
        self.core = core
        self.key = key
        self.label = label
    }

    deinit {
        core.release(key)
    }

    /// Runs a call on the object, off the cooperative pool.
    func call<Value: Sendable>(
        _ operation: String, _ deadline: Duration, _ body: @escaping @Sendable (OpaquePointer, Call) throws -> Value
    ) async throws -> Value {
        try await core.call(operation, on: self, deadline: deadline, body)
    }
}

/// One call in progress, on the thread that makes it: turns libvirt's return values into values or errors.
struct Call {
    /// The C function.
    var operation: String
    /// What it is called on.
    let object: String?
    let connection: OpaquePointer

    /// Passes a result on, or throws libvirt's error for a negative one.
    @discardableResult
    func check(_ result: Int32) throws -> Int32 {
        guard result >= 0 else { throw failure() }
        return result
    }

    /// Passes a pointer on, or throws libvirt's error for NULL.
    func check<Pointee>(_ pointer: UnsafeMutablePointer<Pointee>?) throws -> UnsafeMutablePointer<Pointee> {
        guard let pointer else { throw failure() }
        return pointer
    }

    /// Passes a pointer on, or throws libvirt's error for NULL.
    func check(_ pointer: OpaquePointer?) throws -> OpaquePointer {
        guard let pointer else { throw failure() }
        return pointer
    }

    /// Copies and frees a string of libvirt's, or throws libvirt's error for NULL.
    func string(_ pointer: UnsafeMutablePointer<CChar>?) throws -> String {
        take(try check(pointer))
    }

    /// The same call under the name of another C function.
    func named(_ operation: String) -> Call {
        var copy = self
        copy.operation = operation
        return copy
    }

    /// libvirt's last error on this thread; a failure on a dead connection is one of the connection.
    func failure() -> LibvirtError {
        var error = LibvirtError.last(operation: operation, object: object)
        if virConnectIsAlive(connection) == 0 { error.kind = .connectionClosed }
        return error
    }
}
