#pragma once

#include <napi.h>

#include "core/builder.h"

namespace trtn {

// Options as lib/runtime/binding.ts types them. TypeScript has checked them; what does not fit is a
// TypeError all the same.
BuildOptions BuildOptionsFrom(Napi::Object object);

// Copies the plan: Electron forbids buffers over foreign memory.
Napi::Object OutcomeOf(Napi::Env env, const BuildResult& result);

}  // namespace trtn
