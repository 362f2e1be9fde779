#pragma once

#include <napi.h>

namespace trtn {

// (source, width, height, target, {left, top, keptWidth, keptHeight, across?, down?}): resizes on
// libuv's pool and returns a promise. Short CPU work that waits for nothing, so the pool is its place,
// beside sharp's decoding.
Napi::Value StartResample(const Napi::CallbackInfo& info);

}  // namespace trtn
