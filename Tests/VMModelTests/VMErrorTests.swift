import Testing
import VMModel

@Suite struct VMErrorTests {
    @Test func theCodesAreThoseOfTheContract() {
        #expect(
            VMError.Code.all.map(\.rawValue) == [
                "InvalidArgument", "NotFound", "AlreadyExists", "InvalidState", "Busy", "PathNotAllowed", "NoSpace",
                "HypervisorUnavailable", "HostUnsupported", "TemplateInvalid", "Timeout", "Cancelled", "Failed",
            ])
    }

    @Test func theCauseIsInTheDescriptionOnly() {
        let cause = VMError.Cause(domain: 10, code: 38, operation: "virDomainCreate", text: "cannot open /secret")
        let error = VMError(.failed, "cannot start 'a': it did not work", cause: cause)
        #expect(error.message == "cannot start 'a': it did not work")
        #expect(
            error.description
                == "Failed: cannot start 'a': it did not work [virDomainCreate: cannot open /secret (libvirt 10/38)]")
        #expect(VMError(.busy, "later").description == "Busy: later")
    }

    @Test func anUnknownCodeIsKept() {
        #expect(VMError.Code(rawValue: "FromTheFuture").rawValue == "FromTheFuture")
        #expect(VMError.Code(rawValue: "Busy") == .busy)
    }
}

@Suite struct VMStateTests {
    @Test func theWordsAreThoseOfTheContract() {
        #expect(
            VMState.allCases.map(\.rawValue) == [
                "creating", "running", "blocked", "paused", "shutting-down", "shut-off", "crashed", "suspended",
                "unknown",
            ])
        #expect(GuestOS.allCases.map(\.rawValue) == ["windows", "linux", "macos"])
    }

    @Test func whatMayHaveAProcess() {
        #expect(VMState.allCases.filter { !$0.mayHaveProcess } == [.creating, .shutOff])
        #expect(VMState.allCases.filter(\.isExecuting) == [.running, .blocked])
    }
}
