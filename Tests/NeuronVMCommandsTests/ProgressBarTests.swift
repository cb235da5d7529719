import Testing

@testable import NeuronVMCommands

struct ProgressBarTests {
    @Test(arguments: [
        (0.0, "x [------------------------------]   0 %"), (0.5, "x [###############---------------]  50 %"),
        (0.999, "x [#############################-]  99 %"), (1, "x [##############################] 100 %"),
        (-3, "x [------------------------------]   0 %"), (7, "x [##############################] 100 %"),
        (.nan, "x [------------------------------]   0 %"), (.infinity, "x [------------------------------]   0 %"),
    ])
    func showsHowFarItIs(_ progress: Double, _ text: String) {
        #expect(ProgressBar.text("x", progress) == text)
    }
}
