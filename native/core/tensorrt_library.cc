#include "core/tensorrt_library.h"

#include <map>
#include <mutex>
#include <utility>

#include "core/library_version.h"
#include "core/text.h"

namespace trtn {
namespace {

// Opens the parser after the library that it needs, which the loader then finds by name. Version 8's
// parser needs the plugin library too; outside of the loader's path it is looked for beside libnvinfer.
SharedLibrary OpenParser(const LibraryPaths& paths) {
  constexpr auto kProcess = SharedLibrary::Lifetime::kProcess;
  try {
    return SharedLibrary(paths.parser, kProcess);
  } catch (const Error& error) {
    const std::string stem = "/libnvinfer.so";
    const size_t position = paths.infer.rfind(stem);
    if (position == std::string::npos || !Contains(error.what(), "libnvinfer_plugin")) throw;
    const std::string suffix = paths.infer.substr(position + stem.size());
    // Its own error, when it does not load either, says what is really missing.
    const SharedLibrary plugin(paths.infer.substr(0, position) + "/libnvinfer_plugin.so" + suffix,
                               kProcess);
    return SharedLibrary(paths.parser, kProcess);
  }
}

}  // namespace

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
  if (!paths.parser.empty()) parser_ = OpenParser(paths);
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
