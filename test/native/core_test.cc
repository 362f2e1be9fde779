#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "check.h"
#include "core/cuda_driver.h"
#include "core/histogram.h"
#include "core/library_version.h"
#include "core/logger.h"
#include "core/pixels.h"
#include "core/resample.h"
#include "core/shared_library.h"
#include "core/text.h"
#include "core/value_bounds.h"

namespace trtn {

TEST(ValidUtf8KeepsWhatIsWellFormed) {
  const std::string text = "a \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 \xED\x9F\xBF \xEE\x80\x80";
  CHECK_EQ(ValidUtf8(text), text);
  CHECK_EQ(ValidUtf8(""), "");
  CHECK_EQ(ValidUtf8(static_cast<const char*>(nullptr)), "");
}

TEST(ValidUtf8ReplacesEachByteThatIsNot) {
  const std::string bad = "\xEF\xBF\xBD";
  CHECK_EQ(ValidUtf8("\x80"), bad);
  CHECK_EQ(ValidUtf8("a\xFF" "b"), "a" + bad + "b");
  CHECK_EQ(ValidUtf8("\xC3"), bad);
  CHECK_EQ(ValidUtf8("\xC0\xAF"), bad + bad);              // overlong
  CHECK_EQ(ValidUtf8("\xE0\x80\x80"), bad + bad + bad);    // overlong
  CHECK_EQ(ValidUtf8("\xED\xA0\x80"), bad + bad + bad);    // surrogate
  CHECK_EQ(ValidUtf8("\xF4\x90\x80\x80"), bad + bad + bad + bad);  // beyond U+10FFFF
  CHECK_EQ(ValidUtf8("\xE2\x82"), bad + bad);
}

TEST(TrimTakesEndsOnly) {
  CHECK_EQ(Trim(" \n a b\t"), "a b");
  CHECK_EQ(Trim(" \n"), "");
}

TEST(BinsAreCountedAlikeOnOneThreadAndOnMany) {
  constexpr int32_t kBins = 64;
  std::vector<float> edges(kBins + 1);
  for (int32_t i = 0; i <= kBins; ++i) edges[i] = static_cast<float>(i) / kBins;
  // More values than one thread takes, and an odd number of them.
  std::vector<float> values((size_t{1} << 20) + 1);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 80) / kBins;
  values[0] = std::nanf("");
  HistogramOptions options;
  options.lower = -1.0F;
  options.upper = 2.0F;
  std::vector<double> counts(kBins, 1.0);
  CountBins({{values.data(), values.size()}}, edges.data(), kBins, counts.data(), options);
  std::vector<double> expected(kBins, 1.0);
  // 1.0 is the right edge of the last bin; what lies above is left out.
  for (size_t i = 1; i < values.size(); ++i) {
    const size_t bin = i % 80;
    if (bin <= kBins) expected[bin == kBins ? kBins - 1 : bin] += 1.0;
  }
  CHECK_EQ(counts == expected, true);
  std::vector<double> few(kBins, 0.0);
  options.absolute = true;
  const std::array<float, 4> signs{-0.5F, 0.5F, -7.0F, 3.0F};
  options.upper = 0.25F;
  CountBins({{signs.data(), signs.size()}}, edges.data(), kBins, few.data(), options);
  CHECK_EQ(few[16], 2.0);  // 0.5 and 3 are clamped to 0.25
  CHECK_EQ(few[32], 1.0);
  CHECK_EQ(few[63], 1.0);  // -7 is clamped to -1, whose magnitude is the last edge
}

TEST(ValuesInPiecesAreCountedAsInOne) {
  constexpr int32_t kBins = 7;
  std::vector<float> edges(kBins + 1);
  for (int32_t i = 0; i <= kBins; ++i) edges[i] = static_cast<float>(i);
  std::vector<float> values((size_t{1} << 20) + 5);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 7919 % 9) - 0.5F;
  HistogramOptions options;
  options.lower = -2.0F;
  options.upper = 20.0F;
  std::vector<double> expected(kBins, 0.0);
  CountBins({{values.data(), values.size()}}, edges.data(), kBins, expected.data(), options);
  // Each in memory of its own size, so that reading beyond one is found.
  std::vector<std::vector<float>> pieces;
  size_t begin = 0;
  for (size_t size : {size_t{0}, size_t{1}, size_t{3}, size_t{700000}, size_t{0}, size_t{9}}) {
    pieces.emplace_back(values.begin() + begin, values.begin() + begin + size);
    begin += size;
  }
  pieces.emplace_back(values.begin() + begin, values.end());
  std::vector<FloatSpan> spans;
  for (const auto& piece : pieces) spans.push_back({piece.data(), piece.size()});
  std::vector<double> counts(kBins, 0.0);
  CountBins(spans, edges.data(), kBins, counts.data(), options);
  CHECK_EQ(counts == expected, true);
  double sum = 0.0;
  for (const double count : counts) sum += count;
  // Of nine values one lies below the edges and one above.
  CHECK_EQ(sum > 0.7 * values.size() && sum < 0.8 * values.size(), true);
}

