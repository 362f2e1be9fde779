#include "plan.h"

#include <algorithm>
#include <cstring>

namespace fake {
namespace {

constexpr char kMagic[8] = {'F', 'A', 'K', 'E', 'T', 'R', 'T', '\n'};

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
  std::string out(kMagic, sizeof kMagic);
  const int64_t version = plan.version;
  const uint64_t size = body.out().size();
  out.append(reinterpret_cast<const char*>(&version), 8);
  out.append(reinterpret_cast<const char*>(&size), 8);
  out += body.out();
  const uint64_t checksum = Checksum(out.data(), out.size());
  out.append(reinterpret_cast<const char*>(&checksum), 8);
  return out;
}

std::string Deserialize(const void* bytes, size_t size, Plan* plan) {
  const char* data = static_cast<const char*>(bytes);
  const std::string start =
      "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion ";
  if (data == nullptr || size < 32 || std::memcmp(data, kMagic, sizeof kMagic) != 0) {
    return start + "magicTagRead == kMAGIC_TAG failed.Magic tag does not match)";
  }
  int64_t version = 0;
  uint64_t body = 0, checksum = 0;
  std::memcpy(&version, data + 8, 8);
  std::memcpy(&body, data + 16, 8);
  if (version != LibraryVersion()) {
    return start + "stdVersionRead == kSERIALIZATION_VERSION failed.Version tag does not match. "
                   "Note: Current Version: " + std::to_string(LibraryVersion()) +
           ", Serialized Engine Version: " + std::to_string(version) + ")";
  }
  if (body > size - 32 || size != body + 32) {
    return start + "sizeRead == static_cast<uint64_t>(mEngine.size()) failed.Size specified in "
                   "header does not match archive size)";
  }
  std::memcpy(&checksum, data + 24 + body, 8);
  if (checksum != Checksum(data, 24 + body)) {
    return start + "checksumRead == checksum failed.Checksum does not match)";
  }
  Archive archive(data + 24, body);
  Visit(archive, *plan);
  plan->version = static_cast<int>(version);
  return archive.failed() ? start + "archive is complete failed)" : "";
}

}  // namespace fake
