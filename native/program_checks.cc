#include "program_checks.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "op_rules.h"
#include "sizes.h"

namespace fettle {

static_assert(sizeof kOpRules / sizeof *kOpRules == kOpCount, "a rule for each op");

namespace {

// More than any attribute counts; products of two and a factor stay within 64 bits.
constexpr double kMostCount = 1 << 30;

// An argument of a command, and what must be so of it.
struct Subject {
  const ArgumentRule* rule;
  const ProgramTensor* tensor;  // null: absent
  bool isNeeded, isWritten, isGradient;
};

// The rules of an op with their sizes read.
struct ReadRule {
  std::vector<std::vector<Size>> shapes;
  std::vector<std::vector<Size>> below;  // none or one
  bool isInShape(std::string_view name) const {
    for (const auto& shape : shapes)
      for (const Size& size : shape)
        for (const Size::Term& term : size.terms())
          for (const auto other : term.names)
            if (other == name) return true;
    return false;
  }
  explicit ReadRule(const OpRule& rule) {
    for (int i = 0; i < rule.inputs + rule.outputs; i++) {
      const ArgumentRule& argument = rule.arguments[i];
      std::vector<Size> sizes;
      for (int d = 0; d < argument.rank; d++) sizes.emplace_back(argument.shape[d]);
      shapes.push_back(std::move(sizes));
      below.emplace_back();
      if (argument.below) below.back().emplace_back(argument.below);
    }
  }
};

const ReadRule& readRuleOf(Op op) {
  static const std::vector<ReadRule> all = [] {
    std::vector<ReadRule> read;
    for (const OpRule* rule : kOpRules) read.emplace_back(*rule);
    return read;
  }();
  return all[size_t(op)];
}

std::string shapeText(const Tensor& tensor) {
  std::string text = "[";
  for (int d = 0; d < tensor.rank; d++) text += (d ? ", " : "") + std::to_string(tensor.shape[d]);
  return text + "]";
}

class CommandCheck {
 public:
  CommandCheck(ProgramCommand& command, const CommandTensors& tensors)
      : command_(command), tensors_(tensors), rule_(*kOpRules[size_t(command.op)]), read_(readRuleOf(command.op)) {}

  void run() {
    checkAttributes();
    if (command_.vjp) collectVjp();
    else collectForward();
    for (const Subject& subject : subjects_) checkPresence(subject);
    for (const Subject& subject : subjects_) {
      if (!subject.tensor) continue;
      checkType(subject);
      checkShape(subject);
      checkMemory(subject);
    }
    checkSpecially();
    addIntegerChecks();
  }

 private:
  [[noreturn]] void fail(const std::string& found, const std::string& expected) const {
    throw std::invalid_argument(std::string(kOpNames[int(command_.op)]) + (command_.vjp ? ".vjp" : "") + ": " + found +
                                "; expected " + expected);
  }
  static std::string quoted(const Subject& subject) {
    return std::string("'") + (subject.isGradient ? "gradient of " : "") + subject.rule->name + "'";
  }

  void checkAttributes() {
    const std::vector<double>& values = command_.attributes;
    size_t at = 0;
    int flags = 0;
    for (const AttributeRule& attribute : rule_.attributes) {
      if (attribute.kind == AttributeKind::none) break;
      const std::string name = std::string("attribute ") + attribute.name;
      if (at >= values.size()) fail("no " + name, "one");
      const double value = values[at++];
      const bool isWhole = std::fabs(value) <= kMostCount && value == std::floor(value), isCount = isWhole && value >= 0;
      switch (attribute.kind) {
        case AttributeKind::count:
          // A seed may be negative; what sizes are made of may not.
          if (!(read_.isInShape(attribute.name) ? isCount : isWhole)) fail(name + " is " + std::to_string(value), "a whole number, of a size 0 or more");
          sizes_.set(attribute.name, int64_t(value), {});
          break;
        case AttributeKind::flag:
          if (value != 0 && value != 1) fail(name + " is " + std::to_string(value), "0 or 1");
          setting_ |= int(value) << flags++;
          break;
        case AttributeKind::list:
          if (!isCount || value > double(values.size() - at)) fail(name + " has " + std::to_string(value) + " numbers", "those that follow");
          at += size_t(value);
          break;
        case AttributeKind::number:
        case AttributeKind::none: break;
      }
    }
    if (at != values.size()) fail(std::to_string(values.size()) + " attributes", std::to_string(at));
  }

