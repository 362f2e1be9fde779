// As much of an ONNX file as the fakes need.
#pragma once

#include <string>

#include "../include/fake_model.h"

namespace fake {

enum class ReadResult {
  kGood,
  kNoModel,    // nothing that looks like a graph: the real parser says nothing about it
  kTruncated,  // a graph that does not end well
};

ReadResult ReadModel(const void* bytes, size_t size, Model* model);

}  // namespace fake
