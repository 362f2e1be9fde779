#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "core/cuda/api.h"
#include "core/session/shape_set.h"

namespace trtn {

// Where one tensor of a run lies, and what keeps it there while the run lasts.
struct TensorPlace {
  enum class Kind {
    kNone,    // an output that nobody wants
    kHost,    // ordinary memory: goes through pinned staging
    kPinned,  // page-locked memory: copied by the GPU itself
    kDevice,  // the GPU's memory: not copied at all
  };
  Kind kind = Kind::kNone;
  unsigned char* host = nullptr;
  cuda::DevicePointer device = 0;
  std::shared_ptr<const void> keep;
};

// One run: a place for each input and each output, in the engine's order.
struct Job {
  std::shared_ptr<const ShapeSet> shapes;
  std::vector<TensorPlace> inputs;
  std::vector<TensorPlace> outputs;
};

}  // namespace trtn
