import Foundation
import Testing
import VMManagerAPI

/// The files in `dbus/` say what the program says. `make interfaces` writes them anew.
@Suite struct InterfaceFilesTests {
    private static let directory = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../dbus").standardized

    @Test(arguments: InterfaceFiles.all.keys.sorted())
    func isWhatTheContractSays(_ name: String) throws {
        let file = Self.directory.appending(path: name)
        let text = try #require(InterfaceFiles.all[name])
        if ProcessInfo.processInfo.environment["WRITE_INTERFACE_FILES"] != nil {
            try Data(text.utf8).write(to: file)
        }
        #expect(try String(contentsOf: file, encoding: .utf8) == text, "run 'make interfaces'")
    }
}
