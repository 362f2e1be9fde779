#include "plan.h"

#include <algorithm>
#include <cstring>

namespace fake {
namespace {

// The first 32 bytes are laid out as in real plans, so that what reads those reads these.
struct PlanHeader {
  char magic[4];  // as real plans begin
  uint32_t layout;
  char fake[8];  // no real runtime is asked to load this
  uint64_t body;
  unsigned char version[4];  // major, minor, patch, build
  uint32_t nothing;
};
static_assert(sizeof(PlanHeader) == 32);
constexpr PlanHeader kPlanHeader{
    {'f', 't', 'r', 't'}, 0, {'F', 'A', 'K', 'E', 'T', 'R', 'T', '\n'}, 0, {}, 0};

int VersionUnit(int version) { return version < 10000 ? 1000 : 10000; }

int VersionOf(const PlanHeader& header) {
  const int major = header.version[0];
  const int unit = major < 10 ? 1000 : 10000;
  return major * unit + header.version[1] * 100 + header.version[2];
}

uint64_t Checksum(const char* bytes, size_t size) {  // FNV-1a
  uint64_t hash = 14695981039346656037ULL;
  for (size_t i = 0; i < size; ++i) {
    hash = (hash ^ static_cast<unsigned char>(bytes[i])) * 1099511628211ULL;
  }
  return hash;
}

// One visitor for both directions, so that they cannot differ.
class Archive {
 public:
  Archive() = default;
  Archive(const char* bytes, size_t size) : reading_(true), at_(bytes), left_(size) {}
  bool reading() const { return reading_; }
  bool failed() const { return failed_; }
  const std::string& out() const { return out_; }

  void Raw(void* data, size_t size) {
    if (!reading_) {
      out_.append(static_cast<const char*>(data), size);
    } else if (size > left_) {
      failed_ = true;
    } else {
      std::memcpy(data, at_, size);
      at_ += size;
      left_ -= size;
    }
  }
  template <typename T>
  void Number(T& value) {
    auto wide = static_cast<int64_t>(value);
    Raw(&wide, sizeof wide);
    value = static_cast<T>(wide);
  }
  void Text(std::string& text) {
    uint64_t size = text.size();
    Number(size);
    if (failed_ || (reading_ && size > left_)) {
      failed_ = true;
      return;
    }
    text.resize(size);
    if (size != 0) Raw(text.data(), size);
  }
  template <typename T, typename F>
  void List(std::vector<T>& list, F each) {
    uint64_t size = list.size();
    Number(size);
    if (failed_ || (reading_ && size > left_)) {
      failed_ = true;
      return;
    }
    list.resize(size);
    for (T& item : list) each(item);
  }
  void Extents(Shape& shape) {
    List(shape, [this](int64_t& extent) { Number(extent); });
  }
  void Texts(std::vector<std::string>& texts) {
    List(texts, [this](std::string& text) { Text(text); });
  }

 private:
  bool reading_ = false, failed_ = false;
  const char* at_ = nullptr;
  size_t left_ = 0;
  std::string out_;
};

void Visit(Archive& a, Plan& plan) {
  a.Text(plan.device);
  a.Number(plan.major);
  a.Number(plan.minor);
  a.Number(plan.anyDevice);
  a.Number(plan.versionCompatible);
  a.Number(plan.refittable);
  a.Number(plan.verbosity);
  a.Number(plan.auxStreams);
  a.Number(plan.workspace);
  a.Number(plan.nonce);
  a.Text(plan.name);
  a.Text(plan.ballast);
  a.List(plan.tensors, [&](PlanTensor& tensor) {
    a.Text(tensor.name);
    a.Number(tensor.input);
    a.Number(tensor.type);
    a.Extents(tensor.shape);
    a.Texts(tensor.dimNames);
    a.Text(tensor.reduction);
  });
  a.List(plan.profiles, [&](std::map<std::string, PlanRange>& profile) {
    std::vector<std::string> names;
    for (const auto& [name, range] : profile) names.push_back(name);
    a.Texts(names);
    for (const std::string& name : names) {
      a.Extents(profile[name].min);
      a.Extents(profile[name].opt);
      a.Extents(profile[name].max);
    }
  });
  a.List(plan.layers, [&](PlanLayer& layer) {
    a.Text(layer.name);
    a.Text(layer.op);
    a.Text(layer.precision);
    a.Texts(layer.inputs);
    a.Texts(layer.outputs);
  });
  a.List(plan.weights, [&](PlanWeight& weight) {
    a.Text(weight.name);
    a.Number(weight.type);
    a.Number(weight.count);
  });
}

}  // namespace

const PlanTensor* Plan::Find(const std::string& tensor) const {
  for (const PlanTensor& candidate : tensors) {
    if (candidate.name == tensor) return &candidate;
  }
  return nullptr;
}

bool Plan::Dynamic() const {
  return std::any_of(tensors.begin(), tensors.end(), [](const PlanTensor& tensor) {
    return std::count(tensor.shape.begin(), tensor.shape.end(), -1) != 0;
  });
}

uint64_t Plan::WeightBytes() const {
  uint64_t bytes = 0;
  for (const PlanWeight& weight : weights) {
    bytes += static_cast<uint64_t>(weight.count) * ElementBytes(weight.type);
  }
  return bytes;
}

std::string Serialize(const Plan& plan) {
  Archive body;
  Plan copy = plan;
  Visit(body, copy);
  PlanHeader header = kPlanHeader;
  header.body = body.out().size();
  const int unit = VersionUnit(plan.version);
  header.version[0] = static_cast<unsigned char>(plan.version / unit);
  header.version[1] = static_cast<unsigned char>(plan.version % unit / 100);
  header.version[2] = static_cast<unsigned char>(plan.version % 100);
  std::string out(reinterpret_cast<const char*>(&header), sizeof header);
  out += body.out();
  const uint64_t checksum = Checksum(out.data(), out.size());
  out.append(reinterpret_cast<const char*>(&checksum), 8);
  return out;
}

std::string Deserialize(const void* bytes, size_t size, Plan* plan) {
  const char* data = static_cast<const char*>(bytes);
  const std::string start =
      "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion ";
  PlanHeader header{};
  if (data != nullptr && size >= sizeof header) std::memcpy(&header, data, sizeof header);
  if (std::memcmp(header.magic, kPlanHeader.magic, 4) != 0 ||
      std::memcmp(header.fake, kPlanHeader.fake, 8) != 0) {
    return start + "magicTagRead == kMAGIC_TAG failed.Magic tag does not match)";
  }
  const int version = VersionOf(header);
  if (version != LibraryVersion()) {
    return start + "stdVersionRead == kSERIALIZATION_VERSION failed.Version tag does not match. "
                   "Note: Current Version: " + std::to_string(LibraryVersion()) +
           ", Serialized Engine Version: " + std::to_string(version) + ")";
  }
  const size_t around = sizeof header + 8;
  const uint64_t body = header.body;
  if (size < around || body != size - around) {
    return start + "sizeRead == static_cast<uint64_t>(mEngine.size()) failed.Size specified in "
                   "header does not match archive size)";
  }
  uint64_t checksum = 0;
  std::memcpy(&checksum, data + sizeof header + body, 8);
  if (checksum != Checksum(data, sizeof header + body)) {
    return start + "checksumRead == checksum failed.Checksum does not match)";
  }
  Archive archive(data + sizeof header, body);
  Visit(archive, *plan);
  plan->version = version;
  return archive.failed() ? start + "archive is complete failed)" : "";
}

}  // namespace fake
