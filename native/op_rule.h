// The op table as data: the types of native/op_rules.h, which is written from src/engine/ops.ts.
#pragma once
#include <cstdint>

namespace fettle {

// As src/engine/op-entry.ts explains them.
enum class ArgumentType { act, stream, parameter, weight, table, float32, int32 };
enum class AttributeKind { none, number, count, flag, list };

// May be absent; is made for the vjp, and has no gradient of its own; is an input that the op changes.
constexpr int kOptional = 1, kAuxiliary = 2, kChanges = 4;

struct ArgumentRule {
  const char* name;
  ArgumentType type;
  int flags;
  int rank;              // −1: any
  const char* shape[4];  // expressions of sizes
  int from;              // integers that are places in a dimension are `from` at least,
  const char* below;     // and below this size; null: any integers
};

struct AttributeRule {
  const char* name;
  AttributeKind kind;
};

struct OpRule {
  const ArgumentRule* arguments;  // inputs, then outputs
  int inputs, outputs;
  AttributeRule attributes[8];
  // Of the vjp: the inputs that have a gradient; for each setting of the flags (the first is the lowest bit) and each gradient
  // the arguments that it needs, as bits; the outputs whose gradient it is given, as bits; the output that it makes again, or −1.
  int gradientCount, gradients[6];
  uint32_t needs[4 * 6];
  uint32_t given;
  int remade;
};

}  // namespace fettle
