#include "idle_memory.h"

#if defined(__linux__)
#include <sys/mman.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#endif
#if defined(__GLIBC__)
#include <malloc.h>
#elif defined(__APPLE__)
#include <malloc/malloc.h>
#elif defined(_WIN32)
#include <malloc.h>
#include <windows.h>
#endif

namespace fettle {

#if defined(__linux__)
// Lets go of private mappings of files that are not writable, as far as none of their pages was ever changed (relocated, or
// patched by a tool): what lies in memory of them lies in the file, too.
static void forgetPrograms() {
  std::FILE* mappings = std::fopen("/proc/self/smaps", "re");
  if (!mappings) return;
  char line[4352];
  uintptr_t begin = 0, end = 0;
  bool isProgram = false;
  while (std::fgets(line, sizeof line, mappings)) {
    uintptr_t from, to;
    char permissions[5];
    unsigned long inode, kib;
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %lu", &from, &to, permissions, &inode) == 4) {
      begin = from, end = to;
      isProgram = inode != 0 && permissions[1] == '-' && permissions[3] == 'p';
    } else if (isProgram && std::sscanf(line, "Anonymous: %lu", &kib) == 1 && kib == 0) {
      madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
  }
  std::fclose(mappings);
}
#endif

void returnIdleMemory() {
#if defined(__GLIBC__)
  // It gives back what lies at the end of its heap by itself, but not what lies between.
  malloc_trim(0);
#elif defined(__APPLE__)
  malloc_zone_pressure_relief(nullptr, 0);
#elif defined(_WIN32)
  _heapmin();
  // All pages leave the process; those that are touched come back from the system's lists without being read.
  SetProcessWorkingSetSize(GetCurrentProcess(), SIZE_T(-1), SIZE_T(-1));
#endif
#if defined(__linux__)
  forgetPrograms();
#endif
}

}  // namespace fettle
