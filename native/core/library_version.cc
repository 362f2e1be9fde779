#include "core/library_version.h"

#include <cstdint>

namespace trtn {

int LibraryVersion(const SharedLibrary& library) {
  return library.Get<int32_t()>("getInferLibVersion")();
}

int LibraryVersionOf(const std::string& path) {
  return LibraryVersion(SharedLibrary(path, SharedLibrary::Lifetime::kOwner));
}

std::string VersionText(int version) {
  // Up to 8.6 the major version counts thousands, from 10 on ten thousands.
  const int unit = version < 10000 ? 1000 : 10000;
  return std::to_string(version / unit) + "." + std::to_string(version % unit / 100) + "." +
         std::to_string(version % 100);
}

std::string FamilyOfVersion(int version) {
  if (version >= 8600 && version < 8700) return "tensorrt8";
  if (version >= 10500 && version < 20000) return "tensorrt_rtx";  // 1.5 broke with 1.4
  if (version >= 100000 && version < 110000) return "tensorrt10";
  if (version >= 110000 && version < 120000) return "tensorrt11";
  return {};
}

}  // namespace trtn
