#include "check.h"

trtn::test::Places& trtn::test::GetPlaces() {
  static Places places;
  return places;
}

// Runs all tests that it is linked with; some of them need TensorRT and a model.
int main(int argc, char** argv) {
  if (argc == 4) trtn::test::GetPlaces() = {argv[1], argv[2], argv[3]};
  if (argc != 1 && argc != 4) {
    std::cerr << "usage: core_tests [INFER_LIBRARY PARSER_LIBRARY MODEL]\n";
    return 2;
  }
  int failed = 0;
  for (const auto& test : trtn::test::Tests()) {
    try {
      test.body();
      std::cout << "ok " << test.name << std::endl;
    } catch (const std::exception& error) {
      ++failed;
      std::cout << "FAILED " << test.name << ": " << error.what() << std::endl;
    }
  }
  return failed == 0 ? 0 : 1;
}
