#pragma once

#include <cstddef>

namespace trtn {

// How an input's values are looked at while they are copied.
enum class ValueKind { kOther, kFloat32, kFloat16 };

// Copies `bytes` bytes. False when one of the values is NaN or infinite; all are copied either way.
// The target must be aligned for the values.
bool CopyFinite(unsigned char* target, const unsigned char* source, size_t bytes, ValueKind kind);

}  // namespace trtn
