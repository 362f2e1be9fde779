// The arithmetic that stands for a network. test/fakes/expected.ts is its twin in TypeScript, and
// README.md says it in words.
#pragma once

#include "plan.h"

namespace fake {

struct Operand {
  DataType type = DataType::kFLOAT;
  Shape shape;
  void* data = nullptr;
  std::string reduction;
};

float ReadElement(DataType type, const void* data, size_t index);
void Compute(const std::vector<Operand>& inputs, const std::vector<Operand>& outputs, float bias);
size_t Volume(const Shape& shape);

}  // namespace fake
