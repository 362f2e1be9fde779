#pragma once

#include <string>
#include <string_view>

namespace trtn {

// `text` as valid UTF-8: each byte that is no part of a well-formed sequence becomes U+FFFD. TensorRT
// copies names out of damaged models into its messages, and V8 refuses or garbles such bytes.
std::string ValidUtf8(std::string_view text);
inline std::string ValidUtf8(const char* text) {
  return text == nullptr ? std::string() : ValidUtf8(std::string_view(text));
}

// Without spaces, tabs and line ends at both ends.
std::string_view Trim(std::string_view text);

inline bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

inline bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

}  // namespace trtn
