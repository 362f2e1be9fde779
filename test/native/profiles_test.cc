#include <optional>

#include "check.h"
#include "core/error.h"
#include "core/profiles.h"

namespace trtn {
namespace {

const std::vector<TensorInfo> kInputs = {{"image", "float32", {-1, 3, 32, 32}, false},
                                         {"fixed", "float32", {2, 4}, false},
                                         {"sizes", "int32", {2}, true}};
const InputRange kImage = {"image", {1, 3, 32, 32}, {2, 3, 32, 32}, {4, 3, 32, 32}};
const InputRange kSizes = {"sizes", {1, 1}, {8, 8}, {16, 16}};

// The message of the refusal, empty when there was none.
std::string Refusal(const std::vector<Profile>& profiles) {
  try {
    CheckProfiles(kInputs, profiles);
    return {};
  } catch (const Error& error) {
    CHECK_EQ(error.code(), "PROFILE_INVALID");
    return error.what();
  }
}

}  // namespace

TEST(GoodProfilesPass) {
  CHECK_EQ(Refusal({{kImage, kSizes}}), "");
  CHECK_EQ(Refusal({{kImage, kSizes}, {kImage, kSizes, {"fixed", {2, 4}, {2, 4}, {2, 4}}}}), "");
}

TEST(ProfilesThatDoNotFitNameTheTensor) {
  CHECK_CONTAINS(Refusal({}), "\"image\" has dynamic dimensions [-1, 3, 32, 32]");
  CHECK_CONTAINS(Refusal({{kImage}}), "lacks input \"sizes\"");
  CHECK_CONTAINS(Refusal({{kImage, kSizes}, {kSizes}}), "profile 1 lacks input \"image\"");
  CHECK_CONTAINS(Refusal({{kImage, kImage, kSizes}}), "\"image\" twice");
  InputRange range = kImage;
  range.name = "other";
  CHECK_CONTAINS(Refusal({{range}}), "\"other\", which is no input");
  range = kImage;
  range.max.pop_back();
  CHECK_CONTAINS(Refusal({{range, kSizes}}), "the ranks differ");
  range = kImage;
  range.opt[1] = 4;
  CHECK_CONTAINS(Refusal({{range, kSizes}}), "dimension 1 is fixed");
  range = kImage;
  range.min[0] = 3;
  CHECK_CONTAINS(Refusal({{range, kSizes}}), "MIN <= OPT <= MAX does not hold in dimension 0");
  range = kImage;
  range.max[0] = int64_t{1} << 40;
  CHECK_CONTAINS(Refusal({{range, kSizes}}), "out of range");
  range = kSizes;
  range.min = {1};
  CHECK_CONTAINS(Refusal({{kImage, range}}), "different ranks");
}

}  // namespace trtn
