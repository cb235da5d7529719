import Glibc
import NeuronVMCommands

exit(await NeuronVM.run())
