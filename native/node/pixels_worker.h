#pragma once

#include <napi.h>

namespace trtn {

// interleavedToPlanar(source, target, offset, pixels, options): one image, on this thread.
void Planar(const Napi::CallbackInfo& info);

// packImages(images, target, options): images of one size into one tensor, on libuv's pool. Returns a
// promise.
Napi::Value StartPack(const Napi::CallbackInfo& info);

}  // namespace trtn
