// Which instruction sets this processor and operating system offer.
#pragma once
#include <vector>

#include "kernels.h"

namespace fettle {

// Kernel tables that can run here, the fastest first; the portable one is always among them.
std::vector<const Kernels*> availableKernels();

}  // namespace fettle
