#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/session/loop.h"
#include "core/session/slot.h"

namespace trtn {

struct SessionOptions {
  int contexts = 1;
  SlotOptions slot;
  bool spin_always = false;  // idle workers poll for work instead of sleeping
  int spin_us = 50;          // how long an idle worker polls before it sleeps
  int ahead_us = 0;          // EarlyWake::ahead
  size_t max_queued = 1024;
  int profile = -1;  // -1: the first that fits each run
  bool warm_up = true;  // of the shapes that the profile is optimised for
};

// What a worker is asked to do. `id` is the caller's.
struct Work {
  enum class Kind { kRun, kPing, kPrepare, kLoop, kProfile };
  uint64_t id = 0;
  Kind kind = Kind::kPing;
  std::chrono::microseconds hold{0};  // of a ping: how long the worker keeps it
  Job job;
  std::vector<Shape> shapes;
  LoopOptions loop;  // of a profile: the iterations
};

struct Failure {
  Error error;
  std::vector<LogLine> log;
};

struct Completion {
  uint64_t id = 0;
  std::optional<Failure> failure;
  std::shared_ptr<const ShapeSet> shapes;
  std::shared_ptr<const LoopResult> loop;
  std::shared_ptr<const std::vector<LayerTimes>> layers;
  // When the worker took the work and when it was done with it, on the steady clock.
  std::chrono::steady_clock::time_point taken;
  std::chrono::steady_clock::time_point done;
};

enum class Wake {
  kSoon,  // a run is about to be done
  kDone,  // something can be taken
};

// A session of one engine: a bounded first-in-first-out queue, and a worker thread for each slot that
// takes the next piece of work. What is done is collected until TakeCompleted; `wake` is called on a
// worker's thread when the collection stops being empty, and shortly before when a run is alone.
class Session {
 public:
  // Allocates, warms up and starts on the calling thread. Throws Error.
  Session(std::shared_ptr<Engine> engine, const SessionOptions& options,
          std::function<void(Wake)> wake);
  // Close().
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Engine& engine() const { return *engine_; }
  const std::vector<std::unique_ptr<Slot>>& slots() const { return slots_; }
  // The shapes of the engine that takes only one kind; null when it is dynamic.
  std::shared_ptr<const ShapeSet> static_shapes() const { return static_shapes_; }
  // Null for a number that Prepare did not give.
  std::shared_ptr<const ShapeSet> ShapesOf(int id) const;

  // Throws Error SESSION_RELEASED, QUEUE_FULL, INFERENCE_FAILED (after a sticky error).
  void Submit(Work work);
  // True when the work was still queued; it is then dropped and never completes. A loop under way ends
  // early.
  bool Cancel(uint64_t id);
  // Done since the last call, in the order in which they finished.
  std::vector<Completion> TakeCompleted();
  // Whether TakeCompleted has something; for polling.
  bool HasCompleted() const { return has_completed_.load(); }
  // While whoever takes results polls for them, nobody is woken: that takes the worker longer than the
  // one who polls needs to bring the next run. Look once more after the end of polling.
  void SetPolling(bool polling) { polling_.store(polling); }

  // On the calling thread, with a slot of its own for as long as it takes. Throws Error.
  void RunHere(const Job& job);
  std::shared_ptr<const ShapeSet> PrepareHere(const std::vector<Shape>& inputs);

  // Refuses new work, drops what is queued when `drop`, waits for what runs, frees everything.
  void Close(bool drop);

  std::string LayerInformation() { return engine_->LayerInformation(); }

  // The library's words of the last failure.
  std::vector<LogLine> TakeLog() { return engine_->TakeLog(); }

 private:
  void Start();
  void WorkLoop(Slot& slot);
  std::optional<Work> Take();
  std::optional<Work> PopLocked();
  Completion Do(Slot& slot, Work& work);
  void Finish(Completion completion);
  std::shared_ptr<const ShapeSet> Register(std::shared_ptr<ShapeSet> shapes);
  void RefuseIfUnusable() const;
  Failure FailureOf(const Error& error);
  template <typename F>
  auto WithSlot(F use);

  std::shared_ptr<Engine> engine_;
  const SessionOptions options_;
  const std::function<void(Wake)> wake_;
  const EarlyWake early_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<std::thread> workers_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> queue_;
  std::map<uint64_t, std::shared_ptr<std::atomic<bool>>> loops_;  // those not done, to end them
  int sleeping_ = 0;
  std::atomic<size_t> queued_{0};
  std::atomic<int> running_{0};
  std::atomic<bool> closed_{false};
  std::atomic<bool> dropping_{false};
  std::mutex close_mutex_;

  mutable std::mutex shapes_mutex_;
  std::vector<std::shared_ptr<const ShapeSet>> shapes_;
  std::shared_ptr<const ShapeSet> static_shapes_;

  std::mutex completed_mutex_;
  std::vector<Completion> completed_;
  // Both in sequential order: a worker that sees polling has its result seen by the last look.
  std::atomic<bool> has_completed_{false};
  std::atomic<bool> polling_{false};
};

}  // namespace trtn
