// INT8 calibration: asks the calibrator as the real builder does, and looks at the device memory that
// it is given through the fake driver, so that the ranges are those of the data.
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "builder.h"
#include "compute.h"

namespace fake {

#if FAKE_HAS_CALIBRATOR

namespace {

const char* AlgorithmName(CalibrationAlgoType type) {
  switch (type) {
    case CalibrationAlgoType::kMINMAX_CALIBRATION: return "MinMaxCalibration";
    case CalibrationAlgoType::kENTROPY_CALIBRATION_2: return "EntropyCalibration2";
    case CalibrationAlgoType::kENTROPY_CALIBRATION: return "EntropyCalibration";
    default: return "LegacyCalibration";
  }
}

std::string Header(IInt8Calibrator& calibrator) {
  return "TRT-" + std::to_string(LibraryVersion()) + "-" +
         AlgorithmName(calibrator.getAlgorithm());
}

// "name: hex" lines, the hex being the bits of amax/127 as float32.
bool ParseCache(const std::string& text, const std::string& header,
                std::map<std::string, float>* scales) {
  size_t at = text.find('\n');
  if (at == std::string::npos || text.substr(0, at) != header) return false;
  while (++at < text.size()) {
    size_t end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    const std::string line = text.substr(at, end - at);
    const size_t colon = line.rfind(": ");
    if (colon != std::string::npos) {
      const auto bits = static_cast<uint32_t>(std::strtoul(line.c_str() + colon + 2, nullptr, 16));
      float scale = 0;
      std::memcpy(&scale, &bits, 4);
      (*scales)[line.substr(0, colon)] = scale;
    }
    at = end;
  }
  return true;
}

Shape CalibrationShape(const Tensor& input, const Config& config) {
  const Profile* profile = config.calibrationProfile != nullptr ? config.calibrationProfile
                           : config.profiles.empty()            ? nullptr
                                                                : config.profiles[0];
  if (profile != nullptr && profile->shapes.count(input.name) != 0) {
    return profile->shapes.at(input.name).at(1);  // OPT, as documented
  }
  return input.shape;
}

}  // namespace

bool Calibrate(Network& network, Config& config, const Cuda& cuda, ILogger* logger,
               std::map<std::string, float>* scales) {
  IInt8Calibrator& calibrator = *config.calibrator;
  const std::string header = Header(calibrator);
  size_t length = 0;
  const void* cached = calibrator.readCalibrationCache(length);
  if (cached != nullptr && length != 0) {
    if (ParseCache(std::string(static_cast<const char*>(cached), length), header, scales)) {
      Log(logger, ILogger::Severity::kINFO,
          "Reading Calibration Cache for calibrator: " + header);
      return true;
    }
    Log(logger, ILogger::Severity::kWARNING,
        "Calibration table does not match calibrator algorithm type.");
  }

  Log(logger, ILogger::Severity::kINFO, "Starting Calibration.");
  const size_t count = network.inputs.size();
  std::vector<const char*> names;
  std::vector<Shape> shapes;
  for (const Tensor* input : network.inputs) {
    names.push_back(input->name.c_str());
    shapes.push_back(CalibrationShape(*input, config));
  }
  calibrator.getBatchSize();
  std::vector<float> amax(count, -1);
  int batches = 0;
  for (;; ++batches) {
    std::vector<void*> bindings(count, nullptr);
    if (!calibrator.getBatch(bindings.data(), names.data(), static_cast<int32_t>(count))) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(Option("batchMs", 0)));
    for (size_t i = 0; i < count; ++i) {
      const Tensor& input = *network.inputs[i];
      const size_t volume = Volume(shapes[i]);
      std::vector<char> host(volume * ElementBytes(input.type));
      const int error = cuda.copyToHost(
          host.data(), reinterpret_cast<unsigned long long>(bindings[i]), host.size());
      if (error != 0) {
        LogError(logger, "[calibrator.cpp::calibrateEngine::1160] Error Code 1: Cuda Runtime (" +
                             std::string("binding of ") + input.name + " cannot be read: error " +
                             std::to_string(error) + ")");
        return false;
      }
      for (size_t k = 0; k < volume; ++k) {
        const float value = std::fabs(ReadElement(input.type, host.data(), k));
        if (value > amax[i]) amax[i] = value;
      }
    }
    Log(logger, ILogger::Severity::kINFO,
        "  Calibrated batch " + std::to_string(batches) + " in 0.001 seconds.");
  }
  if (batches == 0) {
    LogError(logger, "Calibration failure occurred with no scaling factors detected. This could be "
                     "due to no int8 calibrator or insufficient custom scales for network layers.");
    return false;
  }
  Log(logger, ILogger::Severity::kINFO,
      "  Post Processing Calibration data in 0.001 seconds.");
  for (size_t i = 0; i < count; ++i) (*scales)[network.inputs[i]->name] = amax[i] / 127.0F;
  // No network is executed here: the other tensors get ranges that a test can predict.
  size_t index = 0;
  for (const LayerData* layer : network.layers) {
    for (const Tensor* output : layer->outputs) {
      (*scales)[output->name] = amax[0] * static_cast<float>(++index) / 127.0F;
    }
  }
  std::string text = header + "\n";
  for (const auto& [name, scale] : *scales) {
    uint32_t bits = 0;
    std::memcpy(&bits, &scale, 4);
    char line[16];
    std::snprintf(line, sizeof line, "%08x", bits);
    text += name + ": " + line + "\n";
  }
  calibrator.writeCalibrationCache(text.data(), text.size());
  return true;
}

#else

bool Calibrate(Network&, Config&, const Cuda&, ILogger*, std::map<std::string, float>*) {
  return true;
}

#endif

}  // namespace fake
