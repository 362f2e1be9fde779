#pragma once

#include <napi.h>

#include <cstddef>

namespace trtn {

// The elements of an array of `type`, in one call: what Napi::TypedArray offers takes several, which add
// up where arrays are many and small. False for anything else.
template <typename T>
bool TypedArrayOf(Napi::Value value, napi_typedarray_type type, T*& data, size_t& length) {
  napi_typedarray_type actual = napi_int8_array;
  void* bytes = nullptr;
  if (napi_get_typedarray_info(value.Env(), value, &actual, &length, &bytes, nullptr, nullptr) !=
          napi_ok ||
      actual != type) {
    return false;
  }
  data = static_cast<T*>(bytes);
  return true;
}

}  // namespace trtn
