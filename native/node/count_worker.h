#pragma once

#include <napi.h>

namespace trtn {

// (values, edges, counts, absolute, lower, upper): counts at once.
void Count(const Napi::CallbackInfo& info);

// ([{values, edges, counts, absolute, lower, upper}, …]): counts one after the other on libuv's pool;
// the promise settles when all are done. None of the arrays may be changed until then.
Napi::Value StartCount(const Napi::CallbackInfo& info);

}  // namespace trtn
