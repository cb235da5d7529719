#pragma once

// Nothing to call: global-queue.c takes the place of a function of libdispatch where the linker is told so (Package.swift).
