// Switches of the fakes: one environment variable a library, "key=value;key=value". Both libraries
// read theirs with this header, so that the syntax is the same.
#pragma once

#include <cstdlib>
#include <map>
#include <string>

namespace fake {

inline std::map<std::string, std::string> ParseOptions(const std::string& text) {
  std::map<std::string, std::string> options;
  size_t at = 0;
  while (at < text.size()) {
    size_t end = text.find(';', at);
    if (end == std::string::npos) end = text.size();
    const std::string item = text.substr(at, end - at);
    const size_t equals = item.find('=');
    if (equals == std::string::npos) {
      if (!item.empty()) options[item] = "1";
    } else {
      options[item.substr(0, equals)] = item.substr(equals + 1);
    }
    at = end + 1;
  }
  return options;
}

inline long long Number(const std::map<std::string, std::string>& options, const char* key,
                        long long fallback) {
  const auto found = options.find(key);
  return found == options.end() ? fallback : std::strtoll(found->second.c_str(), nullptr, 0);
}

inline std::string Text(const std::map<std::string, std::string>& options, const char* key,
                        const std::string& fallback) {
  const auto found = options.find(key);
  return found == options.end() ? fallback : found->second;
}

}  // namespace fake
