#include "core/session/session.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/cuda/pause.h"

namespace trtn {
namespace {

using Clock = std::chrono::steady_clock;

Error Released() {
  return Error("SESSION_RELEASED", "The session was released",
               "Open a new session, or release this one after its last run.");
}

// Busy, as a worker is whose run is on the GPU.
void Hold(std::chrono::microseconds time) {
  const Clock::time_point until = Clock::now() + time;
  while (time.count() > 0 && Clock::now() < until) CpuPause();
}

}  // namespace

Session::Session(std::shared_ptr<Engine> engine, const SessionOptions& options,
                 std::function<void(Wake)> wake)
    : engine_(std::move(engine)),
      options_(options),
      wake_(std::move(wake)),
      early_{std::chrono::microseconds(options.ahead_us), [this] {
               // With more runs under way or waiting, something else wakes them anyway.
               if (running_.load() == 1 && queued_.load() == 0) wake_(Wake::kSoon);
             }} {
  try {
    Start();
  } catch (...) {
    Close(true);
    throw;
  }
}

void Session::Start() {
  const cuda::CurrentContext current(engine_->context());
  // What cannot run is found now and not in some later run: of an engine with dynamic shapes, the
  // shapes that its profile is optimised for stand for all.
  const auto profile = static_cast<size_t>(std::max(options_.profile, 0));
  std::vector<Shape> inputs;
  for (const Binding& input : engine_->inputs()) {
    inputs.push_back(input.profiles.empty() ? input.shape : input.profiles[profile].opt);
  }
  for (int i = 0; i < options_.contexts; ++i) {
    slots_.push_back(std::make_unique<Slot>(engine_, options_.slot));
    const auto shapes = Register(slots_.back()->Prepare(inputs, options_.profile));
    if (!engine_->dynamic()) static_shapes_ = shapes;
    if (options_.warm_up) slots_.back()->WarmUp(*shapes);
  }
  for (const std::unique_ptr<Slot>& slot : slots_) {
    workers_.emplace_back([this, &slot] { WorkLoop(*slot); });
  }
  // What was said while loading is no part of a later failure.
  engine_->TakeLog();
}

Session::~Session() { Close(true); }

std::shared_ptr<const ShapeSet> Session::Register(std::shared_ptr<ShapeSet> shapes) {
  const std::lock_guard<std::mutex> lock(shapes_mutex_);
  for (const auto& known : shapes_) {
    if (known->inputs == shapes->inputs) return known;
  }
  shapes->id = static_cast<int>(shapes_.size());
  shapes_.push_back(shapes);
  return shapes_.back();
}

std::shared_ptr<const ShapeSet> Session::ShapesOf(int id) const {
  const std::lock_guard<std::mutex> lock(shapes_mutex_);
  if (id < 0 || static_cast<size_t>(id) >= shapes_.size()) return nullptr;
  return shapes_[static_cast<size_t>(id)];
}

void Session::RefuseIfUnusable() const {
  if (closed_.load()) throw Released();
  if (const std::optional<std::string> why = engine_->poisoned()) {
    throw Error("INFERENCE_FAILED", "The GPU failed in an earlier run: " + *why,
                "The driver refuses all further work of this process: restart it, and check the GPU "
                "with nvidia-smi.");
  }
}

void Session::Submit(Work work) {
  RefuseIfUnusable();
  bool asleep = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closed_.load()) throw Released();
    if (queue_.size() >= options_.max_queued) {
      throw Error("QUEUE_FULL",
                  std::to_string(queue_.size()) + " runs wait already, the session's maxQueued",
                  "Await earlier runs before starting more, or raise maxQueued.");
    }
    if (work.kind == Work::Kind::kLoop) {
      work.loop.stop = std::make_shared<std::atomic<bool>>(false);
      loops_[work.id] = work.loop.stop;
    }
    queue_.push_back(std::move(work));
    queued_.fetch_add(1, std::memory_order_release);
    asleep = sleeping_ > 0;
  }
  if (asleep) changed_.notify_one();
}

bool Session::Cancel(uint64_t id) {
  // Dropped after the lock is gone: it may hold the last reference to memory of the driver's.
  std::optional<Work> dropped;
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = std::find_if(queue_.begin(), queue_.end(),
                                  [id](const Work& work) { return work.id == id; });
  const auto loop = loops_.find(id);
  if (loop != loops_.end()) {
    loop->second->store(true);
    if (found != queue_.end()) loops_.erase(loop);
  }
  if (found == queue_.end()) return false;
  dropped = std::move(*found);
  queue_.erase(found);
  queued_.fetch_sub(1, std::memory_order_release);
  return true;
}

std::vector<Completion> Session::TakeCompleted() {
  const std::lock_guard<std::mutex> lock(completed_mutex_);
  has_completed_.store(false);
  return std::exchange(completed_, {});
}

