#include "core/shared_library.h"

#include <dlfcn.h>

#include <utility>

namespace trtn {

SharedLibrary::SharedLibrary(const std::string& path, Lifetime lifetime) : path_(path) {
  // Lazy: TensorRT 8's parser names functions of libraries that most networks never need.
  int flags = RTLD_LAZY | RTLD_LOCAL;
  if (lifetime == Lifetime::kProcess) flags |= RTLD_NODELETE;
  handle_ = dlopen(path.c_str(), flags);
  if (handle_ == nullptr) {
    const char* reason = dlerror();
    throw Error("LIBRARY_NOT_FOUND",
                "Cannot load " + path + ": " + (reason == nullptr ? "unknown reason" : reason),
                "Install the library and what it depends on; `tensorrt-node doctor` shows where "
                "this package looks.");
  }
}

void SharedLibrary::Pin() {
  void* again = dlopen(path_.c_str(), RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD | RTLD_NODELETE);
  if (again != nullptr) dlclose(again);
}

SharedLibrary::~SharedLibrary() {
  if (handle_ != nullptr) dlclose(handle_);
}

SharedLibrary::SharedLibrary(SharedLibrary&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), path_(std::move(other.path_)) {}

SharedLibrary& SharedLibrary::operator=(SharedLibrary&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(path_, other.path_);
  return *this;
}

void* SharedLibrary::FindSymbol(const char* name) const {
  return handle_ == nullptr ? nullptr : dlsym(handle_, name);
}

void* SharedLibrary::GetSymbol(const char* name) const {
  void* symbol = FindSymbol(name);
  if (symbol == nullptr) {
    throw Error("LIBRARY_INCOMPATIBLE", path_ + " has no function " + name,
                "Check that the file is the TensorRT library that its name says.");
  }
  return symbol;
}

}  // namespace trtn
