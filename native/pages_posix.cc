#if !defined(_WIN32)
#include "pages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "out_of_memory.h"

namespace fettle {

std::shared_ptr<MappedFile> MappedFile::open(const std::string& path, std::string& error) {
  // Not to wait for somebody who writes to a pipe.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    error = file < 0 ? std::strerror(errno) : "no file";
    if (file >= 0) close(file);
    return nullptr;
  }
  auto mapped = std::make_shared<MappedFile>();
  mapped->size = status.st_size;
  void* data = mmap(nullptr, mapped->size, PROT_READ, MAP_SHARED, file, 0);
  if (data == MAP_FAILED) {
    error = std::strerror(errno);
    mapped = nullptr;
  } else {
    mapped->data = static_cast<char*>(data);
  }
  close(file);
  return mapped;
}

MappedFile::~MappedFile() {
  if (data) munmap(data, size);
}

void MappedFile::forget(const char* from, size_t bytes) {
  const uintptr_t page = uintptr_t(sysconf(_SC_PAGESIZE));
  // Pages that it shares with its neighbours stay.
  const uintptr_t begin = (uintptr_t(from) + page - 1) / page * page, end = (uintptr_t(from) + bytes) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

Memory::Memory(size_t bytes, const char* purpose) : size(bytes ? bytes : 1) {
  void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) throw OutOfMemory(bytes, purpose);
  data = static_cast<char*>(block);
}

Memory::~Memory() {
  if (data) munmap(data, size);
}

}  // namespace fettle
#endif
