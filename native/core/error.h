#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace trtn {

// A failure that TypeScript turns into a TensorRTError. `code` is one of the stable codes of
// lib/errors.ts, except "PARSE" (TypeScript chooses the code from the parser's errors) and
// "CANCELLED" (the caller already knows why).
class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message, std::string remedy = {})
      : std::runtime_error(message), code_(std::move(code)), remedy_(std::move(remedy)) {}

  const std::string& code() const { return code_; }
  const std::string& remedy() const { return remedy_; }

 private:
  std::string code_;
  std::string remedy_;
};

}  // namespace trtn
