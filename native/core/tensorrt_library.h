#pragma once

#include <memory>
#include <string>

#include "core/shared_library.h"
#include "core/tensorrt.h"

namespace trtn {

// Where the two libraries of one TensorRT installation are.
struct LibraryPaths {
  std::string infer;   // libnvinfer.so.10, libtensorrt_rtx.so.1
  std::string parser;  // libnvonnxparser.so.10, libtensorrt_onnxparser_rtx.so.1; may be empty
};

// The entry points of one TensorRT installation, opened once a process and never closed: its threads
// and exit handlers outlive every object made through it.
class TensorRtLibrary {
 public:
  // Opens the libraries, or returns those opened before. Throws Error LIBRARY_NOT_FOUND, or
  // LIBRARY_INCOMPATIBLE when the library's version does not fit the headers of this module.
  static std::shared_ptr<const TensorRtLibrary> Open(const LibraryPaths& paths);

  explicit TensorRtLibrary(const LibraryPaths& paths);

  int version() const { return version_; }

  // Throws Error DEVICE_NOT_FOUND or BUILD_FAILED with `why()` when the library gives none.
  Owned<nvinfer1::IBuilder> CreateBuilder(nvinfer1::ILogger& logger) const;
  // Null when the library gives none.
  Owned<nvonnxparser::IParser> CreateParser(nvinfer1::INetworkDefinition& network,
                                            nvinfer1::ILogger& logger) const;
  // Null when the library gives none.
  Owned<nvinfer1::IRuntime> CreateRuntime(nvinfer1::ILogger& logger) const;

 private:
  SharedLibrary infer_;
  SharedLibrary parser_;
  int version_ = 0;
};

}  // namespace trtn
