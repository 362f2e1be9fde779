// A program that uses the fakes as the addon does: opened by path, C entry points, header calls. It
// prints "key value" lines for fakes.test.ts. Written against the real headers on purpose: what is
// not as they say does not compile or crashes here.
#pragma once

#include <NvInfer.h>
#include <NvOnnxParser.h>
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

using Pointer = unsigned long long;

inline void* library(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::exit(2);
  }
  return handle;
}

template <typename F>
F* symbol(void* handle, const char* name) {
  void* found = dlsym(handle, name);
  if (found == nullptr) {
    std::fprintf(stderr, "no symbol %s\n", name);
    std::exit(2);
  }
  return reinterpret_cast<F*>(found);
}

// Calls a function of the fake driver by name: `cuda("cuMemFree_v2", pointer)`.
inline void* cudaLibrary = nullptr;
template <typename... Arguments>
int cuda(const char* name, Arguments... arguments) {
  return symbol<int(Arguments...)>(cudaLibrary, name)(arguments...);
}

template <typename... Arguments>
void show(const char* key, const char* format, Arguments... arguments) {
  std::printf("%s ", key);
  if constexpr (sizeof...(arguments) == 0) {
    std::fputs(format, stdout);
  } else {
    std::printf(format, arguments...);
  }
  std::printf("\n");
}

class Logger : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* message) noexcept override {
    if (severity <= Severity::kWARNING) std::printf("log%d %s\n", static_cast<int>(severity), message);
  }
};

void cudaChecks();
