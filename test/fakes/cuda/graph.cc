// Stream capture and graphs: a graph is the list of operations in the order they were recorded,
// which is one valid order of the real one's dependencies.
#include "../include/fake_cuda_hooks.h"
#include "fake_cuda.h"

namespace fake {
namespace {

struct Graphs {
  std::mutex mutex;
  std::set<CUgraph> graphs;
  std::set<CUgraphExec> execs;
};

Graphs& graphs() {
  static Graphs* instance = new Graphs;
  return *instance;
}

bool LiveGraph(CUgraph graph) {
  Graphs& g = graphs();
  std::lock_guard<std::mutex> lock(g.mutex);
  return g.graphs.count(graph) != 0;
}

bool LiveExec(CUgraphExec exec) {
  Graphs& g = graphs();
  std::lock_guard<std::mutex> lock(g.mutex);
  return g.execs.count(exec) != 0;
}

CUresult Instantiate(CUgraphExec* exec, CUgraph graph) {
  if (!LiveGraph(graph)) return CUDA_ERROR_INVALID_VALUE;
  *exec = new CUgraphExec_st{graph->operations};
  Graphs& g = graphs();
  std::lock_guard<std::mutex> lock(g.mutex);
  g.execs.insert(*exec);
  return CUDA_SUCCESS;
}

}  // namespace

void CountGraphs(size_t* graphCount, size_t* execCount) {
  Graphs& g = graphs();
  std::lock_guard<std::mutex> lock(g.mutex);
  *graphCount = g.graphs.size();
  *execCount = g.execs.size();
}

}  // namespace fake

FAKE_API CUresult cuStreamBeginCapture_v2(CUstream handle, int mode) {
  FAKE_ENTER("cuStreamBeginCapture_v2");
  if (reinterpret_cast<uintptr_t>(handle) <= 2) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  CUresult error = CUDA_SUCCESS;
  const CUstream stream = fake::Resolve(handle, &error);
  if (stream == nullptr) return error;
  if (mode < 0 || mode > 2 || stream->capture != nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (fake::settings().noCapture == 2) return CUDA_ERROR_NOT_SUPPORTED;
  stream->captureMode = mode;
  stream->captureThread = std::this_thread::get_id();
  stream->captureOrigin = true;
  stream->capture = new CUgraph_st;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuStreamEndCapture(CUstream handle, CUgraph* graph) {
  FAKE_ENTER("cuStreamEndCapture");
  *graph = nullptr;
  CUresult error = CUDA_SUCCESS;
  const CUstream stream = fake::Resolve(handle, &error);
  if (stream == nullptr) return error;
  CUgraph captured = stream->capture;
  if (captured == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (!stream->captureOrigin) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  if (stream->captureMode != 2 && stream->captureThread != std::this_thread::get_id()) {
    return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  }
  fake::EndCaptureOf(captured);
  if (captured->invalidated) {
    delete captured;
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  }
  auto& g = fake::graphs();
  std::lock_guard<std::mutex> lock(g.mutex);
  g.graphs.insert(captured);
  *graph = captured;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuStreamIsCapturing(CUstream handle, int* status) {
  FAKE_ENTER("cuStreamIsCapturing");
  CUresult error = CUDA_SUCCESS;
  const CUstream stream = fake::Resolve(handle, &error);
  if (stream == nullptr) return error;
  *status = stream->capture == nullptr ? 0 : stream->capture->invalidated ? 2 : 1;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuGraphInstantiateWithFlags(CUgraphExec* exec, CUgraph graph,
                                              unsigned long long) {
  FAKE_ENTER("cuGraphInstantiateWithFlags");
  return fake::Instantiate(exec, graph);
}

FAKE_API CUresult cuGraphInstantiate_v2(CUgraphExec* exec, CUgraph graph, void** errorNode, char*,
                                        size_t) {
  FAKE_ENTER("cuGraphInstantiate_v2");
  if (errorNode != nullptr) *errorNode = nullptr;
  return fake::Instantiate(exec, graph);
}

FAKE_API CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  FAKE_ENTER("cuGraphLaunch");
  if (!fake::LiveExec(exec)) return CUDA_ERROR_INVALID_VALUE;
  const auto operations = exec->operations;
  return fake::Enqueue(stream, {[operations] {
                                  for (const auto& operation : operations) {
                                    fake::RunOperation(*operation);
                                  }
                                  return CUDA_SUCCESS;
                                },
                                false});
}

FAKE_API CUresult cuGraphUpload(CUgraphExec exec, CUstream) {
  FAKE_ENTER("cuGraphUpload");
  return fake::LiveExec(exec) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

FAKE_API CUresult cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph, void*) {
  FAKE_ENTER("cuGraphExecUpdate_v2");
  if (!fake::LiveExec(exec) || !fake::LiveGraph(graph)) return CUDA_ERROR_INVALID_VALUE;
  if (exec->operations.size() != graph->operations.size()) {
    return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  }
  exec->operations = graph->operations;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuGraphGetNodes(CUgraph graph, void** nodes, size_t* count) {
  FAKE_ENTER("cuGraphGetNodes");
  if (!fake::LiveGraph(graph)) return CUDA_ERROR_INVALID_VALUE;
  if (nodes != nullptr) return CUDA_ERROR_NOT_SUPPORTED;
  *count = graph->operations.size();
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuGraphExecDestroy(CUgraphExec exec) {
  FAKE_ENTER("cuGraphExecDestroy");
  auto& g = fake::graphs();
  std::lock_guard<std::mutex> lock(g.mutex);
  if (g.execs.erase(exec) == 0) return CUDA_ERROR_INVALID_VALUE;
  delete exec;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuGraphDestroy(CUgraph graph) {
  FAKE_ENTER("cuGraphDestroy");
  auto& g = fake::graphs();
  std::lock_guard<std::mutex> lock(g.mutex);
  if (g.graphs.erase(graph) == 0) return CUDA_ERROR_INVALID_VALUE;
  delete graph;
  return CUDA_SUCCESS;
}

FAKE_API int fake_cuda_enqueue(void* handle, int (*run)(void*), void* data,
                               void (*release)(void*)) {
  const auto stream = static_cast<CUstream>(handle);
  const std::shared_ptr<void> owned(data, release);
  if (fake::Lost() != CUDA_SUCCESS) return fake::Lost();
  CUresult error = CUDA_SUCCESS;
  const CUstream found = fake::Resolve(stream, &error);
  if (found == nullptr) return error;
  if (found->capture != nullptr && fake::settings().noCapture != 0) {
    // As a layer that cannot be captured does: the capture is lost, and says so at its end.
    found->capture->invalidated = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  return fake::Enqueue(stream, {[owned, run] { return run(owned.get()); }});
}
