import DBus
import Testing
import VMManagerClient
import VMModel

@testable import NeuronVMCommands

struct DiagnosisTests {
    private static let checks = [
        HostCheck("kvm", "pass", "usable"),
        HostCheck("secure-boot", "fail", "no firmware", advice: "install ovmf"),
        HostCheck("disks", "warn", "2 GiB\u{1b}[2J are free", advice: "make\nroom"),
    ]

    @Test func eachCheckHasALineAndWhatToDo() {
        #expect(
            Diagnosis.text(Self.checks, colours: false) == """
                pass  kvm          usable
                fail  secure-boot  no firmware
                      -> install ovmf
                warn  disks        2 GiB\\u001b[2J are free
                      -> make\\u000aroom

                """)
        #expect(Diagnosis.text([], colours: false) == "")
    }

    @Test func onATerminalTheResultsAreColoured() {
        let lines = Diagnosis.text(Self.checks, colours: true).split(separator: "\n")
        #expect(lines[0] == "\u{1b}[32mpass\u{1b}[0m  kvm          usable")
        #expect(lines[1].hasPrefix("\u{1b}[31mfail") && lines[3].hasPrefix("\u{1b}[33mwarn"))
    }

    @Test func programsGetTheSame() {
        #expect(
            Diagnosis.json(Array(Self.checks.prefix(2))) == """
                [
                  {"check": "kvm", "result": "pass", "found": "usable", "advice": ""},
                  {"check": "secure-boot", "result": "fail", "found": "no firmware", "advice": "install ovmf"}
                ]

                """)
    }

    @Test(
        arguments: [
            (.busUnreachable, "start dbus"), (.serviceNotRunning, "enable --now libvirtd neuron-vmd"),
            (.noReply, "restart neuron-vmd"), (.protocolMismatch, "of one version"), (.accessDenied, "reload dbus"),
            (.authorizationRequired, "reload dbus"), (.other, "journalctl -u neuron-vmd"),
        ] as [(ClientError.Kind, String)])
    func aServiceThatCannotBeAskedIsACheckThatFails(_ kind: ClientError.Kind, _ advice: String) {
        let check = Diagnosis.check(ofServiceWith: ClientError(kind, "what happened"))
        #expect(check.name == "service" && check.hasFailed && check.found == "what happened")
        #expect(check.advice.contains(advice), "\(check.advice)")
    }

    @Test func anyOtherErrorIsOneAsWell() {
        let check = Diagnosis.check(ofServiceWith: VMError(.failed, "odd"))
        #expect(check.hasFailed && check.found == "odd" && !check.advice.isEmpty)
    }
}
