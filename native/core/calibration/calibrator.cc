#include "core/calibration/calibrator.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/calibration/staging.h"

namespace trtn {

#if TRTN_HAS_CALIBRATOR

namespace {

using Clock = std::chrono::steady_clock;

double MillisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

bool IsDynamic(const TensorInfo& input) {
  return std::any_of(input.shape.begin(), input.shape.end(), [](int64_t d) { return d < 0; });
}

ValueKind KindOf(const TensorInfo& input) {
  if (input.type == "float32") return ValueKind::kFloat32;
  return input.type == "float16" ? ValueKind::kFloat16 : ValueKind::kOther;
}

void RefuseShapeTensors(const std::vector<TensorInfo>& inputs) {
  for (const TensorInfo& input : inputs) {
    if (!input.is_shape_tensor) continue;
    throw Error("MODEL_UNSUPPORTED", "Input \"" + input.name +
                                         "\" is a shape, which TensorRT's calibrators cannot be fed");
  }
}

void RefuseExplicitQuantization(const NetworkInfo& network) {
  const auto found = std::find_if(network.layers.begin(), network.layers.end(),
                                  [](const LayerInfo& layer) { return layer.type == "QUANTIZE"; });
  if (found == network.layers.end()) return;
  throw Error("CALIBRATION_FAILED",
              "TensorRT does not calibrate a model that has QuantizeLinear (\"" + found->name +
                  "\"): its scales are in it",
              "Leave the calibrator out, or give the model as it was before `quantize`.");
}

}  // namespace

// What the calibrator does, apart from which of TensorRT's classes it is.
class Calibration::State {
 public:
  State(const CalibratorOptions& options, CallControl& control)
      : options_(options), control_(control), feed_(*options.feed) {}
  virtual ~State() { feed_.Stop(); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  virtual nvinfer1::IInt8Calibrator& calibrator() = 0;

  void Attach(nvinfer1::IBuilder& builder, const NetworkInfo& network,
              nvinfer1::IBuilderConfig& config) {
    RefuseExplicitQuantization(network);
    RefuseShapeTensors(network.inputs);
    inputs_ = network.inputs;
    config.setFlag(nvinfer1::BuilderFlag::kINT8);
    config.setInt8Calibrator(&calibrator());
    // Without a cache the data decides the shape, so the first batch must be there before the build.
    if (options_.cache.empty()) SetProfile(builder, config, Begin());
  }

  CalibrationResult Finish() {
    feed_.Stop();
    control_.ThrowIfCancelled();
    if (const auto failure = feed_.failure()) throw Error(*failure);
    result_.from_cache = result_.batches == 0 && !options_.cache.empty();
    if (result_.from_cache) result_.cache = options_.cache;
    return std::move(result_);
  }

 protected:
  int32_t BatchSize() const { return batch_size_; }

  bool GetBatch(void* bindings[], const char* const names[], int32_t count) noexcept {
    try {
      if (control_.cancelled.load()) return false;
      if (staging_ == nullptr) BeginLate();
      if (result_.batches == 0) start_ = Clock::now();
      const Clock::time_point asked = Clock::now();
      const std::optional<size_t> slot = feed_.Take();
      result_.wait_ms += MillisecondsSince(asked);
      if (!slot) return false;
      staging_->Upload(*slot);
      feed_.GiveBack(*slot);
      for (int32_t i = 0; i < count; ++i) bindings[i] = staging_->device_pointer(IndexOf(names[i]));
      ++result_.batches;
      return true;
    } catch (const Error& error) {
      feed_.Fail(error);
    } catch (const std::exception& error) {
      feed_.Fail(Error("CALIBRATION_FAILED", error.what()));
    }
    // To TensorRT this is the end of the data; it may go on to build, and the result is dropped.
    return false;
  }

  const void* ReadCache(size_t& length) noexcept {
    length = options_.cache.size();
    return length == 0 ? nullptr : options_.cache.data();
  }

  void WriteCache(const void* data, size_t length) noexcept {
    // After a failure or the end of the call this is the cache of a part of the data.
    if (control_.cancelled.load() || feed_.failure().has_value()) return;
    const auto* begin = static_cast<const char*>(data);
    try {
      result_.cache.assign(begin, begin + length);
      result_.calibration_ms = MillisecondsSince(start_);
      if (options_.cache_only) control_.fulfilled.store(true);
      options_.on_calibrated();
    } catch (const std::exception& error) {
      feed_.Fail(Error("CALIBRATION_FAILED", error.what()));
    }
  }

 private:
  // Waits for the first batch and makes ready for its shapes.
  std::vector<Shape> Begin() {
    options_.on_inputs(inputs_);
    auto first = feed_.AwaitFirst();
    if (!first) {
      control_.ThrowIfCancelled();
      throw feed_.failure().value_or(
          Error("CALIBRATION_FAILED", "There is no batch to calibrate with",
                "Check what gives the batches: an iterator can be used once only."));
    }
    RefuseMisshapen(*first);
    std::vector<FeedInput> inputs;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      inputs.push_back({inputs_[i].name, KindOf(inputs_[i]), first->bytes[i]});
    }
    const Shape& shape = first->shapes.front();
    batch_size_ = shape.empty() ? 1 : static_cast<int32_t>(shape[0]);
    staging_ = std::make_unique<CalibrationStaging>(options_.device, inputs);
    feed_.Start(std::move(inputs), staging_->slots());
    return std::move(first->shapes);
  }

