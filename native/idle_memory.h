// What a process holds from starting, and training and generation have no use for.
#pragma once

namespace fettle {

// Gives free memory of the C library's heap back to the system, and lets go of the pages of programs and libraries: of node,
// most were only needed to start, and one that is touched again is mapped again from the system's file cache.
void returnIdleMemory();

}  // namespace fettle
