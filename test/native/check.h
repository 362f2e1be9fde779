#pragma once

#include <functional>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace trtn::test {

struct Test {
  std::string name;
  std::function<void()> body;
};

inline std::vector<Test>& Tests() {
  static std::vector<Test> tests;
  return tests;
}

struct Register {
  Register(const char* name, std::function<void()> body) { Tests().push_back({name, body}); }
};

// Where the tests find what they need; set from the command line.
struct Places {
  std::string infer_library;
  std::string parser_library;
  std::string model;
};
Places& GetPlaces();

template <typename T>
std::string Text(const T& value) {
  std::ostringstream stream;
  stream << std::boolalpha << value;
  return stream.str();
}

template <typename A, typename B>
void CheckEqual(const A& actual, const B& expected, const char* file, int line) {
  if (actual == expected) return;
  throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": expected " +
                           Text(expected) + " but got " + Text(actual));
}

inline void CheckContains(const std::string& text, const std::string& part, const char* file,
                          int line) {
  if (text.find(part) != std::string::npos) return;
  throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": expected \"" + part +
                           "\" within \"" + text + "\"");
}

}  // namespace trtn::test

#define TEST(name)                                                      \
  static void Test##name();                                             \
  static const ::trtn::test::Register register_##name(#name, Test##name); \
  static void Test##name()
#define CHECK_EQ(actual, expected) ::trtn::test::CheckEqual(actual, expected, __FILE__, __LINE__)
#define CHECK_CONTAINS(text, part) ::trtn::test::CheckContains(text, part, __FILE__, __LINE__)
