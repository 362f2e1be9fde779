#include "core/tensorrt_library.h"

#include <map>
#include <mutex>
#include <utility>

#include "core/library_version.h"

namespace trtn {

std::shared_ptr<const TensorRtLibrary> TensorRtLibrary::Open(const LibraryPaths& paths) {
  static std::mutex mutex;
  static auto* const open =
      new std::map<std::pair<std::string, std::string>, std::shared_ptr<const TensorRtLibrary>>();
  const std::lock_guard<std::mutex> lock(mutex);
  auto& entry = (*open)[{paths.infer, paths.parser}];
  if (entry == nullptr) entry = std::make_shared<const TensorRtLibrary>(paths);
  return entry;
}

TensorRtLibrary::TensorRtLibrary(const LibraryPaths& paths) {
  // Pinned only when it fits: a library of another version must not stay in the process, where
  // libraries opened later would find it by its name.
  infer_ = SharedLibrary(paths.infer, SharedLibrary::Lifetime::kOwner);
  version_ = LibraryVersion(infer_);
  if (FamilyOfVersion(version_) != kFamily) {
    throw Error("LIBRARY_INCOMPATIBLE",
                paths.infer + " is TensorRT " + VersionText(version_) + ", which the module " +
                    kFamily + " cannot drive",
                "Use TensorRT 8.6, 10.x, 11.x or TensorRT-RTX 1.5 or later, each with its module.");
  }
  infer_.Pin();
  // After the library that it needs, which the loader then finds by name.
  if (!paths.parser.empty()) {
    parser_ = SharedLibrary(paths.parser, SharedLibrary::Lifetime::kProcess);
  }
}

Owned<nvinfer1::IBuilder> TensorRtLibrary::CreateBuilder(nvinfer1::ILogger& logger) const {
  auto* create = infer_.Get<void*(void*, int32_t)>("createInferBuilder_INTERNAL");
  return Owned<nvinfer1::IBuilder>(
      static_cast<nvinfer1::IBuilder*>(create(&logger, NV_TENSORRT_VERSION)));
}

Owned<nvonnxparser::IParser> TensorRtLibrary::CreateParser(nvinfer1::INetworkDefinition& network,
                                                           nvinfer1::ILogger& logger) const {
  auto* create = parser_.Get<void*(void*, void*, int)>("createNvOnnxParser_INTERNAL");
  return Owned<nvonnxparser::IParser>(static_cast<nvonnxparser::IParser*>(
      create(&network, &logger, NV_ONNX_PARSER_VERSION)));
}

Owned<nvinfer1::IRuntime> TensorRtLibrary::CreateRuntime(nvinfer1::ILogger& logger) const {
  auto* create = infer_.Get<void*(void*, int32_t)>("createInferRuntime_INTERNAL");
  return Owned<nvinfer1::IRuntime>(
      static_cast<nvinfer1::IRuntime*>(create(&logger, NV_TENSORRT_VERSION)));
}

}  // namespace trtn
