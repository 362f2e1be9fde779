#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/calibration/finite.h"
#include "core/error.h"

namespace trtn {

// An input as batches bring it.
struct FeedInput {
  std::string name;
  ValueKind kind = ValueKind::kOther;
  size_t bytes = 0;  // of one batch
};

// A batch in the source's memory, one entry an input. It stays where it is until it has been copied.
struct OfferedBatch {
  std::vector<const unsigned char*> data;
  std::vector<size_t> bytes;
  std::vector<std::vector<int64_t>> shapes;
};

// What the source is told; called on any thread but the source's own.
struct FeedListener {
  // The batch that was offered is copied: its memory is free, and the next one is wanted.
  std::function<void()> on_copied;
  // Batches are of no use any more.
  std::function<void(const Error&)> on_failure;
};

// Where batches pass from their source (JavaScript's thread) to TensorRT's thread. A thread of its own
// copies each into one of several blocks of staging memory, so that neither side waits for the other
// while there is room; the source is asked for the next batch only when the last one is copied.
class BatchFeed {
 public:
  // One block of memory for each input of a batch.
  using Slot = std::vector<unsigned char*>;

  explicit BatchFeed(FeedListener listener);
  ~BatchFeed();
  BatchFeed(const BatchFeed&) = delete;
  BatchFeed& operator=(const BatchFeed&) = delete;

  // The source's side; at most one batch is on offer. All have the sizes of the first.
  void Offer(OfferedBatch batch);
  void End();
  // Nothing is read from the source's memory once this returns. Whoever waits here is woken and gets
  // nothing. May be called from any thread, and again.
  void Cancel();

  // TensorRT's side. The first batch, once it is on offer; none when there will be none.
  std::optional<OfferedBatch> AwaitFirst();
  // Begins to copy. The memory must stay until Stop has returned.
  void Start(std::vector<FeedInput> inputs, std::vector<Slot> slots);
  // The next filled slot, in the order of the offers; none when there are no more.
  std::optional<size_t> Take();
  void GiveBack(size_t slot);
  // The first failure counts.
  void Fail(const Error& error);
  // Ends the thread; batches that come later are of no use.
  void Stop();

  std::optional<Error> failure() const;
  // Whether the source said that there are no more, and all were taken.
  bool exhausted() const;

 private:
  void CopyLoop();
  // The input whose values are not numbers, if any. Without the lock.
  const FeedInput* CopyBatch(const OfferedBatch& batch, const Slot& slot) const;
  bool Closed() const { return cancelled_ || stopped_ || failure_.has_value(); }

  const FeedListener listener_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<OfferedBatch> offer_;
  std::vector<FeedInput> inputs_;
  std::vector<Slot> slots_;
  // Batches copied, taken and given back so far; batch n is in slot n modulo their number.
  size_t copied_ = 0;
  size_t taken_ = 0;
  size_t returned_ = 0;
  bool copying_ = false;
  bool ended_ = false;
  bool cancelled_ = false;
  bool stopped_ = false;
  std::optional<Error> failure_;
  std::thread thread_;
};

}  // namespace trtn
