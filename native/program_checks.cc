#include "program_checks.h"

#include <cmath>
#include <string>

#include "op_rules.h"
#include "sizes.h"
#include "special_checks.h"

namespace fettle {

static_assert(sizeof kOpRules / sizeof *kOpRules == kOpCount, "a rule for each op");

namespace {

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
    checkSpecially(command_, sizes_);
    addIntegerChecks();
  }

 private:
  [[noreturn]] void fail(const std::string& found, const std::string& expected) const {
    refuseCommand(command_, found, expected);
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
