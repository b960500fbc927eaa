// Memory of WebAssembly: there are no files to map, and no pages that could be given back.
#include "pages.h"

#include <cstdlib>
#include <cstring>

#include "out_of_memory.h"

namespace fettle {

std::shared_ptr<MappedFile> MappedFile::open(const std::string&, std::string& error) {
  error = "WebAssembly maps no files";
  return nullptr;
}

MappedFile::~MappedFile() = default;

void MappedFile::forget(const char*, size_t) {}

Memory::Memory(size_t bytes, const char* purpose) : size(bytes ? bytes : 1) {
  data = static_cast<char*>(std::malloc(size));
  if (!data) throw OutOfMemory(bytes, purpose);
  std::memset(data, 0, size);
}

Memory::~Memory() { std::free(data); }

}  // namespace fettle
