// Exceptions of C++ become exceptions of JavaScript at once: a throw calls the host, which throws an Error with the same words, and
// that leaves all frames of WebAssembly. No destructor runs on its way, so what was being made is not given back before the
// engine is closed; the caller puts the stack's pointer back (src/engine/wasm/border.ts). In return the file needs no tables of
// exceptions, and a host no support for them.
#include <cstdlib>
#include <cstring>
#include <exception>

#include "wasm/exceptions.h"

namespace fettle {
char lastFailure[512];
}

extern "C" {

[[noreturn]] __attribute__((import_module("fettle"), import_name("fail"))) void fettleFail(const char* message, size_t length);

void* __cxa_allocate_exception(size_t bytes) noexcept { return malloc(bytes); }
void __cxa_free_exception(void* exception) noexcept { free(exception); }

// All that native/ throws is derived from std::exception alone, which therefore begins where the object does.
[[noreturn]] void __cxa_throw(void* thrown, void*, void*) {
  const char* message = static_cast<std::exception*>(thrown)->what();
  const size_t length = strlen(message) < sizeof fettle::lastFailure ? strlen(message) : sizeof fettle::lastFailure - 1;
  memcpy(fettle::lastFailure, message, length);
  fettle::lastFailure[length] = 0;
  fettleFail(fettle::lastFailure, length);
}
}
