#include "special_checks.h"

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

namespace fettle {

void refuseCommand(const ProgramCommand& command, const std::string& found, const std::string& expected) {
  throw std::invalid_argument(std::string(kOpNames[int(command.op)]) + (command.vjp ? ".vjp" : "") + ": " + found + "; expected " +
                              expected);
}

namespace {

class SpecialCheck {
 public:
  SpecialCheck(const ProgramCommand& command, const Sizes& sizes) : command_(command), sizes_(sizes) {}

  void run() const {
    switch (command_.op) {
      case Op::rope:
        if (sizeOf("headDim") < 0 || sizeOf("heads") < 0 || sizeOf("rotaryDim") > sizeOf("headDim") || sizeOf("rotaryDim") % 2 != 0 || sizeOf("heads") * sizeOf("headDim") > sizeOf("C"))
          fail("heads that do not fit: " + sizes_.text(), "an even rotaryDim of at most headDim, and heads * headDim of at most C");
        break;
      case Op::qkNorm: {
        const int64_t values = sizeOf("valueWidth"), parts = sizeOf("valueParts"), given = sizeOf("givenWidth");
        if (parts > 0 && values % parts != 0) fail("values in parts of no equal width: " + sizes_.text(), "valueParts that divide valueWidth");
        if (given != values && (given != 0 || values > sizeOf("keyParts") * sizeOf("keyWidth")))
          fail("values that are not there: " + sizes_.text(), "givenWidth of valueWidth, or of 0 and at most as many values as keys");
        break;
      }
      case Op::joinColumns:
        // A vjp that makes only the gradient of x does not know C, and needs no columns.
        if (sizeOf("first") < 0 || (sizes_.find("C") && sizeOf("first") + sizeOf("width") > sizeOf("C"))) fail("columns that are not there: " + sizes_.text(), "first + width of at most C");
        break;
      case Op::gateColumns:
        if (sizeOf("first") < 0 || sizeOf("first") + sizeOf("I") > sizeOf("C")) fail("columns that are not there: " + sizes_.text(), "first + I of at most C");
        break;
      case Op::attention:
      case Op::cachedAttention:
        if (sizeOf("window") < 0) fail("a window of " + std::to_string(sizeOf("window")), "0 or more");
        if (sizeOf("keyHeads") < 1 || sizeOf("queryHeads") % sizeOf("keyHeads") != 0)
          fail("heads in no groups: " + sizes_.text(), "as many query heads for each key head");
        break;
      case Op::linear: checkLinear(); break;
      case Op::causalConv:
      case Op::cachedCausalConv:
        if (sizeOf("parts") != 1 && sizeOf("parts") != 3) fail(std::to_string(sizeOf("parts")) + " parts", "1 or 3");
        break;
      case Op::gatedDelta:
      case Op::cachedGatedDelta:
        if (sizeOf("keyHeads") < 1 || sizeOf("valueHeads") % sizeOf("keyHeads") != 0)
          fail("heads in no groups: " + sizes_.text(), "as many value heads for each key head");
        break;
      case Op::route:
        if (sizeOf("topK") < 1 || sizeOf("topK") > sizeOf("E")) fail("topK of " + std::to_string(sizeOf("topK")), "1 to the number of experts: " + sizes_.text());
        break;
      case Op::dispatch:
      case Op::combine:
        if (sizeOf("R") % sizeOf("M") != 0) fail("rows that are not as many for each token: " + sizes_.text(), "a multiple of M");
        break;
      case Op::expertLinear: checkExpertLinear(); break;
      default: break;
    }
  }

 private:
  [[noreturn]] void fail(const std::string& found, const std::string& expected) const { refuseCommand(command_, found, expected); }

  int64_t sizeOf(const char* name) const {
    const int64_t* size = sizes_.find(name);
    return size ? *size : 0;
  }

  void checkLinear() const {
    const double dropout = command_.attributes[1];
    if (!(dropout >= 0 && dropout < 1)) fail("dropout " + std::to_string(dropout), "0 or more, and less than 1");
    const Call& call = command_.call;
    const Tensor *weight = call.in[1], *loraA = call.in[4], *loraB = call.in[5];
    if (!loraA != !loraB) fail("one of 'loraA' and 'loraB'", "both or none");
    if (loraA && command_.vjp && call.out[4] && !call.in[8]) fail("'t' is missing", "a tensor, for the gradient of 'loraB'");
    const std::vector<double>& values = command_.attributes;
    if (int64_t(values[4]) % 3 != 0) fail("segments of " + std::to_string(int64_t(values[4])) + " numbers", "three each");
    int64_t row = 0, ranks = 0;
    for (size_t i = 5; i < values.size(); i += 3) {
      for (const double value : {values[i], values[i + 1]})
        if (!(value >= 0 && value <= kMostCount && value == std::floor(value))) fail("segment of " + std::to_string(value), "whole rows and ranks");
      checkGroups(weight, row, row + int64_t(values[i]));
      row += int64_t(values[i]);
      ranks += int64_t(values[i + 1]);
      if (loraB && int64_t(values[i + 1]) > loraB->shape[1]) fail("a segment of a larger rank than 'loraB' has columns", sizes_.text());
    }
    if (row > sizeOf("N")) fail("segments of " + std::to_string(row) + " rows", sizes_.text());
    checkGroups(weight, row, sizeOf("N"));
    if (loraA && ranks != loraA->shape[0]) fail("segments of rank " + std::to_string(ranks) + " in all", sizes_.text());
  }

  void checkExpertLinear() const {
    const Call& call = command_.call;
    const Tensor *weight = call.in[2], *loraA = call.in[5], *loraB = call.in[6];
    if (!loraA != !loraB) fail("one of 'loraA' and 'loraB'", "both or none");
    if (loraA && command_.vjp && call.out[5] && !call.in[8]) fail("'t' is missing", "a tensor, for the gradient of 'loraB'");
    if (sizeOf("width") < 1) fail("experts without outputs", sizes_.text());
    for (int64_t e = 0; e < sizeOf("E"); e++) checkGroups(weight, e * sizeOf("width"), (e + 1) * sizeOf("width"));
  }

  // Quantised rows lie in groups: a segment begins with one, and so do the blocks in it.
  void checkGroups(const Tensor* weight, int64_t begin, int64_t end) const {
    if (!weight || !isGrouped(weight->dtype) || begin >= end || begin >= weight->shape[0]) return;
    int64_t start = 0;
    for (int b = 0; b < weight->blockCount; b++) {
      const int64_t first = weight->blocks[b].firstRow;
      if (first <= begin) start = first;
      else if (first < end && (first - begin) % kGroupRows != 0) fail("a part of 'weight' that begins inside of a group of rows", "parts of whole groups");
    }
    if ((begin - start) % kGroupRows != 0) fail("a segment that begins inside of a group of rows of 'weight'", "one that begins with a group");
  }

  const ProgramCommand& command_;
  const Sizes& sizes_;
};

}  // namespace

void checkSpecially(const ProgramCommand& command, const Sizes& sizes) { SpecialCheck(command, sizes).run(); }

}  // namespace fettle
