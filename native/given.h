// What JavaScript gave a method, checked: a wrong value, whatever it is, becomes an error that names it. Getters and proxies may run
// any code while they are read, so a method reads all it was given first, and looks at its own state and at memory after that.
#pragma once
#include <napi.h>

#include <cmath>
#include <cstdint>
#include <string>

#include "tensor.h"

namespace fettle {

// More bytes than any tensor has; sums and products of a few such numbers stay within 64 bits.
constexpr int64_t kMostBytes = int64_t(1) << 46;
// Integers up to here are exact in JavaScript.
constexpr int64_t kMostInteger = (int64_t(1) << 53) - 1;

// The memory of a typed array. JavaScript code may detach it: to be asked for when no more of that runs.
struct Numbers {
  napi_typedarray_type type;
  size_t length;
  const char* data;
  size_t bytes() const { return length * bytesOfElement(); }
  size_t bytesOfElement() const {
    switch (type) {
      case napi_int8_array:
      case napi_uint8_array:
      case napi_uint8_clamped_array: return 1;
      case napi_int16_array:
      case napi_uint16_array: return 2;
      case napi_int32_array:
      case napi_uint32_array:
      case napi_float32_array: return 4;
      default: return 8;
    }
  }
};

class Given {
 public:
  Given(const Napi::CallbackInfo& info, const char* method) : info_(info), method_(method) {}
  Napi::Env env() const { return info_.Env(); }
  Napi::Value operator[](size_t i) const { return info_[i]; }

  [[noreturn]] void refuse(const std::string& found, const std::string& expected) const {
    throw Napi::TypeError::New(env(), std::string(method_) + ": " + found + "; expected " + expected);
  }
  // For what is right, but not now.
  [[noreturn]] void fail(const std::string& why) const { throw Napi::Error::New(env(), std::string(method_) + ": " + why); }

  // A whole number of [least, most].
  int64_t whole(const Napi::Value& value, const std::string& name, int64_t least, int64_t most) const {
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
    // Both ends are exact as doubles, and NaN is in no range.
    if (!(number >= double(least) && number <= double(most)) || number != std::floor(number))
      refuse(name + " is " + text(value), "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return int64_t(number);
  }
  int64_t whole(size_t i, const char* name, int64_t least, int64_t most) const { return whole(info_[i], name, least, most); }

  Napi::Array array(const Napi::Value& value, const char* name) const {
    if (!value.IsArray()) refuse(std::string(name) + " is " + text(value), "an array");
    return value.As<Napi::Array>();
  }

  // Sets rank and sizes; a tensor of them has at most kMostBytes.
  void shape(size_t i, Tensor& tensor) const {
    const Napi::Array sizes = array(info_[i], "the shape");
    const uint32_t rank = sizes.Length();
    if (rank > 4) refuse("a shape of " + std::to_string(rank) + " dimensions", "at most 4");
    int64_t elements = 1;
    for (uint32_t d = 0; d < rank; d++) {
      tensor.shape[d] = whole(sizes.Get(d), "size " + std::to_string(d), 0, kMostBytes);
      if (tensor.shape[d] > 0 && elements > kMostBytes / 4 / tensor.shape[d])
        refuse("a shape of too many elements", "at most " + std::to_string(kMostBytes / 4));
      elements *= tensor.shape[d];
    }
    tensor.rank = int(rank);
  }

  // A typed array's memory as it is now.
  Numbers numbers(const Napi::Value& value, const std::string& name) const {
    if (!value.IsTypedArray()) refuse(name + " is " + text(value), "a typed array");
    Numbers found{};
    void* data = nullptr;
    const napi_status status =
        napi_get_typedarray_info(env(), value, &found.type, &found.length, &data, nullptr, nullptr);
    if (status != napi_ok) refuse(name + " has no memory", "a typed array");
    found.data = static_cast<const char*>(data);
    if (!data) found.length = 0;
    return found;
  }

 private:
  // For messages, without running any code of the value's.
  std::string text(const Napi::Value& value) const {
    switch (value.Type()) {
      case napi_undefined: return "undefined";
      case napi_null: return "null";
      case napi_boolean: return value.As<Napi::Boolean>().Value() ? "true" : "false";
      case napi_number: return value.ToString();
      case napi_string: return "a string";
      case napi_symbol: return "a symbol";
      case napi_function: return "a function";
      case napi_bigint: return "a bigint";
      default: return "an object";
    }
  }

  const Napi::CallbackInfo& info_;
  const char* method_;
};

}  // namespace fettle
