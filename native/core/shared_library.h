#pragma once

#include <string>

#include "core/error.h"

namespace trtn {

// Owner of one dlopen handle. The library stays loaded while this lives; functions taken from it must
// not outlive it. Symbols are local, so that libraries of several versions can be open side by side.
class SharedLibrary {
 public:
  // What happens to the library when its last owner goes. TensorRT and the driver start threads and
  // register exit handlers once they are used; unloading them then crashes, so they are pinned.
  enum class Lifetime { kOwner, kProcess };

  SharedLibrary() = default;
  // Throws Error LIBRARY_NOT_FOUND with the loader's own words.
  SharedLibrary(const std::string& path, Lifetime lifetime);
  ~SharedLibrary();
  SharedLibrary(SharedLibrary&& other) noexcept;
  SharedLibrary& operator=(SharedLibrary&& other) noexcept;
  SharedLibrary(const SharedLibrary&) = delete;
  SharedLibrary& operator=(const SharedLibrary&) = delete;

  // Makes the library stay for the life of the process.
  void Pin();

  explicit operator bool() const { return handle_ != nullptr; }
  const std::string& path() const { return path_; }

  // The function `name`, null when the library has none.
  template <typename Function>
  Function* Find(const char* name) const {
    return reinterpret_cast<Function*>(FindSymbol(name));
  }

  // The function `name`; throws Error LIBRARY_INCOMPATIBLE when the library has none.
  template <typename Function>
  Function* Get(const char* name) const {
    return reinterpret_cast<Function*>(GetSymbol(name));
  }

 private:
  void* FindSymbol(const char* name) const;
  void* GetSymbol(const char* name) const;

  void* handle_ = nullptr;
  std::string path_;
};

}  // namespace trtn