TEST(BoundsLeaveNaNOut) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const ValueBounds none = ScanBounds(nullptr, 0);
  CHECK_EQ(none.lowest, kInfinity);
  CHECK_EQ(none.highest, -kInfinity);
  CHECK_EQ(none.smallest, kInfinity);
  CHECK_EQ(none.nan, false);
  for (size_t size = 1; size < 70; ++size) {
    for (size_t place = 0; place < size; ++place) {
      std::vector<float> values(size, 0.5F);
      values[place] = -3.0F;
      const ValueBounds found = ScanBounds(values.data(), values.size());
      CHECK_EQ(found.lowest, -3.0F);
      CHECK_EQ(found.highest, size == 1 ? -3.0F : 0.5F);
      CHECK_EQ(found.smallest, size == 1 ? 3.0F : 0.5F);
      CHECK_EQ(found.nan, false);
      values[place] = std::nanf("");
      CHECK_EQ(ScanBounds(values.data(), values.size()).nan, true);
    }
  }
  const std::array<float, 3> zeros{-0.0F, 1.0F, std::nanf("")};
  const ValueBounds bounds = ScanBounds(zeros.data(), zeros.size());
  CHECK_EQ(std::signbit(bounds.lowest), false);
  CHECK_EQ(bounds.smallest, 0.0F);
  CHECK_EQ(bounds.highest, 1.0F);
}

TEST(ValuesOutsideOfTheEdgesTouchNothing) {
  constexpr int32_t kBins = 64;
  std::vector<float> edges(kBins + 1);
  for (int32_t i = 0; i <= kBins; ++i) edges[i] = static_cast<float>(i) / kBins;
  // Of each five, one is inside: no eight neighbours are all outside, nor all inside.
  const std::array<float, 5> pattern{-2.0F, 0.0F, 3.0F, -1e-9F, std::nanf("")};
  std::vector<float> values(1U << 20);
  for (size_t i = 0; i < values.size(); ++i) values[i] = pattern[i % pattern.size()];
  HistogramOptions options;
  options.lower = -10.0F;
  options.upper = 10.0F;
  std::vector<double> counts(kBins, 0.0);
  CountBins({{values.data(), values.size()}}, edges.data(), kBins, counts.data(), options);
  std::vector<double> expected(kBins, 0.0);
  expected[0] = static_cast<double>((values.size() + 3) / pattern.size());
  CHECK_EQ(counts == expected, true);
}

TEST(CudaFollowUpsGo) {
  const std::string follow =
      "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (cudaError 35: x)";
  CHECK_EQ(WithoutCudaFollowUp("reason\n" + follow), "reason");
  CHECK_EQ(WithoutCudaFollowUp(follow), "");
  CHECK_EQ(WithoutCudaFollowUp("one\ntwo\n"), "one\ntwo");
}

TEST(CallLogKeepsWarningsErrorsAndTheLayerReport) {
  CallLog log;
  log.Add(Severity::kInfo, "info");
  log.Add(Severity::kVerbose, "verbose");
  log.Add(Severity::kVerbose, "Layers:\nName: a");
  log.Add(Severity::kWarning, "warning");
  log.Add(Severity::kWarning, "The logger passed into createInferBuilder differs");
  log.Add(Severity::kError, "bad \xFF name");
  log.Add(Severity::kError, "[x::catchCudaError::250] Error Code 1: Cuda Runtime (cudaError 35)");
  const std::vector<LogLine> lines = log.Lines();
  CHECK_EQ(lines.size(), size_t{2});
  CHECK_EQ(lines[0].text, "warning");
  CHECK_EQ(lines[1].text, "bad \xEF\xBF\xBD name");
  CHECK_EQ(log.LayerReport(), "Layers:\nName: a");
  CHECK_EQ(log.FirstError(), lines[1].text);
  CHECK_EQ(log.Says("warn"), true);
  CHECK_EQ(log.Says("info"), false);
}

TEST(ACudaErrorThatFollowsNothingStays) {
  CallLog log;
  log.Add(Severity::kError, "[x::catchCudaError::250] Error Code 1: Cuda Runtime (cudaError 35)");
  CHECK_EQ(log.Lines().size(), size_t{1});
}

TEST(ALogHasBounds) {
  CallLog log;
  const std::string line(100000, 'x');
  for (int i = 0; i < 2000; ++i) log.Add(Severity::kWarning, line);
  CHECK_EQ(log.Lines().size(), size_t{1000});
  CHECK_EQ(log.Lines()[0].text.size(), size_t{8192});
}

