#pragma once

#include <string>

#include "core/shared_library.h"

namespace trtn {

// What getInferLibVersion() answers: 8601 for 8.6.1, 101501 for 10.15.1, 10701 for RTX 1.7.1.
int LibraryVersion(const SharedLibrary& library);

// Opens the library only to ask for its version, and closes it again.
int LibraryVersionOf(const std::string& path);

// "8.6.1", "10.15.1", "1.7.1".
std::string VersionText(int version);

// The family of headers that fits a library of this version, empty when none does. TensorRT checks
// nothing itself: v-tables differ between families, and a call through the wrong one crashes.
std::string FamilyOfVersion(int version);

}  // namespace trtn
