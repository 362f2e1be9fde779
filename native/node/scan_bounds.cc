#include "node/scan_bounds.h"

#include <cstddef>
#include <cstdint>

#include "core/value_bounds.h"
#include "node/typed_array.h"

namespace trtn {
namespace {

constexpr size_t kNumbers = 4;

}  // namespace

Napi::Value ScanAll(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsArray()) throw Napi::TypeError::New(env, "Expected a list of arrays to scan");
  const auto list = info[0].As<Napi::Array>();
  const uint32_t count = list.Length();
  Napi::Float64Array result = Napi::Float64Array::New(env, count * kNumbers);
  double* numbers = result.Data();
  for (uint32_t i = 0; i < count; ++i, numbers += kNumbers) {
    const Napi::HandleScope scope(env);
    const float* values = nullptr;
    size_t size = 0;
    if (!TypedArrayOf(list.Get(i), napi_float32_array, values, size)) {
      throw Napi::TypeError::New(env, "Expected arrays of float32 to scan");
    }
    const ValueBounds bounds = ScanBounds(values, size);
    numbers[0] = static_cast<double>(bounds.lowest);
    numbers[1] = static_cast<double>(bounds.highest);
    numbers[2] = static_cast<double>(bounds.smallest);
    numbers[3] = bounds.nan ? 1.0 : 0.0;
  }
  return result;
}

}  // namespace trtn