  static const ProgramTensor* at(const std::vector<const ProgramTensor*>& list, int i) {
    return size_t(i) < list.size() ? list[size_t(i)] : nullptr;
  }
  void checkCounts(int inputs, int outputs) {
    if (tensors_.inputs.size() > size_t(inputs)) fail(std::to_string(tensors_.inputs.size()) + " inputs", std::to_string(inputs) + " at most");
    if (tensors_.outputs.size() > size_t(outputs)) fail(std::to_string(tensors_.outputs.size()) + " outputs", std::to_string(outputs) + " at most");
  }

  void collectForward() {
    checkCounts(rule_.inputs, rule_.outputs);
    for (int i = 0; i < rule_.inputs + rule_.outputs; i++) {
      const ArgumentRule& argument = rule_.arguments[i];
      const bool isInput = i < rule_.inputs;
      subjects_.push_back({&argument, isInput ? at(tensors_.inputs, i) : at(tensors_.outputs, i - rule_.inputs),
                           !(argument.flags & (kOptional | kAuxiliary)), !isInput || (argument.flags & kChanges), false});
    }
  }

  // Forward arguments, then gradients that are given, then those that are made, and what is made again.
  void collectVjp() {
    const int forward = rule_.inputs + rule_.outputs;
    checkCounts(forward + rule_.outputs, rule_.gradientCount + (rule_.remade >= 0 ? 1 : 0));
    uint32_t needed = 0;
    for (int g = 0; g < rule_.gradientCount; g++)
      if (at(tensors_.outputs, g)) needed |= rule_.needs[setting_ * rule_.gradientCount + g];
    for (int i = 0; i < forward; i++) {
      const ArgumentRule& argument = rule_.arguments[i];
      subjects_.push_back({&argument, at(tensors_.inputs, i), (needed >> i & 1) && !(argument.flags & kOptional), false, false});
    }
    for (int o = 0; o < rule_.outputs; o++)
      subjects_.push_back({&rule_.arguments[rule_.inputs + o], at(tensors_.inputs, forward + o), (rule_.given >> o & 1) != 0, false, true});
    for (int g = 0; g < rule_.gradientCount; g++)
      subjects_.push_back({&rule_.arguments[rule_.gradients[g]], at(tensors_.outputs, g), false, true, true});
    if (rule_.remade >= 0)
      subjects_.push_back({&rule_.arguments[rule_.inputs + rule_.remade], at(tensors_.outputs, rule_.gradientCount), false, true, false});
  }

  void checkPresence(const Subject& subject) const {
    if (subject.isNeeded && !subject.tensor) fail(quoted(subject) + " is missing", "a tensor");
  }

  void checkType(const Subject& subject) {
    const DType dtype = subject.tensor->tensor.dtype;
    const bool isFloat = dtype == DType::f32 || dtype == DType::bf16;
    const ArgumentType type = subject.rule->type;
    const auto expect = [&](bool fits, const char* expected) {
      if (!fits) fail(quoted(subject) + " is " + kDTypeNames[int(dtype)], expected);
    };
    switch (type) {
      case ArgumentType::act:
        expect(isFloat, "float32 or bfloat16");
        if (!act_) act_ = &subject.tensor->tensor;
        expect(dtype == act_->dtype, kDTypeNames[int(act_->dtype)]);
        break;
      // An op of any shape fills integers, too.
      case ArgumentType::stream: expect(isFloat || (subject.rule->rank < 0 && dtype == DType::i32), "float32 or bfloat16"); break;
      case ArgumentType::parameter:
      case ArgumentType::weight:
      case ArgumentType::table:
        if (subject.isGradient) expect(dtype == DType::f32, "float32");
        else expect(isFloat || (type == ArgumentType::weight && isQuantised(dtype)) || (type == ArgumentType::table && dtype == DType::blocks),
                    "numbers of a weight");
        break;
      case ArgumentType::float32: expect(dtype == DType::f32, "float32"); break;
      case ArgumentType::int32: expect(dtype == DType::i32, "int32"); break;
    }
  }

