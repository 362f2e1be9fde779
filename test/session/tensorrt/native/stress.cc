// Drives native/core's sessions from many threads, without Node, under a sanitizer:
//   stress FAKES_INFER_LIBRARY PLAN [dynamic]
// Prints "ok", or what is wrong. The plan takes float32 image [n, 3, 4, 4] and extra [n, 2].
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>

#include "core/session/session.h"
#include "core/session/shared_memory.h"

namespace {

using trtn::Job;
using trtn::Shape;
using trtn::TensorPlace;
using trtn::Work;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "wrong: %s\n", what.c_str());
  std::exit(1);
}

// What a caller owns of one run.
struct Tensors {
  std::vector<std::vector<float>> inputs;
  std::vector<std::vector<float>> outputs;
};

Job JobOf(const std::shared_ptr<const trtn::ShapeSet>& shapes, Tensors& tensors, float seed) {
  Job job;
  job.shapes = shapes;
  const auto place = [](std::vector<float>& data) {
    TensorPlace entry;
    entry.kind = TensorPlace::Kind::kHost;
    entry.host = reinterpret_cast<unsigned char*>(data.data());
    return entry;
  };
  for (const size_t bytes : shapes->input_bytes) {
    tensors.inputs.emplace_back(bytes / sizeof(float), seed);
  }
  for (const size_t bytes : shapes->output_bytes) {
    tensors.outputs.emplace_back(bytes / sizeof(float), -1.0F);
  }
  for (auto& data : tensors.inputs) job.inputs.push_back(place(data));
  for (auto& data : tensors.outputs) job.outputs.push_back(place(data));
  return job;
}

// Every input is `seed`: lowest + highest + two first elements = 4 · seed, scaled by (k + 1) / n.
void CheckOutputs(const Tensors& tensors, float seed) {
  const float last = tensors.outputs[0].back();
  if (last != 4 * seed && last != 4 * seed + 4) Fail("outputs of seed " + std::to_string(seed));
}

struct Collector {
  std::mutex mutex;
  std::condition_variable changed;
  trtn::Session* session = nullptr;
  std::map<uint64_t, bool> done;  // whether it failed

  void Wake() {
    const std::lock_guard<std::mutex> lock(mutex);
    // Before the constructor has returned nothing is submitted.
    for (const auto& completion : session->TakeCompleted()) {
      done[completion.id] = completion.failure.has_value();
    }
    changed.notify_all();
  }
  bool Await(uint64_t id) {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return done.count(id) != 0; });
    return !done[id];
  }
};

void Caller(trtn::Session& session, Collector& collector, int number, bool dynamic) {
  for (int i = 0; i < 40; ++i) {
    const int rows = dynamic ? 1 + (number + i) % 8 : 2;
    const auto shapes = dynamic ? session.PrepareHere({Shape{rows, 3, 4, 4}, Shape{rows, 2}})
                                : session.static_shapes();
    const float seed = static_cast<float>(number * 64 + i);
    Tensors tensors;
    if (i % 4 == 3) {
      session.RunHere(JobOf(shapes, tensors, seed));
      CheckOutputs(tensors, seed);
      continue;
    }
    Work work;
    work.id = static_cast<uint64_t>(number) * 1000 + static_cast<uint64_t>(i);
    work.kind = Work::Kind::kRun;
    work.job = JobOf(shapes, tensors, seed);
    const uint64_t id = work.id;
    session.Submit(std::move(work));
    if (i % 8 == 6 && session.Cancel(id)) continue;
    if (!collector.Await(id)) Fail("a run failed");
    CheckOutputs(tensors, seed);
  }
}

