// Initialisation, devices, contexts, scripted failures and the report at exit.
#include <atomic>
#include <cstdio>
#include <cstring>

#include "../include/fake_options.h"
#include "fake_cuda.h"

namespace fake {
namespace {

// A scripted failure: the n-th call of `name` (and all later ones when `onwards`) answers `code`.
struct Rule {
  std::string name;
  long long call = 1;
  bool onwards = false;
  int code = CUDA_ERROR_UNKNOWN;
  bool lose = false;
};

struct State {
  std::mutex mutex;
  std::string text = "\x01";  // differs from every environment variable: the first read parses
  Settings settings;
  std::vector<Rule> rules;
  std::map<std::string, long long> calls;  // since the settings were read
  std::map<std::string, long long> total;  // since the process started
  bool initialised = false;
  std::set<CUctx_st*> contexts;
  std::map<int, std::pair<CUctx_st*, int>> primary;  // device → context, references
  // Destroyed ones are kept: another thread may still have one current, and must get an error for
  // that and no crash.
  std::vector<CUctx_st*> retired;
};

State& state() {
  // Never destroyed: worker threads of addons outlive static destructors.
  static State* instance = new State;
  return *instance;
}

std::atomic<int> lostCode{0};
thread_local std::vector<CUctx_st*> contextStack;
thread_local bool hostFunction = false;

int DefaultCode(const std::string& name) {
  return name.find("Alloc") != std::string::npos ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_UNKNOWN;
}

// "cuMemAlloc_v2:3", "cuStreamSynchronize:2+:700", comma-separated.
void ParseRules(const std::string& text, bool lose, std::vector<Rule>* rules) {
  size_t at = 0;
  while (at < text.size()) {
    size_t end = text.find(',', at);
    if (end == std::string::npos) end = text.size();
    const std::string item = text.substr(at, end - at);
    Rule rule;
    rule.lose = lose;
    const size_t first = item.find(':');
    rule.name = item.substr(0, first);
    rule.code = lose ? CUDA_ERROR_ILLEGAL_ADDRESS : DefaultCode(rule.name);
    if (first != std::string::npos) {
      rule.call = std::strtoll(item.c_str() + first + 1, nullptr, 10);
      const size_t second = item.find(':', first + 1);
      rule.onwards = item.substr(first, second - first).find('+') != std::string::npos;
      if (second != std::string::npos) rule.code = std::atoi(item.c_str() + second + 1);
    }
    rules->push_back(rule);
    at = end + 1;
  }
}

void ReloadLocked(State& s) {
  const char* variable = std::getenv("TENSORRT_NODE_FAKE_CUDA");
  const std::string text = variable == nullptr ? "" : variable;
  if (text == s.text) return;
  s.text = text;
  s.calls.clear();
  s.rules.clear();
  lostCode = 0;
  const auto options = ParseOptions(text);
  Settings next;
  next.devices = static_cast<int>(Number(options, "devices", 1));
  const std::string cc = Text(options, "cc", "9.0");
  next.major = std::atoi(cc.c_str());
  const size_t dot = cc.find('.');
  next.minor = dot == std::string::npos ? 0 : std::atoi(cc.c_str() + dot + 1);
  next.driverVersion = static_cast<int>(Number(options, "driver", 13000));
  next.name = Text(options, "name", "Fake GPU");
  next.memory = static_cast<size_t>(Number(options, "memory", 1LL << 30));
  next.delayUs = Number(options, "delayUs", 0);
  next.noCapture = static_cast<int>(Number(options, "noCapture", 0));
  next.initError = static_cast<int>(Number(options, "initError", 0));
  next.report = Text(options, "report", "");
  s.settings = next;
  ParseRules(Text(options, "fail", ""), false, &s.rules);
  ParseRules(Text(options, "lose", ""), true, &s.rules);
}

// Written when the process ends, so that a test can require that nothing was left behind.
__attribute__((destructor)) void Report() {
  State& s = state();
  if (s.settings.report.empty()) return;
  if (FILE* file = std::fopen(s.settings.report.c_str(), "w")) {
    std::fputs(LiveObjectsJson().c_str(), file);
    std::fclose(file);
  }
}

}  // namespace

const Settings& settings() { return state().settings; }
CUresult Lost() { return lostCode; }
void Lose(CUresult code) { lostCode = code; }
void InHostFunction(bool inside) { hostFunction = inside; }
CUctx_st* Current() { return contextStack.empty() ? nullptr : contextStack.back(); }

CUctx_st* LiveCurrent() {
  State& s = state();
  std::lock_guard<std::mutex> lock(s.mutex);
  CUctx_st* current = Current();
  return s.contexts.count(current) != 0 ? current : nullptr;
}

CUresult Enter(const char* name, EnterKind kind) {
  State& s = state();
  std::lock_guard<std::mutex> lock(s.mutex);
  const long long call = ++s.calls[name];
  ++s.total[name];
  if (kind == kNormal && !s.initialised) return CUDA_ERROR_NOT_INITIALIZED;
  // The real driver forbids its own calls inside host functions: they can deadlock.
  if (hostFunction) return CUDA_ERROR_NOT_PERMITTED;
  if (kind == kNormal && lostCode != 0) return lostCode;
  for (const Rule& rule : s.rules) {
    if (rule.name != name) continue;
    if (call != rule.call && !(rule.onwards && call > rule.call)) continue;
    if (rule.lose) lostCode = rule.code;
    return rule.code;
  }
  return CUDA_SUCCESS;
}

std::string LiveObjectsJson() {
  State& s = state();
  std::lock_guard<std::mutex> lock(s.mutex);
  const MemoryUse use = Memory(-1);
  size_t graphs = 0, execs = 0;
  CountGraphs(&graphs, &execs);
  std::string json = "{\"deviceBytes\":" + std::to_string(use.deviceBytes) +
                     ",\"deviceAllocations\":" + std::to_string(use.deviceAllocations) +
                     ",\"peakDeviceBytes\":" + std::to_string(use.peakBytes) +
                     ",\"pinnedBytes\":" + std::to_string(use.pinnedBytes) +
                     ",\"pinnedBlocks\":" + std::to_string(use.pinnedBlocks) +
                     ",\"streams\":" + std::to_string(CountStreams()) +
                     ",\"events\":" + std::to_string(CountEvents()) +
                     ",\"graphs\":" + std::to_string(graphs) +
                     ",\"graphExecs\":" + std::to_string(execs) +
                     ",\"contexts\":" + std::to_string(s.contexts.size()) + ",\"allocatedOn\":[";
  for (const int device : use.allocatedOn) {
    json += (json.back() == '[' ? "" : ",") + std::to_string(device);
  }
  json += "],\"calls\":{";
  bool first = true;
  for (const auto& [name, count] : s.total) {
    json += (first ? "\"" : ",\"") + name + "\":" + std::to_string(count);
    first = false;
  }
  return json + "}}\n";
}

}  // namespace fake

