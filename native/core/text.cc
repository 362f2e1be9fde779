#include "core/text.h"

#include <cstddef>

namespace trtn {
namespace {

bool IsContinuation(std::string_view text, size_t index) {
  return index < text.size() && (static_cast<unsigned char>(text[index]) & 0xC0) == 0x80;
}

// Length of the well-formed sequence at `i`, 0 when there is none. The limits of the second byte rule
// out overlong forms, surrogates and code points above U+10FFFF.
size_t SequenceLength(std::string_view text, size_t i) {
  const auto first = static_cast<unsigned char>(text[i]);
  if (first < 0x80) return 1;
  const unsigned char second = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
  if (first >= 0xC2 && first <= 0xDF) return IsContinuation(text, i + 1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool allowed = (first != 0xE0 || second >= 0xA0) && (first != 0xED || second <= 0x9F);
    return allowed && IsContinuation(text, i + 1) && IsContinuation(text, i + 2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool allowed = (first != 0xF0 || second >= 0x90) && (first != 0xF4 || second <= 0x8F);
    return allowed && IsContinuation(text, i + 1) && IsContinuation(text, i + 2) &&
                   IsContinuation(text, i + 3)
               ? 4
               : 0;
  }
  return 0;
}

}  // namespace

std::string ValidUtf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t length = SequenceLength(text, i);
    if (length == 0) {
      result += "\xEF\xBF\xBD";
      i += 1;
    } else {
      result.append(text, i, length);
      i += length;
    }
  }
  return result;
}

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace trtn
