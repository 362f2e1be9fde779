#pragma once

#include <napi.h>

namespace trtn {

// Adds openSession, device memory and pinned memory to the exports of a family's module. Call it after
// the environment's instance data is set.
void RegisterSessions(Napi::Env env, Napi::Object exports);

}  // namespace trtn
