// Memory straight from the operating system: files that are mapped, and pages of zeros. pages_posix.cc and pages_windows.cc have
// the calls of each system.
#pragma once
#include <cstddef>
#include <memory>
#include <string>

namespace fettle {

// A file mapped read-only; pages are read when first touched and shared with every other process that maps it.
class MappedFile {
 public:
  static std::shared_ptr<MappedFile> open(const std::string& path, std::string& error);
  ~MappedFile();
  // Takes a stretch that was read once out of the process's memory; touching it again maps it again.
  static void forget(const char* from, size_t bytes);
  char* data = nullptr;
  size_t size = 0;
};

// Zeroed memory straight from the operating system, so that pages cost nothing before they are touched.
class Memory {
 public:
  // Throws OutOfMemory.
  Memory(size_t bytes, const char* purpose);
  ~Memory();
  Memory(const Memory&) = delete;
  char* data = nullptr;
  size_t size = 0;
};

}  // namespace fettle