  // The source has checked what it offers; what would be read or written outside of an array is refused
  // here all the same.
  void RefuseMisshapen(const OfferedBatch& batch) const {
    bool fits = batch.bytes.size() == inputs_.size() && batch.data.size() == inputs_.size() &&
                batch.shapes.size() == inputs_.size();
    for (size_t i = 0; fits && i < inputs_.size(); ++i) {
      fits = batch.shapes[i].size() == inputs_[i].shape.size();
    }
    if (!fits) {
      throw Error("CALIBRATION_FAILED",
                  "The first batch has other tensors or ranks than the network's inputs");
    }
  }

  // TensorRT refused the cache, and asks for data during the build.
  void BeginLate() {
    if (std::any_of(inputs_.begin(), inputs_.end(), IsDynamic)) {
      throw Error("CALIBRATION_FAILED",
                  "TensorRT refused the calibration cache, too late to choose a shape for the data",
                  "Remove the cache, so that the data is used from the beginning.");
    }
    Begin();
  }

  void SetProfile(nvinfer1::IBuilder& builder, nvinfer1::IBuilderConfig& config,
                  const std::vector<Shape>& shapes) {
    if (std::none_of(inputs_.begin(), inputs_.end(), IsDynamic)) return;
    using nvinfer1::OptProfileSelector;
    // Owned by the builder.
    nvinfer1::IOptimizationProfile* profile = builder.createOptimizationProfile();
    bool set = profile != nullptr;
    for (size_t i = 0; set && i < inputs_.size(); ++i) {
      const nvinfer1::Dims dims = DimsOf(shapes[i]);
      for (const auto selector :
           {OptProfileSelector::kMIN, OptProfileSelector::kOPT, OptProfileSelector::kMAX}) {
        set = set && profile->setDimensions(inputs_[i].name.c_str(), selector, dims);
      }
    }
    if (!set || !config.setCalibrationProfile(profile)) {
      throw Error("CALIBRATION_FAILED", "TensorRT refused the shape of the batches as a profile");
    }
  }

  size_t IndexOf(const char* name) const {
    const auto found = std::find_if(inputs_.begin(), inputs_.end(),
                                    [&](const TensorInfo& input) { return input.name == name; });
    if (found == inputs_.end()) {
      throw Error("CALIBRATION_FAILED",
                  "TensorRT asks for data of \"" + std::string(name) + "\", which is no input");
    }
    return static_cast<size_t>(found - inputs_.begin());
  }

  const CalibratorOptions& options_;
  CallControl& control_;
  BatchFeed& feed_;
  std::vector<TensorInfo> inputs_;
  int32_t batch_size_ = 1;
  std::unique_ptr<CalibrationStaging> staging_;
  Clock::time_point start_ = Clock::now();
  CalibrationResult result_;
};

namespace {

template <typename Base>
class CalibratorOf final : public Calibration::State, private Base {
 public:
  using State::State;
  nvinfer1::IInt8Calibrator& calibrator() override { return *this; }

 private:
  int32_t getBatchSize() const noexcept override { return BatchSize(); }
  bool getBatch(void* bindings[], const char* names[], int32_t count) noexcept override {
    return GetBatch(bindings, names, count);
  }
  const void* readCalibrationCache(size_t& length) noexcept override { return ReadCache(length); }
  void writeCalibrationCache(const void* data, size_t length) noexcept override {
    WriteCache(data, length);
  }
};

}  // namespace

Calibration::Calibration(const CalibratorOptions& options, CallControl& control) {
  if (options.algorithm == CalibrationAlgorithm::kMinMax) {
    state_ = std::make_unique<CalibratorOf<nvinfer1::IInt8MinMaxCalibrator>>(options, control);
  } else {
    state_ = std::make_unique<CalibratorOf<nvinfer1::IInt8EntropyCalibrator2>>(options, control);
  }
}

void Calibration::Attach(nvinfer1::IBuilder& builder, const NetworkInfo& network,
                         nvinfer1::IBuilderConfig& config) {
  state_->Attach(builder, network, config);
}

CalibrationResult Calibration::Finish() { return state_->Finish(); }

#else

class Calibration::State {};

Calibration::Calibration(const CalibratorOptions& /*options*/, CallControl& /*control*/) {
  throw Error("TARGET_UNSUPPORTED", std::string(kFamily) + " has no INT8 calibrator");
}

void Calibration::Attach(nvinfer1::IBuilder& /*builder*/, const NetworkInfo& /*network*/,
                         nvinfer1::IBuilderConfig& /*config*/) {}

CalibrationResult Calibration::Finish() { return {}; }

#endif

Calibration::~Calibration() = default;

}  // namespace trtn