// Loops and profiles beside the callers: one loop ends by itself, one because it is cancelled.
void Measure(trtn::Session& session, Collector& collector, bool dynamic) {
  const auto shapes = dynamic ? session.PrepareHere({Shape{2, 3, 4, 4}, Shape{2, 2}})
                              : session.static_shapes();
  Tensors tensors[4];
  uint64_t id = 500000;
  const auto submit = [&](Work::Kind kind, int64_t iterations, double seconds) {
    Work work;
    work.id = ++id;
    work.kind = kind;
    work.hold = std::chrono::microseconds(200);
    work.loop.iterations = iterations;
    work.loop.seconds = seconds;
    work.loop.events = true;
    work.job = JobOf(shapes, tensors[id % 4], 3.0F);
    session.Submit(std::move(work));
    return id;
  };
  if (!collector.Await(submit(Work::Kind::kLoop, 5, 0))) Fail("a loop failed");
  CheckOutputs(tensors[id % 4], 3.0F);
  if (!collector.Await(submit(Work::Kind::kProfile, 3, 0))) Fail("a profile failed");
  CheckOutputs(tensors[id % 4], 3.0F);
  if (!collector.Await(submit(Work::Kind::kPing, 1, 0))) Fail("a ping failed");
  const uint64_t endless = submit(Work::Kind::kLoop, 1, 3600);
  if (!session.Cancel(endless) && !collector.Await(endless)) Fail("a cancelled loop failed");
  if (session.LayerInformation().empty()) Fail("layer information");
}

// Polls by turns, as the event loop does: results may be lost neither while it polls nor after.
void Poll(trtn::Session& session, Collector& collector, const std::atomic<bool>& stop) {
  const auto look = [&](bool more) {
    session.SetPolling(more);
    if (session.HasCompleted()) collector.Wake();
  };
  while (!stop) {
    for (int turn = 0; turn < 50 && !stop; ++turn) look(true);
    look(false);
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

void Stress(const std::string& library, const std::string& plan, bool dynamic, bool spin) {
  trtn::CallLog log;
  trtn::EngineSource source;
  source.library.infer = library;
  source.path = plan;
  auto engine = trtn::Engine::Load(std::move(source), log);
  trtn::SessionOptions options;
  options.contexts = 3;
  options.spin_always = spin;
  options.slot.spin = spin;
  options.spin_us = 0;
  // With and without waking early.
  options.ahead_us = dynamic ? 50 : 0;
  Collector collector;
  trtn::Session session(std::move(engine), options, [&collector](trtn::Wake wake) {
    if (wake == trtn::Wake::kDone) collector.Wake();
  });
  collector.session = &session;
  std::vector<std::thread> callers;
  for (int number = 0; number < 4; ++number) {
    callers.emplace_back([&, number] { Caller(session, collector, number, dynamic); });
  }
  std::atomic<bool> stop{false};
  std::thread poller([&] { Poll(session, collector, stop); });
  Measure(session, collector, dynamic);
  for (std::thread& caller : callers) caller.join();
  stop = true;
  poller.join();
  // Closed with work in the queue, which is dropped.
  std::vector<Tensors> left(20);
  const auto shapes = dynamic ? session.PrepareHere({Shape{2, 3, 4, 4}, Shape{2, 2}})
                              : session.static_shapes();
  for (size_t i = 0; i < left.size(); ++i) {
    Work work;
    work.id = 100000 + i;
    work.kind = Work::Kind::kRun;
    work.job = JobOf(shapes, left[i], 1.0F);
    session.Submit(std::move(work));
  }
  session.Close(true);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) Fail("usage");
  const bool dynamic = count > 3;
  try {
    for (const bool spin : {false, true}) Stress(arguments[1], arguments[2], dynamic, spin);
    const trtn::DeviceBlock block(0, 64);
    float data[16] = {1, 2, 3};
    float back[16] = {};
    block.Upload(data, sizeof data);
    block.Download(back, sizeof back);
    if (back[2] != 3) Fail("device memory");
  } catch (const trtn::Error& error) {
    Fail(error.code() + ": " + error.what());
  }
  std::puts("ok");
  return 0;
}
