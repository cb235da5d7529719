import CLibvirt

/// A list of named values from libvirt, read by name; it does not own the list.
///
/// Wrong types and values out of range read as absent: what a newer daemon sends must not stop us.
struct TypedParameters {
    private let list: UnsafeBufferPointer<virTypedParameter>

    init(_ start: UnsafePointer<virTypedParameter>?, count: Int) {
        list = UnsafeBufferPointer(start: start, count: start == nil ? 0 : max(0, count))
    }

    /// The value of a whole number of any width, if it is there and fits.
    func integer<Value: FixedWidthInteger>(_ name: String, as type: Value.Type = Value.self) -> Value? {
        guard let parameter = first(name) else { return nil }
        return switch UInt32(bitPattern: parameter.type) {
        case VIR_TYPED_PARAM_INT.rawValue: Value(exactly: parameter.value.i)
        case VIR_TYPED_PARAM_UINT.rawValue: Value(exactly: parameter.value.ui)
        case VIR_TYPED_PARAM_LLONG.rawValue: Value(exactly: parameter.value.l)
        case VIR_TYPED_PARAM_ULLONG.rawValue: Value(exactly: parameter.value.ul)
        default: nil
        }
    }

    /// The value of a text, copied.
    func string(_ name: String) -> String? {
        guard let parameter = first(name), UInt32(bitPattern: parameter.type) == VIR_TYPED_PARAM_STRING.rawValue
        else { return nil }
        return text(parameter.value.s)
    }

    private func first(_ name: String) -> virTypedParameter? {
        let wanted = name.utf8
        return list.first { parameter in
            withUnsafeBytes(of: parameter.field) { $0.prefix { $0 != 0 }.elementsEqual(wanted) }
        }
    }
}
