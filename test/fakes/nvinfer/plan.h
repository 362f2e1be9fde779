// The fake's plan: all that an engine needs, written down with a checksum.
#pragma once

#include "fake_nvinfer.h"

namespace fake {

struct PlanTensor {
  std::string name;
  bool input = true;
  DataType type = DataType::kFLOAT;
  Shape shape;                        // -1: dynamic
  std::vector<std::string> dimNames;  // equal names are equal extents
  std::string reduction;              // "min" or "max" when it is only that of its input
};

struct PlanRange {
  Shape min, opt, max;
};

struct PlanLayer {
  std::string name, op, precision;
  std::vector<std::string> inputs, outputs;
};

struct PlanWeight {
  std::string name;
  DataType type = DataType::kFLOAT;
  int64_t count = 0;
};

struct Plan {
  int version = 0;
  std::string device;
  int major = 0, minor = 0;
  bool anyDevice = false;  // hardware compatibility
  bool versionCompatible = false;
  bool refittable = false;
  int verbosity = 0;
  int auxStreams = 0;
  uint64_t workspace = 0;
  uint64_t nonce = 0;  // two builds of one model are never equal, as with the real library
  std::string name;
  std::vector<PlanTensor> tensors;
  std::vector<std::map<std::string, PlanRange>> profiles;
  std::vector<PlanLayer> layers;
  std::vector<PlanWeight> weights;
  std::string ballast;  // makes plans as large as real ones

  const PlanTensor* Find(const std::string& tensor) const;
  bool Dynamic() const;
  uint64_t WeightBytes() const;
};

std::string Serialize(const Plan& plan);
// An error text in the words of the real library, or empty.
std::string Deserialize(const void* bytes, size_t size, Plan* plan);

}  // namespace fake
