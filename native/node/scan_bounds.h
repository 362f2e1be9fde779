#pragma once

#include <napi.h>

namespace trtn {

// ([Float32Array, …]): a Float64Array with lowest, highest, smallest magnitude and 1 where there is NaN
// of each array.
Napi::Value ScanAll(const Napi::CallbackInfo& info);

}  // namespace trtn
