// Which instruction sets this processor and operating system offer.
#pragma once
#include <vector>

#include "kernels.h"

namespace fettle {

// Kernel tables of this build that can run here, the fastest first. The build says with FETTLE_WITH_<isa> which it has.
std::vector<const Kernels*> availableKernels();

// Names of all kernel tables of this build, those that cannot run here, too.
std::vector<const char*> builtInstructionSets();

}  // namespace fettle