void Session::Finish(Completion completion) {
  bool first = false;
  {
    const std::lock_guard<std::mutex> lock(completed_mutex_);
    first = completed_.empty();
    completed_.push_back(std::move(completion));
    has_completed_.store(true);
  }
  // One wake-up settles all that finish before the JavaScript thread comes to it.
  if (first && !polling_.load()) wake_(Wake::kDone);
}

std::optional<Work> Session::PopLocked() {
  if (queue_.empty()) return std::nullopt;
  std::optional<Work> work(std::move(queue_.front()));
  queue_.pop_front();
  queued_.fetch_sub(1, std::memory_order_release);
  return work;
}

std::optional<Work> Session::Take() {
  const Clock::time_point until = Clock::now() + std::chrono::microseconds(options_.spin_us);
  while (options_.spin_always || Clock::now() < until) {
    if (queued_.load(std::memory_order_acquire) > 0) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (auto work = PopLocked()) return work;
    }
    if (closed_.load(std::memory_order_acquire)) break;
    CpuPause();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  ++sleeping_;
  changed_.wait(lock, [this] { return !queue_.empty() || closed_.load(); });
  --sleeping_;
  return PopLocked();
}

void Session::WorkLoop(Slot& slot) {
  try {
    engine_->context().MakeCurrent();
  } catch (const Error& error) {
    engine_->Poison(error.what());
  }
  while (std::optional<Work> work = Take()) {
    running_.fetch_add(1);
    Completion completion = [&] {
      const std::lock_guard<std::mutex> lock(slot.mutex());
      return Do(slot, *work);
    }();
    running_.fetch_sub(1);
    if (work->loop.stop != nullptr) {
      const std::lock_guard<std::mutex> lock(mutex_);
      loops_.erase(work->id);
    }
    // What the work kept alive goes before anyone hears that it is done.
    work.reset();
    Finish(std::move(completion));
  }
}

Failure Session::FailureOf(const Error& error) {
  const auto* cuda_error = dynamic_cast<const cuda::CudaError*>(&error);
  if (cuda_error != nullptr && cuda_error->sticky()) engine_->Poison(error.what());
  return {error, engine_->TakeLog()};
}

Completion Session::Do(Slot& slot, Work& work) {
  Completion completion;
  completion.taken = Clock::now();
  completion.id = work.id;
  try {
    if (work.kind != Work::Kind::kPing) {
      if (const std::optional<std::string> why = engine_->poisoned()) {
        throw Error("INFERENCE_FAILED", "The GPU failed in an earlier run: " + *why,
                    "Restart the process, and check the GPU with nvidia-smi.");
      }
    }
    switch (work.kind) {
      case Work::Kind::kPing:
        Hold(work.hold);
        break;
      case Work::Kind::kRun:
        slot.Run(work.job, early_);
        break;
      case Work::Kind::kPrepare:
        completion.shapes = Register(slot.Prepare(work.shapes, options_.profile));
        break;
      case Work::Kind::kLoop:
        completion.loop =
            std::make_shared<const LoopResult>(RunLoop(slot, work.job, work.loop, dropping_));
        break;
      case Work::Kind::kProfile:
        completion.layers = std::make_shared<const std::vector<LayerTimes>>(
            slot.Profile(work.job, work.loop.iterations));
        break;
    }
  } catch (const Error& error) {
    completion.failure = FailureOf(error);
  } catch (const std::exception& error) {
    completion.failure = FailureOf(Error("INFERENCE_FAILED", error.what()));
  }
  completion.done = Clock::now();
  return completion;
}

template <typename F>
auto Session::WithSlot(F use) {
  RefuseIfUnusable();
  const cuda::CurrentContext current(engine_->context());
  std::unique_lock<std::mutex> lock;
  for (const std::unique_ptr<Slot>& slot : slots_) {
    lock = std::unique_lock<std::mutex>(slot->mutex(), std::try_to_lock);
    if (lock.owns_lock()) return use(*slot);
  }
  lock = std::unique_lock<std::mutex>(slots_.front()->mutex());
  return use(*slots_.front());
}

void Session::RunHere(const Job& job) {
  try {
    WithSlot([&job](Slot& slot) { slot.Run(job); });
  } catch (const cuda::CudaError& error) {
    if (error.sticky()) engine_->Poison(error.what());
    throw;
  }
}

std::shared_ptr<const ShapeSet> Session::PrepareHere(const std::vector<Shape>& inputs) {
  return WithSlot(
      [&](Slot& slot) { return Register(slot.Prepare(inputs, options_.profile)); });
}

void Session::Close(bool drop) {
  const std::lock_guard<std::mutex> closing(close_mutex_);
  std::deque<Work> dropped;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_.store(true);
    if (drop) {
      dropping_.store(true);
      dropped.swap(queue_);
      queued_.store(0);
    }
  }
  changed_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
  try {
    const cuda::CurrentContext current(engine_->context());
    dropped.clear();
    slots_.clear();
  } catch (const Error&) {
    // After a sticky error the driver refuses everything; the slots go without it.
  }
  slots_.clear();
  engine_->Unload();
}

}  // namespace trtn
