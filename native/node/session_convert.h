#pragma once

#include <napi.h>

#include <vector>

#include "core/session/session.h"
#include "core/session/shared_memory.h"

namespace trtn {

struct OpenOptions {
  EngineSource source;
  SessionOptions session;
};

// All of these are typed by lib/session/tensorrt/binding.ts. TypeScript has checked what callers gave;
// what would read or write outside of an array is refused here all the same, with a TypeError.
OpenOptions OpenOptionsFrom(Napi::Object object);
std::vector<Shape> ShapesFrom(const Session& session, Napi::Value value);
Job JobFrom(const Session& session, Napi::Value shapes, Napi::Value inputs, Napi::Value outputs);
LoopOptions LoopOptionsFrom(Napi::Object object);

Napi::Object FailureObject(Napi::Env env, const Failure& failure);
// Throws a JavaScript Error with the same fields.
[[noreturn]] void ThrowFailure(Napi::Env env, const Failure& failure);
Napi::Object ShapeSetObject(Napi::Env env, const ShapeSet& shapes);
Napi::Object LoopObject(Napi::Env env, const LoopResult& loop);
Napi::Array LayersArray(Napi::Env env, const std::vector<LayerTimes>& layers);
Napi::Object MemoryObject(Napi::Env env, const Session& session);
// Inputs, outputs, profiles, versions, and the shapes of an engine that is not dynamic.
Napi::Object EngineObject(Napi::Env env, const Session& session);

// Device memory crosses as an External of this.
using DeviceHandleBox = std::shared_ptr<DeviceBlock>;

}  // namespace trtn
