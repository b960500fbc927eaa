// What the host's workers call of the pool (pool.cc).
#pragma once

namespace fettle {

// For a worker's whole life.
void enterPool(int thread);
// After its piece of work threw: tells the caller, and goes on.
void enterPoolAgain(int thread);
// For a caller whose own piece threw: waits until the others are done.
void settlePool();
// Whether the thread that calls run() from now on may sleep: the main thread of a page must not.
void letCallerSleep(bool may);

}  // namespace fettle
