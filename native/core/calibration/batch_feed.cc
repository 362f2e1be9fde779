#include "core/calibration/batch_feed.h"

#include <utility>

namespace trtn {

BatchFeed::BatchFeed(FeedListener listener) : listener_(std::move(listener)) {}

BatchFeed::~BatchFeed() { Stop(); }

void BatchFeed::Offer(OfferedBatch batch) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (Closed()) return;
  offer_ = std::move(batch);
  changed_.notify_all();
}

void BatchFeed::End() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void BatchFeed::Cancel() {
  std::unique_lock<std::mutex> lock(mutex_);
  cancelled_ = true;
  offer_.reset();
  changed_.notify_all();
  // One batch at most, a matter of milliseconds.
  changed_.wait(lock, [this] { return !copying_; });
}

std::optional<OfferedBatch> BatchFeed::AwaitFirst() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return offer_.has_value() || ended_ || Closed(); });
  if (!offer_.has_value() || Closed()) return std::nullopt;
  return offer_;
}

void BatchFeed::Start(std::vector<FeedInput> inputs, std::vector<Slot> slots) {
  inputs_ = std::move(inputs);
  slots_ = std::move(slots);
  thread_ = std::thread([this] { CopyLoop(); });
}

const FeedInput* BatchFeed::CopyBatch(const OfferedBatch& batch, const Slot& slot) const {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const FeedInput& input = inputs_[i];
    if (!CopyFinite(slot[i], batch.data[i], input.bytes, input.kind)) return &input;
  }
  return nullptr;
}

void BatchFeed::CopyLoop() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] {
      return Closed() || (offer_.has_value() && copied_ - returned_ < slots_.size());
    });
    if (Closed()) return;
    const OfferedBatch batch = std::move(*offer_);
    offer_.reset();
    const Slot& slot = slots_[copied_ % slots_.size()];
    copying_ = true;
    lock.unlock();
    const FeedInput* refused = CopyBatch(batch, slot);
    lock.lock();
    copying_ = false;
    if (refused == nullptr) ++copied_;
    changed_.notify_all();
    if (Closed()) return;
    lock.unlock();
    if (refused == nullptr) {
      listener_.on_copied();
    } else {
      Fail(Error("CALIBRATION_FAILED",
                 "Batch " + std::to_string(copied_ + 1) + " has values in input \"" +
                     refused->name + "\" that are NaN or infinite",
                 "Find out which data makes them: a range that holds them is of no use."));
    }
    lock.lock();
  }
}

std::optional<size_t> BatchFeed::Take() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] {
    return Closed() || copied_ > taken_ || (ended_ && !copying_ && !offer_.has_value());
  });
  if (Closed() || copied_ == taken_) return std::nullopt;
  return taken_++ % slots_.size();
}

void BatchFeed::GiveBack(size_t /*slot*/) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++returned_;
  changed_.notify_all();
}

void BatchFeed::Fail(const Error& error) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (Closed()) return;
    failure_ = error;
    changed_.notify_all();
  }
  listener_.on_failure(error);
}

void BatchFeed::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

std::optional<Error> BatchFeed::failure() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return failure_;
}

bool BatchFeed::exhausted() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return ended_ && copied_ == taken_ && !Closed();
}

}  // namespace trtn