TEST(ALoggerWithoutLeaseDropsWhatItIsTold) {
  CallLog log;
  nvinfer1::ILogger* logger = nullptr;
  {
    const LoggerLease lease(log);
    logger = &lease.logger();
    logger->log(nvinfer1::ILogger::Severity::kERROR, "first");
    logger->log(nvinfer1::ILogger::Severity::kERROR, nullptr);
  }
  logger->log(nvinfer1::ILogger::Severity::kERROR, "second");
  CHECK_EQ(log.Lines().size(), size_t{1});
}

TEST(VersionsChooseFamilies) {
  CHECK_EQ(VersionText(8601), "8.6.1");
  CHECK_EQ(VersionText(101501), "10.15.1");
  CHECK_EQ(VersionText(10701), "1.7.1");
  CHECK_EQ(FamilyOfVersion(8601), "tensorrt8");
  CHECK_EQ(FamilyOfVersion(8502), "");
  CHECK_EQ(FamilyOfVersion(10401), "");
  CHECK_EQ(FamilyOfVersion(10500), "tensorrt_rtx");
  CHECK_EQ(FamilyOfVersion(100000), "tensorrt10");
  CHECK_EQ(FamilyOfVersion(110400), "tensorrt11");
  CHECK_EQ(FamilyOfVersion(120000), "");
}

TEST(LibrariesThatAreNotThereHaveACode) {
  try {
    LibraryVersionOf("/nonexistent/libnvinfer.so.10");
    CHECK_EQ(std::string("no error"), "LIBRARY_NOT_FOUND");
  } catch (const Error& error) {
    CHECK_EQ(error.code(), "LIBRARY_NOT_FOUND");
    CHECK_CONTAINS(error.what(), "/nonexistent/libnvinfer.so.10");
  }
  try {
    LibraryVersionOf("libm.so.6");
    CHECK_EQ(std::string("no error"), "LIBRARY_INCOMPATIBLE");
  } catch (const Error& error) {
    CHECK_EQ(error.code(), "LIBRARY_INCOMPATIBLE");
  }
  try {
    const CudaDriver driver("/nonexistent/libcuda.so.1");
    CHECK_EQ(std::string("no error"), "DEVICE_NOT_FOUND");
  } catch (const Error& error) {
    CHECK_EQ(error.code(), "DEVICE_NOT_FOUND");
  }
}

TEST(LibrariesMove) {
  SharedLibrary a("libm.so.6", SharedLibrary::Lifetime::kOwner);
  SharedLibrary b(std::move(a));
  CHECK_EQ(static_cast<bool>(b), true);
  SharedLibrary c;
  c = std::move(b);
  CHECK_EQ(c.Get<double(double)>("cos")(0.0), 1.0);
  CHECK_EQ(c.Find<void()>("no_such_function") == nullptr, true);
}

TEST(PixelsStayWithinTheirArrays) {
  for (size_t pixels : {size_t{0}, size_t{1}, size_t{7}, size_t{33}}) {
    const std::vector<uint8_t> source(pixels * 3, 51);
    std::vector<float> target(pixels * 3);
    PixelOptions options;
    options.divisor = 255.0F;
    InterleavedToPlanar(source.data(), target.data(), pixels, options);
    for (const float value : target) CHECK_EQ(value, 51.0F / 255.0F);
    options.has_mean = options.has_std = options.bgr = true;
    options.mean = {0.1F, 0.2F, 0.3F};
    options.std = {0.5F, 0.25F, 2.0F};
    InterleavedToPlanar(source.data(), target.data(), pixels, options);
    for (size_t i = 0; i < target.size(); ++i) {
      const size_t plane = i / pixels;
      CHECK_EQ(target[i], (51.0F / 255.0F - options.mean[plane]) / options.std[plane]);
    }
  }
}

TEST(ResampleAveragesAndChecksItsPlan) {
  // Two columns become one: half of each, in units of 2^-22.
  const std::vector<uint8_t> source = {0, 10, 20, 100, 110, 121, 200, 210, 220, 255, 255, 255};
  const std::array<int32_t, 1> first = {0};
  const std::array<int32_t, 1> size = {2};
  const std::array<int32_t, 2> half = {1 << 21, 1 << 21};
  std::vector<uint8_t> target(3);
  ResamplePlan plan;
  plan.source = source.data();
  plan.width = plan.height = 2;
  plan.target = target.data();
  plan.kept_width = plan.kept_height = 1;
  plan.across = plan.down = {first.data(), size.data(), half.data(), 2, 1};
  CHECK_EQ(IsValid(plan), true);
  Resample(plan);
  // (0+100)/2 = 50, (200+255)/2 = 227.5 → 228, (50+228)/2 = 139; and so on.
  CHECK_EQ(int{target[0]}, 139);
  CHECK_EQ(int{target[1]}, 147);
  CHECK_EQ(int{target[2]}, 155);
  plan.left = 1;
  CHECK_EQ(IsValid(plan), false);
  plan.left = 0;
  plan.height = 1;
  CHECK_EQ(IsValid(plan), false);
}

}  // namespace trtn