  void checkShape(const Subject& subject) {
    const Tensor& tensor = subject.tensor->tensor;
    bool fits = subject.rule->rank < 0 || tensor.rank == subject.rule->rank;
    for (int d = 0; d < tensor.rank; d++) fits = fits && tensor.shape[d] >= 1;
    const std::vector<Size>& shape = read_.shapes[size_t(subject.rule - rule_.arguments)];
    for (size_t d = 0; fits && d < shape.size(); d++) fits = sizes_.fits(shape[d], tensor.shape[d], {&tensor, int(d)});
    if (fits) return;
    std::string expected = "[";
    for (int d = 0; d < subject.rule->rank; d++) expected += (d ? ", " : "") + std::string(subject.rule->shape[d]);
    fail(quoted(subject) + " has shape " + shapeText(tensor), expected + "] without zeros, " + sizes_.text());
  }

  // Only matrices that are read row by row may have several blocks, and nobody writes to a file.
  void checkMemory(const Subject& subject) const {
    const Persistent* persistent = subject.tensor->persistent.get();
    if (!persistent) return;
    const bool isStack = !subject.isWritten && subject.rule->rank == 2 &&
                         (subject.rule->type == ArgumentType::weight || subject.rule->type == ArgumentType::parameter);
    if (persistent->blocks.size() != 1 && !isStack) fail(quoted(subject) + " has several parts", "one");
    if (subject.isWritten && persistent->isReadOnly) fail(quoted(subject) + " is mapped from a file", "a tensor to write to");
  }

  int64_t sizeOf(const char* name) const {
    const int64_t* size = sizes_.find(name);
    return size ? *size : 0;
  }

  // What kernels take for granted besides.
  void checkSpecially() const {
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

  void addIntegerChecks() {
    for (const Subject& subject : subjects_) {
      if (!subject.tensor || subject.isWritten || !subject.rule->below) continue;
      for (const Subject& other : subjects_)
        if (other.isWritten && other.tensor && overlap(*other.tensor, *subject.tensor))
          fail(quoted(other) + " lies over " + quoted(subject), "memory of its own");
      // `C`, or `C + 1`
      const Size& below = read_.below[size_t(subject.rule - rule_.arguments)][0];
      IntegerCheck check{&subject.tensor->tensor, subject.rule->name, subject.rule->from, 0, nullptr, 0, 0};
      for (const Subject& other : subjects_)
        if (other.rule->rank > 0 && std::string_view(other.rule->shape[0]) == subject.rule->shape[0] && mayHaveMoreRows(other, subject))
          check.leastCount = subject.tensor->compiledRows;
      for (const Size::Term& term : below.terms()) {
        if (term.names.empty()) check.below += term.factor;
        else {
          const Sizes::Place place = sizes_.placeOf(term.names[0]);
          if (!place.tensor) fail("no size " + std::string(term.names[0]), "a tensor that has it");
          check.place = place.tensor;
          check.dimension = place.dimension;
        }
      }
      command_.integers.push_back(check);
    }
  }

  // Whether a run may leave a tensor more rows than another one, which has as many as compiled: its kernel may go through all of them.
  static bool mayHaveMoreRows(const Subject& subject, const Subject& than) {
    return subject.tensor && (subject.tensor->symbol != than.tensor->symbol || subject.tensor->rowsOfEach != than.tensor->rowsOfEach);
  }

  static bool overlap(const ProgramTensor& a, const ProgramTensor& b) {
    if ((a.arenaOffset < 0) != (b.arenaOffset < 0)) return false;
    const auto begin = [](const ProgramTensor& t) {
      return t.arenaOffset >= 0 ? uint64_t(t.arenaOffset) : t.persistent->blocks.empty() ? 0 : uint64_t(uintptr_t(t.persistent->blocks[0].data));
    };
    const auto end = [&](const ProgramTensor& t) { return begin(t) + uint64_t(t.tensor.size()) * bytesOf(t.tensor.dtype); };
    return begin(a) < end(b) && begin(b) < end(a);
  }

  ProgramCommand& command_;
  const CommandTensors& tensors_;
  const OpRule& rule_;
  const ReadRule& read_;
  Sizes sizes_;
  const Tensor* act_ = nullptr;
  int setting_ = 0;  // of the flags
  std::vector<Subject> subjects_;
};

}  // namespace

void checkCommand(ProgramCommand& command, const CommandTensors& tensors) { CommandCheck(command, tensors).run(); }

}  // namespace fettle
