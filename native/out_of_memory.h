// What is thrown where memory is not given.
#pragma once
#include <cstddef>
#include <stdexcept>
#include <string>

namespace fettle {

struct OutOfMemory : std::runtime_error {
  OutOfMemory(size_t bytes, const char* purpose)
      : runtime_error("out of memory: " + std::to_string(bytes >> 20) + " MiB for " + purpose) {}
};

}  // namespace fettle
