#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "core/calibration/calibrator.h"
#include "node/js_thread.h"

namespace trtn {

// Reads `calibrator` of a build's options, connects its feed with JavaScript, and adds `supply` and
// `end` to the call's handle; lib/runtime/binding.ts types them. None when the build has no calibrator.
std::optional<CalibratorOptions> ConnectCalibrator(Napi::Object options, Napi::Object handle,
                                                   uint64_t call, CallControl& control);

// What a calibration came to.
Napi::Object CalibrationObject(Napi::Env env, const CalibrationResult& result);

}  // namespace trtn
