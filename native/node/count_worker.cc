#include "node/count_worker.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/histogram.h"
#include "node/typed_array.h"

namespace trtn {
namespace {

struct Job {
  std::vector<FloatSpan> values;
  const float* edges;
  int32_t bins;
  double* counts;
  HistogramOptions options;

  void Run() const { CountBins(values, edges, bins, counts, options); }
};

[[noreturn]] void WrongArrays(Napi::Env env) {
  throw Napi::TypeError::New(env, "Expected values and edges of float32 and counts of float64");
}

FloatSpan SpanOf(Napi::Value values) {
  FloatSpan span{nullptr, 0};
  if (!TypedArrayOf(values, napi_float32_array, span.data, span.size)) WrongArrays(values.Env());
  return span;
}

// Sizes are checked here, because a wrong one would write outside of the array.
Job JobOf(Napi::Env env, std::vector<FloatSpan> values, Napi::Value edges, Napi::Value counts,
          const HistogramOptions& options) {
  const FloatSpan borders = SpanOf(edges);
  double* to = nullptr;
  size_t bins = 0;
  if (!TypedArrayOf(counts, napi_float64_array, to, bins)) WrongArrays(env);
  if (bins == 0 || bins > (size_t{1} << 24) || borders.size != bins + 1) {
    throw Napi::RangeError::New(env, "Expected one more edge than counts, at most 2^24");
  }
  const float first = borders.data[0];
  const float last = borders.data[bins];
  if (!(first < last) || !std::isfinite(first) || !std::isfinite(last)) {
    throw Napi::RangeError::New(env, "Expected finite edges that ascend");
  }
  return {std::move(values), borders.data, static_cast<int32_t>(bins), to, options};
}

HistogramOptions OptionsOf(Napi::Value absolute, Napi::Value lower, Napi::Value upper) {
  HistogramOptions options;
  options.absolute = absolute.ToBoolean();
  options.lower = lower.ToNumber().FloatValue();
  options.upper = upper.ToNumber().FloatValue();
  return options;
}

// What a job is made of, besides its arrays.
struct Source {
  HistogramOptions options;
  uint32_t arrays = 0;
};

// Owner of the jobs of one call. Holds the list that holds their arrays; Node deletes it on the
// JavaScript thread once the promise is settled.
class CountWorker final : public Napi::AsyncWorker {
 public:
  CountWorker(Napi::Array list, std::vector<Job> jobs)
      : Napi::AsyncWorker(list.Env(), "tensorrt-node.count"),
        jobs_(std::move(jobs)),
        list_(Napi::Persistent(list.As<Napi::Object>())),
        deferred_(Napi::Promise::Deferred::New(list.Env())) {}

  Napi::Promise promise() const { return deferred_.Promise(); }
  void Execute() override {
    for (const Job& job : jobs_) job.Run();
  }
  void OnOK() override { deferred_.Resolve(Env().Undefined()); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  const std::vector<Job> jobs_;
  Napi::ObjectReference list_;
  Napi::Promise::Deferred deferred_;
};

}  // namespace

void Count(const Napi::CallbackInfo& info) {
  const HistogramOptions options = OptionsOf(info[3], info[4], info[5]);
  JobOf(info.Env(), {SpanOf(info[0])}, info[1], info[2], options).Run();
}

Napi::Value StartCount(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsArray()) throw Napi::TypeError::New(env, "Expected a list of jobs for countLater");
  // A list of our own: the caller may change the one given, and the arrays must live. Addresses are taken
  // last, because what is asked of an object may run code that moves an array.
  const auto given = info[0].As<Napi::Array>();
  Napi::Array list = Napi::Array::New(env);
  uint32_t kept = 0;
  std::vector<Source> sources;
  for (uint32_t i = 0; i < given.Length(); ++i) {
    const Napi::Value one = given.Get(i);
    if (!one.IsObject()) throw Napi::TypeError::New(env, "Expected objects as jobs for countLater");
    const auto job = one.As<Napi::Object>();
    const Napi::Value values = job.Get("values");
    if (!values.IsArray()) throw Napi::TypeError::New(env, "Expected a list of values to count");
    const auto arrays = values.As<Napi::Array>();
    Source source;
    source.options = OptionsOf(job.Get("absolute"), job.Get("lower"), job.Get("upper"));
    list.Set(kept++, job.Get("edges"));
    list.Set(kept++, job.Get("counts"));
    source.arrays = arrays.Length();
    for (uint32_t k = 0; k < source.arrays; ++k) {
      const Napi::HandleScope scope(env);
      list.Set(kept++, arrays.Get(k));
    }
    sources.push_back(source);
  }
  std::vector<Job> jobs;
  uint32_t next = 0;
  for (const Source& source : sources) {
    const Napi::HandleScope scope(env);
    const Napi::Value edges = list.Get(next++);
    const Napi::Value counts = list.Get(next++);
    std::vector<FloatSpan> values;
    values.reserve(source.arrays);
    for (uint32_t k = 0; k < source.arrays; ++k) {
      const Napi::HandleScope inner(env);
      values.push_back(SpanOf(list.Get(next++)));
    }
    jobs.push_back(JobOf(env, std::move(values), edges, counts, source.options));
  }
  auto* worker = new CountWorker(list, std::move(jobs));
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace trtn
