#if defined(_WIN32)
#include "pages.h"

#include <windows.h>

#include <cstdint>
#include <system_error>

#include "out_of_memory.h"

namespace fettle {

namespace {
// A path of JavaScript, which is UTF-8, as Windows takes it; empty where it is none.
std::wstring widePath(const std::string& path) {
  const int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.data(), int(path.size()), nullptr, 0);
  std::wstring wide(size_t(length > 0 ? length : 0), L'\0');
  if (length > 0) MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.data(), int(path.size()), wide.data(), length);
  return wide;
}

std::string lastError() { return std::system_category().message(int(GetLastError())); }
}  // namespace

std::shared_ptr<MappedFile> MappedFile::open(const std::string& path, std::string& error) {
  // Others may rename or remove it meanwhile, as everywhere else.
  constexpr DWORD kShared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
  const HANDLE file =
      CreateFileW(widePath(path).c_str(), GENERIC_READ, kShared, nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) {
    error = lastError();
    return nullptr;
  }
  LARGE_INTEGER size;
  auto mapped = std::make_shared<MappedFile>();
  if (GetFileType(file) != FILE_TYPE_DISK || !GetFileSizeEx(file, &size)) {
    error = "no file";
    mapped = nullptr;
  } else if (const HANDLE mapping = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr)) {
    mapped->size = size_t(size.QuadPart);
    mapped->data = static_cast<char*>(MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0));
    if (!mapped->data) error = lastError(), mapped = nullptr;
    CloseHandle(mapping);  // the view keeps it
  } else {
    error = lastError();
    mapped = nullptr;
  }
  CloseHandle(file);
  return mapped;
}

MappedFile::~MappedFile() {
  if (data) UnmapViewOfFile(data);
}

void MappedFile::forget(const char* from, size_t bytes) {
  static const uintptr_t page = [] {
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    return uintptr_t(system.dwPageSize);
  }();
  const uintptr_t begin = (uintptr_t(from) + page - 1) / page * page, end = (uintptr_t(from) + bytes) / page * page;
  // Of pages that are not locked, which these are not, it takes out of the process's memory what it names (documented so), and
  // answers that they were not locked.
  if (begin < end) VirtualUnlock(reinterpret_cast<void*>(begin), end - begin);
}

Memory::Memory(size_t bytes, const char* purpose) : size(bytes ? bytes : 1) {
  data = static_cast<char*>(VirtualAlloc(nullptr, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
  if (!data) throw OutOfMemory(bytes, purpose);
}

Memory::~Memory() {
  if (data) VirtualFree(data, 0, MEM_RELEASE);
}

}  // namespace fettle
#endif