using fake::state;

FAKE_API void fake_cuda_reload(void) {
  auto& s = state();
  std::lock_guard<std::mutex> lock(s.mutex);
  fake::ReloadLocked(s);
}

FAKE_API CUresult cuInit(unsigned flags) {
  {
    auto& s = state();
    std::lock_guard<std::mutex> lock(s.mutex);
    fake::ReloadLocked(s);
  }
  if (const CUresult scripted = fake::Enter("cuInit", fake::kBeforeInit)) return scripted;
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  if (fake::settings().initError != 0) return fake::settings().initError;
  if (fake::settings().devices == 0) return CUDA_ERROR_NO_DEVICE;
  state().initialised = true;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuDriverGetVersion(int* version) {
  fake_cuda_reload();  // the real one answers before cuInit
  if (const CUresult scripted = fake::Enter("cuDriverGetVersion", fake::kBeforeInit)) return scripted;
  *version = fake::settings().driverVersion;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuDeviceGetCount(int* count) {
  FAKE_ENTER("cuDeviceGetCount");
  *count = fake::settings().devices;
  return CUDA_SUCCESS;
}

static bool Known(CUdevice device) { return device >= 0 && device < fake::settings().devices; }

FAKE_API CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  FAKE_ENTER("cuDeviceGet");
  if (!Known(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
  FAKE_ENTER("cuDeviceGetName");
  if (!Known(device)) return CUDA_ERROR_INVALID_DEVICE;
  std::snprintf(name, static_cast<size_t>(length), "%s", fake::settings().name.c_str());
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuDeviceGetAttribute(int* value, int attribute, CUdevice device) {
  FAKE_ENTER("cuDeviceGetAttribute");
  if (!Known(device)) return CUDA_ERROR_INVALID_DEVICE;
  switch (attribute) {
    case 75: *value = fake::settings().major; break;
    case 76: *value = fake::settings().minor; break;
    case 16: *value = 8; break;            // multiprocessors
    case 13: *value = 1'000'000; break;    // clock, kHz
    case 36: *value = 1'000'000; break;    // memory clock, kHz
    case 37: *value = 256; break;          // bus width
    case 38: *value = 1 << 20; break;      // L2 cache
    case 33: *value = 0; break;            // PCI bus
    case 34: *value = device + 1; break;   // PCI device
    case 50: *value = 0; break;            // PCI domain
    case 10: *value = 32; break;           // warp size
    case 41: case 31: case 19: case 115: *value = 1; break;  // UVA, kernels, mapping, pools
    default: *value = 0;
  }
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice device) {
  FAKE_ENTER("cuDeviceTotalMem_v2");
  if (!Known(device)) return CUDA_ERROR_INVALID_DEVICE;
  *bytes = fake::settings().memory;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuDeviceGetUuid_v2(void* uuid, CUdevice device) {
  FAKE_ENTER("cuDeviceGetUuid_v2");
  if (!Known(device)) return CUDA_ERROR_INVALID_DEVICE;
  std::memset(uuid, 0xfa, 16);
  static_cast<unsigned char*>(uuid)[15] = static_cast<unsigned char>(device);
  return CUDA_SUCCESS;
}
FAKE_API CUresult cuDeviceGetUuid(void* uuid, CUdevice device) {
  return cuDeviceGetUuid_v2(uuid, device);
}

FAKE_API CUresult cuDeviceGetPCIBusId(char* text, int length, CUdevice device) {
  FAKE_ENTER("cuDeviceGetPCIBusId");
  if (!Known(device)) return CUDA_ERROR_INVALID_DEVICE;
  std::snprintf(text, static_cast<size_t>(length), "0000:00:%02X.0", device + 1);
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  FAKE_ENTER("cuDevicePrimaryCtxRetain");
  if (!Known(device)) return CUDA_ERROR_INVALID_DEVICE;
  auto& s = state();
  std::lock_guard<std::mutex> lock(s.mutex);
  auto& [held, references] = s.primary[device];
  if (held == nullptr) {
    held = new CUctx_st{device, true};
    s.contexts.insert(held);
  }
  ++references;
  *context = held;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  FAKE_ENTER("cuDevicePrimaryCtxRelease_v2");
  auto& s = state();
  CUctx_st* gone = nullptr;
  {
    std::lock_guard<std::mutex> lock(s.mutex);
    auto found = s.primary.find(device);
    if (found == s.primary.end() || found->second.second == 0) return CUDA_ERROR_INVALID_CONTEXT;
    if (--found->second.second == 0) {
      gone = found->second.first;
      s.contexts.erase(gone);
      s.retired.push_back(gone);
      s.primary.erase(found);
    }
  }
  if (gone != nullptr) fake::FreeContext(gone);
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned) {
  FAKE_ENTER("cuDevicePrimaryCtxSetFlags_v2");
  return Known(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

FAKE_API CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
  FAKE_ENTER("cuDevicePrimaryCtxGetState");
  if (!Known(device)) return CUDA_ERROR_INVALID_DEVICE;
  auto& s = state();
  std::lock_guard<std::mutex> lock(s.mutex);
  *flags = 0;
  *active = s.primary.count(device) != 0 ? 1 : 0;
  return CUDA_SUCCESS;
}

static bool Live(CUcontext context) {
  auto& s = state();
  std::lock_guard<std::mutex> lock(s.mutex);
  return s.contexts.count(context) != 0;
}

FAKE_API CUresult cuCtxCreate_v2(CUcontext* context, unsigned, CUdevice device) {
  FAKE_ENTER("cuCtxCreate_v2");
  if (!Known(device)) return CUDA_ERROR_INVALID_DEVICE;
  *context = new CUctx_st{device, false};
  {
    auto& s = state();
    std::lock_guard<std::mutex> lock(s.mutex);
    s.contexts.insert(*context);
  }
  fake::contextStack.push_back(*context);
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuCtxDestroy_v2(CUcontext context) {
  FAKE_ENTER("cuCtxDestroy_v2");
  if (!Live(context) || context->primary) return CUDA_ERROR_INVALID_CONTEXT;
  {
    auto& s = state();
    std::lock_guard<std::mutex> lock(s.mutex);
    s.contexts.erase(context);
    s.retired.push_back(context);
  }
  if (fake::Current() == context) fake::contextStack.pop_back();
  fake::FreeContext(context);
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuCtxSetCurrent(CUcontext context) {
  FAKE_ENTER("cuCtxSetCurrent");
  if (context != nullptr && !Live(context)) return CUDA_ERROR_INVALID_CONTEXT;
  if (!fake::contextStack.empty()) fake::contextStack.pop_back();
  if (context != nullptr) fake::contextStack.push_back(context);
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuCtxGetCurrent(CUcontext* context) {
  FAKE_ENTER("cuCtxGetCurrent");
  *context = fake::Current();
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuCtxPushCurrent_v2(CUcontext context) {
  FAKE_ENTER("cuCtxPushCurrent_v2");
  if (!Live(context)) return CUDA_ERROR_INVALID_CONTEXT;
  fake::contextStack.push_back(context);
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuCtxPopCurrent_v2(CUcontext* context) {
  FAKE_ENTER("cuCtxPopCurrent_v2");
  if (fake::contextStack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  if (context != nullptr) *context = fake::contextStack.back();
  fake::contextStack.pop_back();
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuCtxGetDevice(CUdevice* device) {
  FAKE_ENTER("cuCtxGetDevice");
  if (fake::Current() == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  *device = fake::Current()->device;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  FAKE_ENTER("cuCtxGetStreamPriorityRange");
  if (least != nullptr) *least = 0;
  if (greatest != nullptr) *greatest = -5;
  return CUDA_SUCCESS;
}
