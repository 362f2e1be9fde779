#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/call_control.h"
#include "core/calibration/batch_feed.h"
#include "core/network.h"
#include "core/tensorrt.h"

namespace trtn {

enum class CalibrationAlgorithm { kMinMax, kEntropy2 };

// How a build is to be calibrated.
struct CalibratorOptions {
  CalibrationAlgorithm algorithm = CalibrationAlgorithm::kMinMax;
  // A cache of TensorRT's for this calibrator; empty when there is none. No batch is asked for then.
  std::vector<char> cache;
  // The cache is all that is wanted: the build ends once it is there, where TensorRT can be stopped.
  bool cache_only = false;
  int device = 0;
  // Where batches come from. Whoever cancels the call must cancel the feed, too.
  std::shared_ptr<BatchFeed> feed;
  // Told once, when batches are wanted, what the inputs are.
  std::function<void(const std::vector<TensorInfo>&)> on_inputs;
  // Told when TensorRT hands the cache over, that is, when it has calibrated.
  std::function<void()> on_calibrated;
};

// What came of it.
struct CalibrationResult {
  std::vector<char> cache;
  bool from_cache = false;
  size_t batches = 0;
  double wait_ms = 0.0;         // within getBatch, until a batch was there
  double calibration_ms = 0.0;  // from the first getBatch to the hand-over of the cache
};

// Feeds TensorRT's calibrator in one build. TensorRT keeps its address: declare it before the config,
// and keep it until the build is over.
class Calibration {
 public:
  // `options` and `control` must live longer. Throws Error TARGET_UNSUPPORTED when this TensorRT has
  // no calibrator.
  Calibration(const CalibratorOptions& options, CallControl& control);
  ~Calibration();
  Calibration(const Calibration&) = delete;
  Calibration& operator=(const Calibration&) = delete;

  // Waits for the first batch, unless there is a cache, and sets calibrator and calibration profile.
  // Throws Error CALIBRATION_FAILED, MODEL_UNSUPPORTED, CANCELLED, or a code of the CUDA driver's.
  void Attach(nvinfer1::IBuilder& builder, const NetworkInfo& network,
              nvinfer1::IBuilderConfig& config);

  // After the build: throws what ended the calibration, if anything did.
  CalibrationResult Finish();

  class State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace trtn
