#include "core/session/loop.h"

#include <chrono>

namespace trtn {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

double Since(Clock::time_point start) { return Milliseconds(Clock::now() - start).count(); }
double Now() { return Milliseconds(Clock::now().time_since_epoch()).count(); }

class Loop {
 public:
  Loop(Slot& slot, const Job& job, const LoopOptions& options, const std::atomic<bool>& stop)
      : slot_(slot), job_(job), options_(options), stop_(stop) {
    if (options.events) events_.resize(4);
  }

  LoopResult Run() {
    slot_.Begin(job_);
    // Fills staging, runs the shapes once and captures, whatever the mode.
    for (int i = 0; i < 3; ++i) {
      slot_.Upload(job_, false);
      slot_.Compute(options_.graph);
      slot_.Download(job_);
      slot_.Wait(options_.spin);
    }
    const Clock::time_point warm = Clock::now();
    while (!Stopped() && Since(warm) < options_.warm_up_seconds * 1000) Iterate();
    result_ = {};
    counts_ = true;
    result_.graph = options_.graph;
    result_.begin_ms = Now();
    start_ = Clock::now();
    if (!events_.empty()) origin_.Record(slot_.stream());
    const auto more = [&](int64_t done) {
      return done < options_.iterations || Since(start_) < options_.seconds * 1000;
    };
    for (int64_t done = 0; !Stopped() && more(done); ++done) Iterate();
    result_.end_ms = Now();
    slot_.Deliver(job_);
    return std::move(result_);
  }

 private:
  bool Stopped() const { return stop_ || (options_.stop != nullptr && *options_.stop); }

  void Mark(size_t index) {
    if (!events_.empty()) events_[index].Record(slot_.stream());
  }

  void Iterate() {
    const bool moves = options_.transfers != LoopOptions::Transfers::kNone;
    const bool memory = options_.transfers == LoopOptions::Transfers::kMemory;
    const Clock::time_point start = Clock::now();
    Mark(0);
    if (moves) slot_.Upload(job_, !memory);
    Mark(1);
    const Clock::time_point launch = Clock::now();
    const bool graph = slot_.Compute(options_.graph);
    result_.enqueue.push_back(Since(launch));
    result_.enqueue_start.push_back(Milliseconds(launch - start_).count());
    Mark(2);
    if (moves) slot_.Download(job_);
    Mark(3);
    slot_.Wait(options_.spin);
    if (memory) slot_.Deliver(job_);
    result_.host.push_back(Since(start));
    result_.graph = result_.graph && graph;
    if (events_.empty() || !counts_) return;
    result_.upload_start.push_back(cuda::Event::MillisecondsBetween(origin_, events_[0]));
    result_.upload.push_back(cuda::Event::MillisecondsBetween(events_[0], events_[1]));
    result_.compute.push_back(cuda::Event::MillisecondsBetween(events_[1], events_[2]));
    result_.download.push_back(cuda::Event::MillisecondsBetween(events_[2], events_[3]));
  }

  Slot& slot_;
  const Job& job_;
  const LoopOptions& options_;
  const std::atomic<bool>& stop_;
  std::vector<cuda::Event> events_;
  cuda::Event origin_;
  Clock::time_point start_ = Clock::now();
  bool counts_ = false;
  LoopResult result_;
};

}  // namespace

LoopResult RunLoop(Slot& slot, const Job& job, const LoopOptions& options,
                   const std::atomic<bool>& stop) {
  try {
    return Loop(slot, job, options, stop).Run();
  } catch (...) {
    // The GPU may still read the caller's memory.
    slot.stream().Drain();
    throw;
  }
}

}  // namespace trtn
