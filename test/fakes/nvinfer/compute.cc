#include "compute.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace fake {
namespace {

float FromHalf(uint16_t bits) {
  const uint32_t exponent = (bits >> 10) & 31U, fraction = bits & 1023U;
  const float sign = (bits & 0x8000U) != 0 ? -1.0F : 1.0F;
  if (exponent == 31) {
    return fraction != 0 ? std::numeric_limits<float>::quiet_NaN()
                         : sign * std::numeric_limits<float>::infinity();
  }
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
  return sign * std::ldexp(static_cast<float>(fraction + 1024), static_cast<int>(exponent) - 25);
}

uint16_t ToHalf(float value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value)) return 0x7e00;
  const float size = std::fabs(value);
  if (size >= 65520.0F) return sign | 0x7c00;
  int exponent = 0;
  std::frexp(size, &exponent);  // size = m · 2^exponent, m in [0.5, 1)
  const int scale = std::max(exponent - 11, -24);
  // nearbyint rounds half to even, as the hardware does; a carry moves into the exponent by itself
  const auto mantissa = static_cast<uint32_t>(std::nearbyint(std::ldexp(size, -scale)));
  if (scale == -24) return sign | static_cast<uint16_t>(mantissa);
  return sign | static_cast<uint16_t>((static_cast<uint32_t>(scale + 24) << 10) + mantissa);
}

template <typename T>
T Saturate(float value) {
  if (std::isnan(value)) return 0;
  const double rounded = std::nearbyint(static_cast<double>(value));
  if (rounded <= static_cast<double>(std::numeric_limits<T>::min())) {
    return std::numeric_limits<T>::min();
  }
  if (rounded >= static_cast<double>(std::numeric_limits<T>::max())) {
    return std::numeric_limits<T>::max();
  }
  return static_cast<T>(rounded);
}

template <typename T>
void Put(void* data, size_t index, T value) {
  std::memcpy(static_cast<char*>(data) + index * sizeof(T), &value, sizeof(T));
}

template <typename T>
T Take(const void* data, size_t index) {
  T value;
  std::memcpy(&value, static_cast<const char*>(data) + index * sizeof(T), sizeof(T));
  return value;
}

void WriteElement(DataType type, void* data, size_t index, float value) {
  switch (type) {
    case DataType::kHALF: Put(data, index, ToHalf(value)); break;
    case DataType::kINT8: Put(data, index, Saturate<int8_t>(value)); break;
    case DataType::kUINT8: Put(data, index, Saturate<uint8_t>(value)); break;
    case DataType::kINT32: Put(data, index, Saturate<int32_t>(value)); break;
    case DataType::kBOOL: Put(data, index, static_cast<uint8_t>(value != 0)); break;
#if NV_TENSORRT_MAJOR >= 10
    case DataType::kINT64: Put(data, index, Saturate<int64_t>(value)); break;
#endif
    default: Put(data, index, value);
  }
}

// What is left of the inputs of one row: lowest, highest and the sum of the first elements.
struct Summary {
  float lowest = std::numeric_limits<float>::infinity();
  float highest = -std::numeric_limits<float>::infinity();
  float first = 0;
  bool nan = false;
};

bool HasRows(const Shape& shape, int64_t rows) { return !shape.empty() && shape[0] == rows; }

Summary Summarise(const std::vector<Operand>& inputs, int64_t rows, int64_t row) {
  Summary summary;
  for (const Operand& input : inputs) {
    const bool split = row >= 0 && HasRows(input.shape, rows);
    const size_t count = Volume(input.shape) / (split ? static_cast<size_t>(rows) : 1);
    const size_t start = split ? static_cast<size_t>(row) * count : 0;
    for (size_t i = 0; i < count; ++i) {
      const float value = ReadElement(input.type, input.data, start + i);
      if (std::isnan(value)) summary.nan = true;
      if (value < summary.lowest) summary.lowest = value;
      if (value > summary.highest) summary.highest = value;
      if (i == 0) summary.first = summary.first + value;
    }
  }
  return summary;
}

void FillRow(const Operand& output, size_t start, size_t count, const Summary& summary,
             float bias, size_t outputIndex) {
  if (count == 0) return;
  float sum = summary.lowest + summary.highest;
  sum = sum + summary.first;
  sum = sum + bias;
  sum = sum + static_cast<float>(outputIndex);
  const float scaled = std::fabs(sum) * 64.0F;
  const bool finite = std::isfinite(scaled) && !summary.nan;
  const size_t peak = finite ? static_cast<size_t>(std::fmod(std::trunc(static_cast<double>(scaled)),
                                                             static_cast<double>(count)))
                             : count;
  for (size_t k = 0; k < count; ++k) {
    float value = sum * (static_cast<float>(k + 1) / static_cast<float>(count));
    if (k == peak) value = value + 4.0F;
    if (output.reduction == "min") value = summary.lowest;
    if (output.reduction == "max") value = summary.highest;
    if (summary.nan) value = std::numeric_limits<float>::quiet_NaN();
    WriteElement(output.type, output.data, start + k, value);
  }
}

}  // namespace

size_t Volume(const Shape& shape) {
  size_t volume = 1;
  for (const int64_t extent : shape) volume *= static_cast<size_t>(extent);
  return volume;
}

float ReadElement(DataType type, const void* data, size_t index) {
  switch (type) {
    case DataType::kHALF: return FromHalf(Take<uint16_t>(data, index));
    case DataType::kINT8: return static_cast<float>(Take<int8_t>(data, index));
    case DataType::kUINT8:
    case DataType::kBOOL: return static_cast<float>(Take<uint8_t>(data, index));
    case DataType::kINT32: return static_cast<float>(Take<int32_t>(data, index));
#if NV_TENSORRT_MAJOR >= 10
    case DataType::kINT64: return static_cast<float>(Take<int64_t>(data, index));
#endif
    default: return Take<float>(data, index);
  }
}

void Compute(const std::vector<Operand>& inputs, const std::vector<Operand>& outputs, float bias) {
  const int64_t rows = inputs.empty() || inputs[0].shape.empty() ? 1 : inputs[0].shape[0];
  for (size_t index = 0; index < outputs.size(); ++index) {
    const Operand& output = outputs[index];
    const size_t volume = Volume(output.shape);
    if (rows > 0 && HasRows(output.shape, rows)) {
      const size_t count = volume / static_cast<size_t>(rows);
      for (int64_t row = 0; row < rows; ++row) {
        FillRow(output, static_cast<size_t>(row) * count, count, Summarise(inputs, rows, row), bias,
                index);
      }
    } else {
      FillRow(output, 0, volume, Summarise(inputs, rows, -1), bias, index);
    }
  }
}

}  // namespace fake
