// What a method of a stub class does: it names itself, because a test that went on with an invented
// answer would prove nothing.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <type_traits>

namespace fake {

template <typename T>
T Missing(const char* method) noexcept {
  std::fprintf(stderr, "fake TensorRT: %s is not implemented (test/fakes)\n", method);
  if constexpr (std::is_void_v<T>) {
    return;
  } else if constexpr (std::is_reference_v<T>) {
    std::abort();  // nothing to refer to
  } else {
    return T{};
  }
}

}  // namespace fake
