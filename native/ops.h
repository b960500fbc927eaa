// Opcodes, in the order of the op table in src/engine/ops.ts, where each op's formula, shapes and arguments are written.
#pragma once

namespace fettle {

#define FETTLE_OPS(X) \
  X(embedding) X(selectRows) X(rmsNorm) X(qkNorm) X(rope) X(attention) X(cachedAttention) X(copySlots) X(linear) \
  X(swiglu) X(targetLogProbs) X(scaleRows) X(argmax) X(fill) X(gradNorm) X(adamw)

enum class Op : int {
#define X(name) name,
  FETTLE_OPS(X)
#undef X
};

constexpr const char* kOpNames[] = {
#define X(name) #name,
    FETTLE_OPS(X)
#undef X
};
constexpr int kOpCount = sizeof(kOpNames) / sizeof(kOpNames[0]);

}  // namespace fettle
