// Drives calibrated builds of native/core from many threads, without Node, under a sanitizer:
//   stress FAKES_INFER_LIBRARY FAKES_PARSER_LIBRARY MODEL
// Prints "ok", or what is wrong. The model takes float32 image [2, 3, 4, 4].
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <thread>

#include "core/builder.h"

namespace {

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "wrong: %s\n", what.c_str());
  std::exit(1);
}

enum class Ending {
  kEnd,
  kCancel,
  kCancelWhileOffered,
  kNotANumber,
  kEmpty,
  kNoTensors,
  kManyDimensions,
};

// What JavaScript is to the real thing: a thread that is asked for batches, and offers them.
class Source {
 public:
  explicit Source(Ending ending) : ending_(ending) {
    trtn::FeedListener listener;
    listener.on_copied = [this] { Post([this] { Next(); }); };
    listener.on_failure = [this](const trtn::Error&) { Post([this] { control->Cancel(); }); };
    feed = std::make_shared<trtn::BatchFeed>(std::move(listener));
    control->on_cancel = [feed = feed] { feed->Cancel(); };
    thread_ = std::thread([this] { Loop(); });
  }
  ~Source() {
    Post([this] { done_ = true; });
    thread_.join();
  }

  void Post(std::function<void()> task) {
    const std::lock_guard<std::mutex> lock(mutex_);
    tasks_.push_back(std::move(task));
    changed_.notify_all();
  }

  // Fresh memory for each batch, and none of the last: whoever reads too long reads freed memory.
  void Next() {
    if (control->cancelled.load()) return memory_.reset();
    memory_.reset();
    if (count_ == 6 || ending_ == Ending::kEmpty) {
      if (ending_ == Ending::kCancel) return control->Cancel();
      return feed->End();
    }
    memory_ = std::make_unique<std::vector<float>>(96, static_cast<float>(++count_));
    if (ending_ == Ending::kNotANumber && count_ == 3) {
      memory_->back() = std::numeric_limits<float>::quiet_NaN();
    }
    trtn::OfferedBatch batch;
    batch.data = {reinterpret_cast<const unsigned char*>(memory_->data())};
    batch.bytes = {memory_->size() * sizeof(float)};
    batch.shapes = {{2, 3, 4, 4}};
    if (ending_ == Ending::kNoTensors) batch = {};
    if (ending_ == Ending::kManyDimensions) batch.shapes[0].resize(100, 1);
    feed->Offer(std::move(batch));
    if (ending_ == Ending::kCancelWhileOffered && count_ == 3) {
      control->Cancel();
      memory_.reset();
    }
  }

  std::shared_ptr<trtn::CallControl> control = std::make_shared<trtn::CallControl>();
  std::shared_ptr<trtn::BatchFeed> feed;

 private:
  void Loop() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!done_) {
      changed_.wait(lock, [this] { return !tasks_.empty(); });
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  const Ending ending_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  std::unique_ptr<std::vector<float>> memory_;
  int count_ = 0;
  bool done_ = false;
  std::thread thread_;
};

void RunBuild(char** argv, Ending ending, trtn::CalibrationAlgorithm algorithm) {
  trtn::BuildOptions options;
  options.library = {argv[1], argv[2]};
  options.model.path = argv[3];
  Source source(ending);
  trtn::CalibratorOptions calibrator;
  calibrator.algorithm = algorithm;
  calibrator.feed = source.feed;
  calibrator.on_inputs = [&](const std::vector<trtn::TensorInfo>& inputs) {
    if (inputs.size() != 1 || inputs[0].name != "image") Fail("the inputs");
    source.Post([&source] { source.Next(); });
  };
  calibrator.on_calibrated = [] {};
  options.calibrator = std::move(calibrator);
  const trtn::BuildResult result = trtn::Build(options, *source.control);
  if (ending == Ending::kEnd) {
    if (result.failure) Fail(result.failure->what());
    if (result.calibration->batches != 6 || result.calibration->cache.empty()) Fail("the batches");
    return;
  }
  if (!result.failure || result.plan != nullptr) Fail("a plan in place of a failure");
  const std::string& code = result.failure->code();
  const bool refused = ending != Ending::kCancel && ending != Ending::kCancelWhileOffered;
  if (code != "CANCELLED" && !(refused && code == "CALIBRATION_FAILED")) Fail(code);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) Fail("arguments");
  for (int round = 0; round < 8; ++round) {
    std::vector<std::thread> builds;
    for (const Ending ending : {Ending::kEnd, Ending::kCancel, Ending::kCancelWhileOffered,
                                Ending::kNotANumber, Ending::kEmpty, Ending::kNoTensors,
                                Ending::kManyDimensions, Ending::kEnd}) {
      const auto algorithm = round % 2 == 0 ? trtn::CalibrationAlgorithm::kMinMax
                                            : trtn::CalibrationAlgorithm::kEntropy2;
      builds.emplace_back([=] { RunBuild(argv, ending, algorithm); });
    }
    for (std::thread& build : builds) build.join();
  }
  std::puts("ok");
  return 0;
}
