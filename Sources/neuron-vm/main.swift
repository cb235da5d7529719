import Dispatch
import Glibc
import NeuronVMCommands

// An asynchronous main would have opened descriptors before its first line.
NeuronVM.reserveStandardDescriptors()
Task { exit(await NeuronVM.run()) }
dispatchMain()
