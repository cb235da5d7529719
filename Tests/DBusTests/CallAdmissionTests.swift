import Testing

@testable import DBus

struct CallAdmissionTests {
    @Test func oneSenderCannotTakeAllPlaces() throws {
        var calls = CallAdmission()
        for _ in 0..<CallAdmission.maximumCallsOfSender { try calls.enter(":1.1", CallSize(parts: 1)) }
        #expect(throws: DBusError.self) { try calls.enter(":1.1", CallSize(parts: 1)) }
        try calls.enter(":1.2", CallSize(parts: 1))
        calls.leave(":1.1", CallSize(parts: 1))
        try calls.enter(":1.1", CallSize(parts: 1))
        #expect(calls.calls == CallAdmission.maximumCallsOfSender + 1)
    }

    @Test func allTogetherAreBounded() throws {
        var calls = CallAdmission()
        for number in 0..<CallAdmission.maximumCalls { try calls.enter(":1.\(number)", CallSize(parts: 0)) }
        #expect(throws: DBusError.self) { try calls.enter(":2.1", CallSize(parts: 0)) }
        for number in 0..<CallAdmission.maximumCalls { calls.leave(":1.\(number)", CallSize(parts: 0)) }
        #expect(calls.calls == 0)
        try calls.enter(":1.1", CallSize(parts: CallAdmission.maximumParts))
        #expect(throws: DBusError.self) { try calls.enter(":1.2", CallSize(parts: 1)) }
        calls.leave(":1.1", CallSize(parts: CallAdmission.maximumParts))
        try calls.enter(":1.2", CallSize(parts: 1))
        try calls.enter(":1.3", CallSize(descriptors: CallAdmission.maximumDescriptors))
        #expect(throws: DBusError.self) { try calls.enter(":1.2", CallSize(descriptors: 1)) }
        calls.leave(":1.3", CallSize(descriptors: CallAdmission.maximumDescriptors))
        try calls.enter(":1.2", CallSize(descriptors: 1))
    }
}
