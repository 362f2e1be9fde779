// A protobuf reader that checks every bound. Field numbers are those of onnx.proto.
#include "onnx_reader.h"

#include <cstring>

namespace fake {
namespace {

struct Slice {
  const uint8_t* at = nullptr;
  size_t left = 0;
};

class Reader {
 public:
  explicit Reader(Slice slice) : slice_(slice) {}
  bool failed() const { return failed_; }

  // Goes to the next field; false at the end or at an error.
  bool Next() {
    if (failed_ || slice_.left == 0) return false;
    const uint64_t key = Varint();
    field_ = key >> 3;
    wire_ = static_cast<int>(key & 7);
    if (field_ == 0) failed_ = true;
    if (failed_) return false;
    switch (wire_) {
      case 0: number_ = Varint(); break;
      case 1: bytes_ = Take(8); break;
      case 2: bytes_ = Take(Varint()); break;
      case 5: bytes_ = Take(4); break;
      default: failed_ = true;
    }
    return !failed_;
  }
  uint64_t field() const { return field_; }
  bool IsMessage(uint64_t field) const { return field_ == field && wire_ == 2; }
  int64_t number() const { return static_cast<int64_t>(number_); }
  Slice bytes() const { return bytes_; }
  std::string text() const { return {reinterpret_cast<const char*>(bytes_.at), bytes_.left}; }
  int wire() const { return wire_; }

 private:
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (slice_.left == 0) break;
      const uint8_t byte = *slice_.at++;
      --slice_.left;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    failed_ = true;
    return 0;
  }
  Slice Take(uint64_t size) {
    if (failed_ || size > slice_.left) {
      failed_ = true;
      return {};
    }
    const Slice taken{slice_.at, static_cast<size_t>(size)};
    slice_.at += size;
    slice_.left -= static_cast<size_t>(size);
    return taken;
  }

  Slice slice_;
  bool failed_ = false;
  uint64_t field_ = 0, number_ = 0;
  int wire_ = 0;
  Slice bytes_;
};

bool ReadShape(Slice slice, Value* value) {
  Reader shape(slice);
  value->hasShape = true;
  while (shape.Next()) {
    if (!shape.IsMessage(1)) continue;
    Reader dim(shape.bytes());
    int64_t extent = -1;
    std::string name;
    while (dim.Next()) {
      if (dim.field() == 1 && dim.wire() == 0) extent = dim.number();
      if (dim.IsMessage(2)) name = dim.text();
    }
    if (dim.failed()) return false;
    value->dims.push_back(extent);
    value->dimNames.push_back(name);
  }
  return !shape.failed();
}

bool ReadValue(Slice slice, Value* value) {
  Reader info(slice);
  while (info.Next()) {
    if (info.IsMessage(1)) value->name = info.text();
    if (!info.IsMessage(2)) continue;
    Reader type(info.bytes());
    while (type.Next()) {
      if (!type.IsMessage(1)) continue;
      Reader tensor(type.bytes());
      while (tensor.Next()) {
        if (tensor.field() == 1 && tensor.wire() == 0) {
          value->elementType = static_cast<int>(tensor.number());
        }
        if (tensor.IsMessage(2) && !ReadShape(tensor.bytes(), value)) return false;
      }
      if (tensor.failed()) return false;
    }
    if (type.failed()) return false;
  }
  return !info.failed();
}

bool ReadNode(Slice slice, Node* node) {
  Reader reader(slice);
  while (reader.Next()) {
    if (reader.IsMessage(1)) node->inputs.push_back(reader.text());
    if (reader.IsMessage(2)) node->outputs.push_back(reader.text());
    if (reader.IsMessage(3)) node->name = reader.text();
    if (reader.IsMessage(4)) node->op = reader.text();
    if (reader.IsMessage(7)) node->domain = reader.text();
  }
  return !reader.failed();
}

bool ReadInitializer(Slice slice, Initializer* tensor) {
  Reader reader(slice);
  while (reader.Next()) {
    if (reader.field() == 1 && reader.wire() == 0) tensor->dims.push_back(reader.number());
    if (reader.IsMessage(1)) {
      // Packed: varints one after the other.
      for (Slice rest = reader.bytes(); rest.left > 0;) {
        uint64_t value = 0;
        int shift = 0;
        while (rest.left > 0 && shift < 64) {
          const uint8_t byte = *rest.at++;
          --rest.left;
          value |= static_cast<uint64_t>(byte & 0x7f) << shift;
          shift += 7;
          if ((byte & 0x80) == 0) break;
        }
        tensor->dims.push_back(static_cast<int64_t>(value));
      }
    }
    if (reader.field() == 2 && reader.wire() == 0) {
      tensor->elementType = static_cast<int>(reader.number());
    }
    if (reader.IsMessage(8)) tensor->name = reader.text();
    const bool floats = reader.IsMessage(4) || reader.IsMessage(9);
    if (floats && reader.bytes().left >= 4 && tensor->elementType == 1) {
      std::memcpy(&tensor->first, reader.bytes().at, 4);
    }
    if (!reader.IsMessage(13)) continue;
    Reader entry(reader.bytes());
    std::string key, value;
    while (entry.Next()) {
      if (entry.IsMessage(1)) key = entry.text();
      if (entry.IsMessage(2)) value = entry.text();
    }
    if (entry.failed()) return false;
    if (key == "location") tensor->external = value;
  }
  return !reader.failed();
}

bool ReadGraph(Slice slice, Model* model) {
  Reader graph(slice);
  while (graph.Next()) {
    bool good = true;
    if (graph.IsMessage(1)) {
      model->nodes.emplace_back();
      good = ReadNode(graph.bytes(), &model->nodes.back());
    } else if (graph.IsMessage(2)) {
      model->graphName = graph.text();
    } else if (graph.IsMessage(5)) {
      model->initializers.emplace_back();
      good = ReadInitializer(graph.bytes(), &model->initializers.back());
    } else if (graph.IsMessage(11) || graph.IsMessage(12) || graph.IsMessage(13)) {
      auto& list = graph.field() == 11   ? model->inputs
                   : graph.field() == 12 ? model->outputs
                                         : model->values;
      list.emplace_back();
      good = ReadValue(graph.bytes(), &list.back());
    }
    if (!good) return false;
  }
  return !graph.failed();
}

}  // namespace

ReadResult ReadModel(const void* bytes, size_t size, Model* model) {
  Reader reader({static_cast<const uint8_t*>(bytes), size});
  bool seen = false;  // ir_version, opset or a graph: this was meant to be a model
  bool good = true;
  while (good && reader.Next()) {
    if (reader.field() == 1 && reader.wire() == 0) seen = true;
    if (reader.IsMessage(7)) {
      seen = model->hasGraph = true;
      good = ReadGraph(reader.bytes(), model);
    }
  }
  if (good && !reader.failed()) return model->hasGraph ? ReadResult::kGood : ReadResult::kNoModel;
  return seen ? ReadResult::kTruncated : ReadResult::kNoModel;
}

}  // namespace fake
