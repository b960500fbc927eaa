// The op table as C++. Written by `npm run generate` from src/engine/ops.ts, where each op's formula, shapes and arguments stand.
#pragma once
#include "call.h"

namespace fettle {

// Of the table that this file was written from.
constexpr char kTableHash[] = "1703865e2de22a73";

#define FETTLE_OPS(X) \
  X(embedding) X(selectRows) X(rmsNorm) X(layerNorm) X(cast) X(addScaled) X(scaleBy) X(addNoise) X(dropout) X(qkNorm) \
  X(joinColumns) X(rope) X(attention) X(cachedAttention) X(causalConv) X(cachedCausalConv) X(gatedDelta) \
  X(cachedGatedDelta) X(gatedNorm) X(splitGates) X(sigmoidGate) X(copySlots) X(linear) X(scaleColumns) X(inverseNorms) \
  X(glu) X(gateColumns) X(activation) X(route) X(scaleExperts) X(dispatch) X(expertLinear) X(expertGlu) X(combine) \
  X(sigmoid) X(countExperts) X(balanceLoss) X(capLogits) X(targetLogProbs) X(appendColumns) X(adaptedLogProbs) \
  X(scoreRows) X(scaleRows) X(argmax) X(fill) X(gradNorm) X(adamw) X(sgd) X(lion) X(adamw8bit) X(lion8bit) \
  X(adafactor) X(muon)
#define FETTLE_DIFFERENTIABLE_OPS(X) \
  X(embedding) X(selectRows) X(rmsNorm) X(layerNorm) X(cast) X(addScaled) X(scaleBy) X(dropout) X(qkNorm) \
  X(joinColumns) X(rope) X(attention) X(causalConv) X(gatedDelta) X(gatedNorm) X(splitGates) X(sigmoidGate) X(linear) \
  X(scaleColumns) X(glu) X(gateColumns) X(activation) X(route) X(scaleExperts) X(dispatch) X(expertLinear) \
  X(expertGlu) X(combine) X(sigmoid) X(countExperts) X(targetLogProbs) X(appendColumns) X(adaptedLogProbs) \
  X(scoreRows)

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

// What is a pointer may be absent.
namespace args {

static_assert(kMaxArguments >= 13, "call.h");

struct Embedding : Arguments {
  using Arguments::Arguments;
  const Tensor& ids() const { return *call.in[0]; }
  const Tensor& table() const { return *call.in[1]; }
  const Tensor& y() const { return *call.out[0]; }
  double scale() const { return call.attributes[0]; }
};

struct EmbeddingVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& ids() const { return *call.in[0]; }
  const Tensor& dY() const { return *call.in[3]; }
  const Tensor* dTable() const { return call.out[0]; }
  bool accumulatesTable() const { return call.accumulate[0]; }
  double scale() const { return call.attributes[0]; }
};

struct SelectRows : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& rows() const { return *call.in[1]; }
  const Tensor& y() const { return *call.out[0]; }
};

struct SelectRowsVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& rows() const { return *call.in[1]; }
  const Tensor& dY() const { return *call.in[3]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
};

struct RmsNorm : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& gain() const { return *call.in[1]; }
  const Tensor& y() const { return *call.out[0]; }
  const Tensor* rstd() const { return call.out[1]; }
  double eps() const { return call.attributes[0]; }
  bool fromOutput() const { return call.attributes[1] != 0; }
};

struct RmsNormVjp : Arguments {
  using Arguments::Arguments;
  const Tensor* x() const { return call.in[0]; }
  const Tensor& gain() const { return *call.in[1]; }
  const Tensor* y() const { return call.in[2]; }
  const Tensor& rstd() const { return *call.in[3]; }
  const Tensor& dY() const { return *call.in[4]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
  const Tensor* dGain() const { return call.out[1]; }
  bool accumulatesGain() const { return call.accumulate[1]; }
  double eps() const { return call.attributes[0]; }
  bool fromOutput() const { return call.attributes[1] != 0; }
};

struct LayerNorm : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& gain() const { return *call.in[1]; }
  const Tensor& bias() const { return *call.in[2]; }
  const Tensor& y() const { return *call.out[0]; }
  const Tensor* mean() const { return call.out[1]; }
  const Tensor* rstd() const { return call.out[2]; }
  double eps() const { return call.attributes[0]; }
};

struct LayerNormVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& gain() const { return *call.in[1]; }
  const Tensor& mean() const { return *call.in[4]; }
  const Tensor& rstd() const { return *call.in[5]; }
  const Tensor& dY() const { return *call.in[6]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
  const Tensor* dGain() const { return call.out[1]; }
  bool accumulatesGain() const { return call.accumulate[1]; }
  const Tensor* dBias() const { return call.out[2]; }
  bool accumulatesBias() const { return call.accumulate[2]; }
  double eps() const { return call.attributes[0]; }
};

struct Cast : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& y() const { return *call.out[0]; }
};

struct CastVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& dY() const { return *call.in[2]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
};

struct AddScaled : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& residual() const { return *call.in[1]; }
  const Tensor& y() const { return *call.out[0]; }
  double scale() const { return call.attributes[0]; }
};

struct AddScaledVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& dY() const { return *call.in[3]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
  double scale() const { return call.attributes[0]; }
};

struct ScaleBy : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& factor() const { return *call.in[1]; }
  const Tensor& y() const { return *call.out[0]; }
};

struct ScaleByVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& factor() const { return *call.in[1]; }
  const Tensor& dY() const { return *call.in[3]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
};

struct AddNoise : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& magnitude() const { return *call.in[1]; }
  const Tensor& seed() const { return *call.in[2]; }
  const Tensor& y() const { return *call.out[0]; }
};

struct Dropout : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& dropoutSeed() const { return *call.in[1]; }
  const Tensor& y() const { return *call.out[0]; }
  double dropout() const { return call.attributes[0]; }
  int64_t seed() const { return int64_t(call.attributes[1]); }
  bool rest() const { return call.attributes[2] != 0; }
};

struct DropoutVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& dropoutSeed() const { return *call.in[1]; }
  const Tensor& dY() const { return *call.in[3]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
  double dropout() const { return call.attributes[0]; }
  int64_t seed() const { return int64_t(call.attributes[1]); }
  bool rest() const { return call.attributes[2] != 0; }
};

struct QkNorm : Arguments {
  using Arguments::Arguments;
  const Tensor& qkv() const { return *call.in[0]; }
  const Tensor& qGain() const { return *call.in[1]; }
  const Tensor* kGain() const { return call.in[2]; }
  const Tensor& y() const { return *call.out[0]; }
  const Tensor* rstd() const { return call.out[1]; }
  double eps() const { return call.attributes[0]; }
  int64_t queryParts() const { return int64_t(call.attributes[1]); }
  int64_t queryWidth() const { return int64_t(call.attributes[2]); }
  int64_t keyParts() const { return int64_t(call.attributes[3]); }
  int64_t keyWidth() const { return int64_t(call.attributes[4]); }
  int64_t valueWidth() const { return int64_t(call.attributes[5]); }
  int64_t valueParts() const { return int64_t(call.attributes[6]); }
  int64_t givenWidth() const { return int64_t(call.attributes[7]); }
};

struct QkNormVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& qkv() const { return *call.in[0]; }
  const Tensor& qGain() const { return *call.in[1]; }
  const Tensor* kGain() const { return call.in[2]; }
  const Tensor& rstd() const { return *call.in[4]; }
  const Tensor& dY() const { return *call.in[5]; }
  const Tensor* dQkv() const { return call.out[0]; }
  bool accumulatesQkv() const { return call.accumulate[0]; }
  const Tensor* dQGain() const { return call.out[1]; }
  bool accumulatesQGain() const { return call.accumulate[1]; }
  const Tensor* dKGain() const { return call.out[2]; }
  bool accumulatesKGain() const { return call.accumulate[2]; }
  double eps() const { return call.attributes[0]; }
  int64_t queryParts() const { return int64_t(call.attributes[1]); }
  int64_t queryWidth() const { return int64_t(call.attributes[2]); }
  int64_t keyParts() const { return int64_t(call.attributes[3]); }
  int64_t keyWidth() const { return int64_t(call.attributes[4]); }
  int64_t valueWidth() const { return int64_t(call.attributes[5]); }
  int64_t valueParts() const { return int64_t(call.attributes[6]); }
  int64_t givenWidth() const { return int64_t(call.attributes[7]); }
};

struct JoinColumns : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& from() const { return *call.in[1]; }
  const Tensor& y() const { return *call.out[0]; }
  int64_t first() const { return int64_t(call.attributes[0]); }
  int64_t width() const { return int64_t(call.attributes[1]); }
};

struct JoinColumnsVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& dY() const { return *call.in[3]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
  const Tensor* dFrom() const { return call.out[1]; }
  bool accumulatesFrom() const { return call.accumulate[1]; }
  int64_t first() const { return int64_t(call.attributes[0]); }
  int64_t width() const { return int64_t(call.attributes[1]); }
};

struct Rope : Arguments {
  using Arguments::Arguments;
  const Tensor& qkv() const { return *call.in[0]; }
  const Tensor& positions() const { return *call.in[1]; }
  const Tensor& cos() const { return *call.in[2]; }
  const Tensor& sin() const { return *call.in[3]; }
  const Tensor& y() const { return *call.out[0]; }
  int64_t headDim() const { return int64_t(call.attributes[0]); }
  int64_t rotaryDim() const { return int64_t(call.attributes[1]); }
  int64_t firstHead() const { return int64_t(call.attributes[2]); }
  int64_t heads() const { return int64_t(call.attributes[3]); }
};

struct RopeVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& positions() const { return *call.in[1]; }
  const Tensor& cos() const { return *call.in[2]; }
  const Tensor& sin() const { return *call.in[3]; }
  const Tensor& dY() const { return *call.in[5]; }
  const Tensor* dQkv() const { return call.out[0]; }
  bool accumulatesQkv() const { return call.accumulate[0]; }
  int64_t headDim() const { return int64_t(call.attributes[0]); }
  int64_t rotaryDim() const { return int64_t(call.attributes[1]); }
  int64_t firstHead() const { return int64_t(call.attributes[2]); }
  int64_t heads() const { return int64_t(call.attributes[3]); }
};

struct Attention : Arguments {
  using Arguments::Arguments;
  const Tensor& qkv() const { return *call.in[0]; }
  const Tensor& starts() const { return *call.in[1]; }
  const Tensor* sinks() const { return call.in[2]; }
  const Tensor& o() const { return *call.out[0]; }
  const Tensor* lse() const { return call.out[1]; }
  int64_t headDim() const { return int64_t(call.attributes[0]); }
  int64_t queryHeads() const { return int64_t(call.attributes[1]); }
  int64_t keyHeads() const { return int64_t(call.attributes[2]); }
  double scale() const { return call.attributes[3]; }
  double cap() const { return call.attributes[4]; }
  int64_t window() const { return int64_t(call.attributes[5]); }
};

struct AttentionVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& qkv() const { return *call.in[0]; }
  const Tensor& starts() const { return *call.in[1]; }
  const Tensor* sinks() const { return call.in[2]; }
  const Tensor& o() const { return *call.in[3]; }
  const Tensor& lse() const { return *call.in[4]; }
  const Tensor& dO() const { return *call.in[5]; }
  const Tensor* dQkv() const { return call.out[0]; }
  bool accumulatesQkv() const { return call.accumulate[0]; }
  const Tensor* dSinks() const { return call.out[1]; }
  bool accumulatesSinks() const { return call.accumulate[1]; }
  int64_t headDim() const { return int64_t(call.attributes[0]); }
  int64_t queryHeads() const { return int64_t(call.attributes[1]); }
  int64_t keyHeads() const { return int64_t(call.attributes[2]); }
  double scale() const { return call.attributes[3]; }
  double cap() const { return call.attributes[4]; }
  int64_t window() const { return int64_t(call.attributes[5]); }
};

struct CachedAttention : Arguments {
  using Arguments::Arguments;
  const Tensor& qkv() const { return *call.in[0]; }
  const Tensor& slots() const { return *call.in[1]; }
  const Tensor& positions() const { return *call.in[2]; }
  const Tensor& keyCache() const { return *call.in[3]; }
  const Tensor& valueCache() const { return *call.in[4]; }
  const Tensor* sinks() const { return call.in[5]; }
  const Tensor& o() const { return *call.out[0]; }
  int64_t headDim() const { return int64_t(call.attributes[0]); }
  int64_t queryHeads() const { return int64_t(call.attributes[1]); }
  int64_t keyHeads() const { return int64_t(call.attributes[2]); }
  double scale() const { return call.attributes[3]; }
  double cap() const { return call.attributes[4]; }
  int64_t window() const { return int64_t(call.attributes[5]); }
};

struct CausalConv : Arguments {
  using Arguments::Arguments;
  const Tensor& weight() const { return *call.in[0]; }
  const Tensor& x() const { return *call.in[1]; }
  const Tensor& starts() const { return *call.in[2]; }
  const Tensor* bias() const { return call.in[3]; }
  const Tensor& y() const { return *call.out[0]; }
  int64_t parts() const { return int64_t(call.attributes[0]); }
  bool silu() const { return call.attributes[1] != 0; }
};

struct CausalConvVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& weight() const { return *call.in[0]; }
  const Tensor& x() const { return *call.in[1]; }
  const Tensor& starts() const { return *call.in[2]; }
  const Tensor* bias() const { return call.in[3]; }
  const Tensor& dY() const { return *call.in[5]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
  const Tensor* dWeight() const { return call.out[1]; }
  bool accumulatesWeight() const { return call.accumulate[1]; }
  const Tensor* dBias() const { return call.out[2]; }
  bool accumulatesBias() const { return call.accumulate[2]; }
  int64_t parts() const { return int64_t(call.attributes[0]); }
  bool silu() const { return call.attributes[1] != 0; }
};

struct CachedCausalConv : Arguments {
  using Arguments::Arguments;
  const Tensor& weight() const { return *call.in[0]; }
  const Tensor& x() const { return *call.in[1]; }
  const Tensor& slots() const { return *call.in[2]; }
  const Tensor& positions() const { return *call.in[3]; }
  const Tensor* bias() const { return call.in[4]; }
  const Tensor& state() const { return *call.in[5]; }
  const Tensor& y() const { return *call.out[0]; }
  int64_t parts() const { return int64_t(call.attributes[0]); }
  bool silu() const { return call.attributes[1] != 0; }
};

struct GatedDelta : Arguments {
  using Arguments::Arguments;
  const Tensor& qkv() const { return *call.in[0]; }
  const Tensor& ba() const { return *call.in[1]; }
  const Tensor& aLog() const { return *call.in[2]; }
  const Tensor& dtBias() const { return *call.in[3]; }
  const Tensor& starts() const { return *call.in[4]; }
  const Tensor& o() const { return *call.out[0]; }
  int64_t keyHeads() const { return int64_t(call.attributes[0]); }
  int64_t keyDim() const { return int64_t(call.attributes[1]); }
  int64_t valueHeads() const { return int64_t(call.attributes[2]); }
  int64_t valueDim() const { return int64_t(call.attributes[3]); }
};

struct GatedDeltaVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& qkv() const { return *call.in[0]; }
  const Tensor& ba() const { return *call.in[1]; }
  const Tensor& aLog() const { return *call.in[2]; }
  const Tensor& dtBias() const { return *call.in[3]; }
  const Tensor& starts() const { return *call.in[4]; }
  const Tensor& dO() const { return *call.in[6]; }
  const Tensor* dQkv() const { return call.out[0]; }
  bool accumulatesQkv() const { return call.accumulate[0]; }
  const Tensor* dBa() const { return call.out[1]; }
  bool accumulatesBa() const { return call.accumulate[1]; }
  const Tensor* dALog() const { return call.out[2]; }
  bool accumulatesALog() const { return call.accumulate[2]; }
  const Tensor* dDtBias() const { return call.out[3]; }
  bool accumulatesDtBias() const { return call.accumulate[3]; }
  int64_t keyHeads() const { return int64_t(call.attributes[0]); }
  int64_t keyDim() const { return int64_t(call.attributes[1]); }
  int64_t valueHeads() const { return int64_t(call.attributes[2]); }
  int64_t valueDim() const { return int64_t(call.attributes[3]); }
};

struct CachedGatedDelta : Arguments {
  using Arguments::Arguments;
  const Tensor& qkv() const { return *call.in[0]; }
  const Tensor& ba() const { return *call.in[1]; }
  const Tensor& aLog() const { return *call.in[2]; }
  const Tensor& dtBias() const { return *call.in[3]; }
  const Tensor& slots() const { return *call.in[4]; }
  const Tensor& positions() const { return *call.in[5]; }
  const Tensor& state() const { return *call.in[6]; }
  const Tensor& o() const { return *call.out[0]; }
  int64_t keyHeads() const { return int64_t(call.attributes[0]); }
  int64_t keyDim() const { return int64_t(call.attributes[1]); }
  int64_t valueHeads() const { return int64_t(call.attributes[2]); }
  int64_t valueDim() const { return int64_t(call.attributes[3]); }
};

struct GatedNorm : Arguments {
  using Arguments::Arguments;
  const Tensor& gain() const { return *call.in[0]; }
  const Tensor& x() const { return *call.in[1]; }
  const Tensor& gate() const { return *call.in[2]; }
  const Tensor& y() const { return *call.out[0]; }
  const Tensor* rstd() const { return call.out[1]; }
  double eps() const { return call.attributes[0]; }
  int64_t parts() const { return int64_t(call.attributes[1]); }
};

struct GatedNormVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& gain() const { return *call.in[0]; }
  const Tensor& x() const { return *call.in[1]; }
  const Tensor& gate() const { return *call.in[2]; }
  const Tensor& rstd() const { return *call.in[4]; }
  const Tensor& dY() const { return *call.in[5]; }
  const Tensor* dGain() const { return call.out[0]; }
  bool accumulatesGain() const { return call.accumulate[0]; }
  const Tensor* dX() const { return call.out[1]; }
  bool accumulatesX() const { return call.accumulate[1]; }
  const Tensor* dGate() const { return call.out[2]; }
  bool accumulatesGate() const { return call.accumulate[2]; }
  double eps() const { return call.attributes[0]; }
  int64_t parts() const { return int64_t(call.attributes[1]); }
};

struct SplitGates : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& y() const { return *call.out[0]; }
  const Tensor& gate() const { return *call.out[1]; }
  int64_t headDim() const { return int64_t(call.attributes[0]); }
  int64_t heads() const { return int64_t(call.attributes[1]); }
  int64_t rest() const { return int64_t(call.attributes[2]); }
};

struct SplitGatesVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& dY() const { return *call.in[3]; }
  const Tensor& dGate() const { return *call.in[4]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
  int64_t headDim() const { return int64_t(call.attributes[0]); }
  int64_t heads() const { return int64_t(call.attributes[1]); }
  int64_t rest() const { return int64_t(call.attributes[2]); }
};

struct SigmoidGate : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& gate() const { return *call.in[1]; }
  const Tensor& y() const { return *call.out[0]; }
};

struct SigmoidGateVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& gate() const { return *call.in[1]; }
  const Tensor& dY() const { return *call.in[3]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
  const Tensor* dGate() const { return call.out[1]; }
  bool accumulatesGate() const { return call.accumulate[1]; }
};

struct CopySlots : Arguments {
  using Arguments::Arguments;
  const Tensor& sources() const { return *call.in[0]; }
  const Tensor& slots() const { return *call.in[1]; }
  const Tensor& counts() const { return *call.in[2]; }
  const Tensor& cache() const { return *call.in[3]; }
};

struct Linear : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& weight() const { return *call.in[1]; }
  const Tensor* bias() const { return call.in[2]; }
  const Tensor* residual() const { return call.in[3]; }
  const Tensor* loraA() const { return call.in[4]; }
  const Tensor* loraB() const { return call.in[5]; }
  const Tensor* dropoutSeed() const { return call.in[6]; }
  const Tensor& y() const { return *call.out[0]; }
  const Tensor* t() const { return call.out[1]; }
  bool float32Output() const { return call.attributes[0] != 0; }
  double dropout() const { return call.attributes[1]; }
  int64_t seed() const { return int64_t(call.attributes[2]); }
  bool int8Activations() const { return call.attributes[3] != 0; }
  List segments() const { return {call.attributes + 5, int(call.attributes[4])}; }
};

struct LinearVjp : Arguments {
  using Arguments::Arguments;
  const Tensor* x() const { return call.in[0]; }
  const Tensor* weight() const { return call.in[1]; }
  const Tensor* loraA() const { return call.in[4]; }
  const Tensor* loraB() const { return call.in[5]; }
  const Tensor* dropoutSeed() const { return call.in[6]; }
  const Tensor* t() const { return call.in[8]; }
  const Tensor& dY() const { return *call.in[9]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
  const Tensor* dWeight() const { return call.out[1]; }
  bool accumulatesWeight() const { return call.accumulate[1]; }
  const Tensor* dBias() const { return call.out[2]; }
  bool accumulatesBias() const { return call.accumulate[2]; }
  const Tensor* dLoraA() const { return call.out[3]; }
  bool accumulatesLoraA() const { return call.accumulate[3]; }
  const Tensor* dLoraB() const { return call.out[4]; }
  bool accumulatesLoraB() const { return call.accumulate[4]; }
  bool float32Output() const { return call.attributes[0] != 0; }
  double dropout() const { return call.attributes[1]; }
  int64_t seed() const { return int64_t(call.attributes[2]); }
  bool int8Activations() const { return call.attributes[3] != 0; }
  List segments() const { return {call.attributes + 5, int(call.attributes[4])}; }
};

struct ScaleColumns : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& magnitude() const { return *call.in[1]; }
  const Tensor& inverseNorms() const { return *call.in[2]; }
  const Tensor* bias() const { return call.in[3]; }
  const Tensor* residual() const { return call.in[4]; }
  const Tensor& y() const { return *call.out[0]; }
};

struct ScaleColumnsVjp : Arguments {
  using Arguments::Arguments;
  const Tensor* x() const { return call.in[0]; }
  const Tensor* magnitude() const { return call.in[1]; }
  const Tensor& inverseNorms() const { return *call.in[2]; }
  const Tensor& dY() const { return *call.in[6]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
  const Tensor* dMagnitude() const { return call.out[1]; }
  bool accumulatesMagnitude() const { return call.accumulate[1]; }
  const Tensor* dBias() const { return call.out[2]; }
  bool accumulatesBias() const { return call.accumulate[2]; }
};

struct InverseNorms : Arguments {
  using Arguments::Arguments;
  const Tensor& squares() const { return *call.in[0]; }
  const Tensor& products() const { return *call.in[1]; }
  const Tensor& loraA() const { return *call.in[2]; }
  const Tensor& loraB() const { return *call.in[3]; }
  const Tensor& y() const { return *call.out[0]; }
  List segments() const { return {call.attributes + 1, int(call.attributes[0])}; }
};

struct Glu : Arguments {
  using Arguments::Arguments;
  const Tensor& gateUp() const { return *call.in[0]; }
  const Tensor& y() const { return *call.out[0]; }
  int64_t activation() const { return int64_t(call.attributes[0]); }
};

struct GluVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& gateUp() const { return *call.in[0]; }
  const Tensor& dY() const { return *call.in[2]; }
  const Tensor* dGateUp() const { return call.out[0]; }
  bool accumulatesGateUp() const { return call.accumulate[0]; }
  const Tensor* remadeY() const { return call.out[1]; }
  int64_t activation() const { return int64_t(call.attributes[0]); }
};

struct GateColumns : Arguments {
  using Arguments::Arguments;
  const Tensor& gate() const { return *call.in[0]; }
  const Tensor& up() const { return *call.in[1]; }
  const Tensor& y() const { return *call.out[0]; }
  int64_t activation() const { return int64_t(call.attributes[0]); }
  int64_t first() const { return int64_t(call.attributes[1]); }
};

struct GateColumnsVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& gate() const { return *call.in[0]; }
  const Tensor& up() const { return *call.in[1]; }
  const Tensor& dY() const { return *call.in[3]; }
  const Tensor* dGate() const { return call.out[0]; }
  bool accumulatesGate() const { return call.accumulate[0]; }
  const Tensor* dUp() const { return call.out[1]; }
  bool accumulatesUp() const { return call.accumulate[1]; }
  int64_t activation() const { return int64_t(call.attributes[0]); }
  int64_t first() const { return int64_t(call.attributes[1]); }
};

struct Activation : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& y() const { return *call.out[0]; }
  int64_t activation() const { return int64_t(call.attributes[0]); }
};

struct ActivationVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& dY() const { return *call.in[2]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
  const Tensor* remadeY() const { return call.out[1]; }
  int64_t activation() const { return int64_t(call.attributes[0]); }
};

struct Route : Arguments {
  using Arguments::Arguments;
  const Tensor& logits() const { return *call.in[0]; }
  const Tensor& weights() const { return *call.out[0]; }
  const Tensor& tokens() const { return *call.out[1]; }
  const Tensor& rows() const { return *call.out[2]; }
  const Tensor& ends() const { return *call.out[3]; }
  int64_t topK() const { return int64_t(call.attributes[0]); }
  bool normalised() const { return call.attributes[1] != 0; }
};

struct RouteVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& logits() const { return *call.in[0]; }
  const Tensor& weights() const { return *call.in[1]; }
  const Tensor& rows() const { return *call.in[3]; }
  const Tensor& ends() const { return *call.in[4]; }
  const Tensor& dWeights() const { return *call.in[5]; }
  const Tensor* dLogits() const { return call.out[0]; }
  bool accumulatesLogits() const { return call.accumulate[0]; }
  int64_t topK() const { return int64_t(call.attributes[0]); }
  bool normalised() const { return call.attributes[1] != 0; }
};

struct ScaleExperts : Arguments {
  using Arguments::Arguments;
  const Tensor& weights() const { return *call.in[0]; }
  const Tensor& ends() const { return *call.in[1]; }
  const Tensor& scales() const { return *call.in[2]; }
  const Tensor& y() const { return *call.out[0]; }
};

struct ScaleExpertsVjp : Arguments {
  using Arguments::Arguments;
  const Tensor* weights() const { return call.in[0]; }
  const Tensor& ends() const { return *call.in[1]; }
  const Tensor* scales() const { return call.in[2]; }
  const Tensor& dY() const { return *call.in[4]; }
  const Tensor* dWeights() const { return call.out[0]; }
  bool accumulatesWeights() const { return call.accumulate[0]; }
  const Tensor* dScales() const { return call.out[1]; }
  bool accumulatesScales() const { return call.accumulate[1]; }
};

struct Dispatch : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& tokens() const { return *call.in[1]; }
  const Tensor& rows() const { return *call.in[2]; }
  const Tensor& y() const { return *call.out[0]; }
};

struct DispatchVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& rows() const { return *call.in[2]; }
  const Tensor& dY() const { return *call.in[4]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
};

struct ExpertLinear : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& ends() const { return *call.in[1]; }
  const Tensor& weight() const { return *call.in[2]; }
  const Tensor* bias() const { return call.in[3]; }
  const Tensor* scales() const { return call.in[4]; }
  const Tensor* loraA() const { return call.in[5]; }
  const Tensor* loraB() const { return call.in[6]; }
  const Tensor& y() const { return *call.out[0]; }
  const Tensor* t() const { return call.out[1]; }
  int64_t width() const { return int64_t(call.attributes[0]); }
  int64_t rank() const { return int64_t(call.attributes[1]); }
  double scaling() const { return call.attributes[2]; }
};

struct ExpertLinearVjp : Arguments {
  using Arguments::Arguments;
  const Tensor* x() const { return call.in[0]; }
  const Tensor& ends() const { return *call.in[1]; }
  const Tensor* weight() const { return call.in[2]; }
  const Tensor* bias() const { return call.in[3]; }
  const Tensor* scales() const { return call.in[4]; }
  const Tensor* loraA() const { return call.in[5]; }
  const Tensor* loraB() const { return call.in[6]; }
  const Tensor* t() const { return call.in[8]; }
  const Tensor& dY() const { return *call.in[9]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
  const Tensor* dWeight() const { return call.out[1]; }
  bool accumulatesWeight() const { return call.accumulate[1]; }
  const Tensor* dBias() const { return call.out[2]; }
  bool accumulatesBias() const { return call.accumulate[2]; }
  const Tensor* dScales() const { return call.out[3]; }
  bool accumulatesScales() const { return call.accumulate[3]; }
  const Tensor* dLoraA() const { return call.out[4]; }
  bool accumulatesLoraA() const { return call.accumulate[4]; }
  const Tensor* dLoraB() const { return call.out[5]; }
  bool accumulatesLoraB() const { return call.accumulate[5]; }
  int64_t width() const { return int64_t(call.attributes[0]); }
  int64_t rank() const { return int64_t(call.attributes[1]); }
  double scaling() const { return call.attributes[2]; }
};

struct ExpertGlu : Arguments {
  using Arguments::Arguments;
  const Tensor& gateUp() const { return *call.in[0]; }
  const Tensor& weights() const { return *call.in[1]; }
  const Tensor& y() const { return *call.out[0]; }
  int64_t activation() const { return int64_t(call.attributes[0]); }
  double gain() const { return call.attributes[1]; }
  double limit() const { return call.attributes[2]; }
};

struct ExpertGluVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& gateUp() const { return *call.in[0]; }
  const Tensor& weights() const { return *call.in[1]; }
  const Tensor& dY() const { return *call.in[3]; }
  const Tensor* dGateUp() const { return call.out[0]; }
  bool accumulatesGateUp() const { return call.accumulate[0]; }
  const Tensor* dWeights() const { return call.out[1]; }
  bool accumulatesWeights() const { return call.accumulate[1]; }
  const Tensor* remadeY() const { return call.out[2]; }
  int64_t activation() const { return int64_t(call.attributes[0]); }
  double gain() const { return call.attributes[1]; }
  double limit() const { return call.attributes[2]; }
};

struct Combine : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& residual() const { return *call.in[1]; }
  const Tensor& tokens() const { return *call.in[2]; }
  const Tensor& rows() const { return *call.in[3]; }
  const Tensor& y() const { return *call.out[0]; }
};

struct CombineVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& tokens() const { return *call.in[2]; }
  const Tensor& dY() const { return *call.in[5]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
};

struct Sigmoid : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& y() const { return *call.out[0]; }
};

struct SigmoidVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& y() const { return *call.in[1]; }
  const Tensor& dY() const { return *call.in[2]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
};

struct CountExperts : Arguments {
  using Arguments::Arguments;
  const Tensor& logits() const { return *call.in[0]; }
  const Tensor& ends() const { return *call.in[1]; }
  const Tensor* usage() const { return call.in[2]; }
  const Tensor& y() const { return *call.out[0]; }
};

struct CountExpertsVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& logits() const { return *call.in[0]; }
  const Tensor& dY() const { return *call.in[4]; }
  const Tensor* dLogits() const { return call.out[0]; }
  bool accumulatesLogits() const { return call.accumulate[0]; }
};

struct BalanceLoss : Arguments {
  using Arguments::Arguments;
  const Tensor& usage() const { return *call.in[0]; }
  const Tensor& loss() const { return *call.out[0]; }
  const Tensor* dUsage() const { return call.out[1]; }
  int64_t topK() const { return int64_t(call.attributes[0]); }
  double coefficient() const { return call.attributes[1]; }
};

struct CapLogits : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& y() const { return *call.out[0]; }
  double scale() const { return call.attributes[0]; }
  double cap() const { return call.attributes[1]; }
};

struct TargetLogProbs : Arguments {
  using Arguments::Arguments;
  const Tensor& hidden() const { return *call.in[0]; }
  const Tensor& weight() const { return *call.in[1]; }
  const Tensor& targets() const { return *call.in[2]; }
  const Tensor* weights() const { return call.in[3]; }
  const Tensor& logProbs() const { return *call.out[0]; }
  const Tensor* lse() const { return call.out[1]; }
  const Tensor* dHidden() const { return call.out[2]; }
  const Tensor* description() const { return call.out[3]; }
  double scale() const { return call.attributes[0]; }
  double cap() const { return call.attributes[1]; }
};

struct TargetLogProbsVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& hidden() const { return *call.in[0]; }
  const Tensor& weight() const { return *call.in[1]; }
  const Tensor& targets() const { return *call.in[2]; }
  const Tensor* weights() const { return call.in[3]; }
  const Tensor& lse() const { return *call.in[5]; }
  const Tensor* dWeight() const { return call.out[0]; }
  bool accumulatesWeight() const { return call.accumulate[0]; }
  double scale() const { return call.attributes[0]; }
  double cap() const { return call.attributes[1]; }
};

struct AppendColumns : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& t() const { return *call.in[1]; }
  const Tensor& y() const { return *call.out[0]; }
  double scale() const { return call.attributes[0]; }
  int64_t width() const { return int64_t(call.attributes[1]); }
  int64_t added() const { return int64_t(call.attributes[2]); }
};

struct AppendColumnsVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& dY() const { return *call.in[3]; }
  const Tensor* dX() const { return call.out[0]; }
  bool accumulatesX() const { return call.accumulate[0]; }
  const Tensor* dT() const { return call.out[1]; }
  bool accumulatesT() const { return call.accumulate[1]; }
  double scale() const { return call.attributes[0]; }
  int64_t width() const { return int64_t(call.attributes[1]); }
  int64_t added() const { return int64_t(call.attributes[2]); }
};

struct AdaptedLogProbs : Arguments {
  using Arguments::Arguments;
  const Tensor& targets() const { return *call.in[0]; }
  const Tensor& weight() const { return *call.in[1]; }
  const Tensor& loraB() const { return *call.in[2]; }
  const Tensor& hidden() const { return *call.in[3]; }
  const Tensor* weights() const { return call.in[4]; }
  const Tensor& logProbs() const { return *call.out[0]; }
  const Tensor* lse() const { return call.out[1]; }
  const Tensor* dHidden() const { return call.out[2]; }
  const Tensor* description() const { return call.out[3]; }
  double scale() const { return call.attributes[0]; }
  double cap() const { return call.attributes[1]; }
};

struct AdaptedLogProbsVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& targets() const { return *call.in[0]; }
  const Tensor& weight() const { return *call.in[1]; }
  const Tensor& loraB() const { return *call.in[2]; }
  const Tensor& hidden() const { return *call.in[3]; }
  const Tensor* weights() const { return call.in[4]; }
  const Tensor& lse() const { return *call.in[6]; }
  const Tensor* dLoraB() const { return call.out[0]; }
  bool accumulatesLoraB() const { return call.accumulate[0]; }
  double scale() const { return call.attributes[0]; }
  double cap() const { return call.attributes[1]; }
};

struct ScoreRows : Arguments {
  using Arguments::Arguments;
  const Tensor& hidden() const { return *call.in[0]; }
  const Tensor& weight() const { return *call.in[1]; }
  const Tensor* weights() const { return call.in[2]; }
  const Tensor& scores() const { return *call.out[0]; }
  const Tensor* dHidden() const { return call.out[1]; }
};

struct ScoreRowsVjp : Arguments {
  using Arguments::Arguments;
  const Tensor& hidden() const { return *call.in[0]; }
  const Tensor* weights() const { return call.in[2]; }
  const Tensor* dWeight() const { return call.out[0]; }
  bool accumulatesWeight() const { return call.accumulate[0]; }
};

struct ScaleRows : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& weights() const { return *call.in[1]; }
  const Tensor& y() const { return *call.out[0]; }
};

struct Argmax : Arguments {
  using Arguments::Arguments;
  const Tensor& x() const { return *call.in[0]; }
  const Tensor& y() const { return *call.out[0]; }
};

struct Fill : Arguments {
  using Arguments::Arguments;
  const Tensor& y() const { return *call.out[0]; }
  double value() const { return call.attributes[0]; }
};

struct GradNorm : Arguments {
  using Arguments::Arguments;
  const Tensor& gradients() const { return *call.in[0]; }
  const Tensor& stats() const { return *call.out[0]; }
  double maxNorm() const { return call.attributes[0]; }
};

struct Adamw : Arguments {
  using Arguments::Arguments;
  const Tensor& parameters() const { return *call.in[0]; }
  const Tensor& gradients() const { return *call.in[1]; }
  const Tensor& m() const { return *call.in[2]; }
  const Tensor& v() const { return *call.in[3]; }
  const Tensor* stats() const { return call.in[4]; }
  const Tensor& hyper() const { return *call.in[5]; }
};

struct Sgd : Arguments {
  using Arguments::Arguments;
  const Tensor& parameters() const { return *call.in[0]; }
  const Tensor& gradients() const { return *call.in[1]; }
  const Tensor* velocity() const { return call.in[2]; }
  const Tensor* stats() const { return call.in[3]; }
  const Tensor& hyper() const { return *call.in[4]; }
};

struct Lion : Arguments {
  using Arguments::Arguments;
  const Tensor& parameters() const { return *call.in[0]; }
  const Tensor& gradients() const { return *call.in[1]; }
  const Tensor& m() const { return *call.in[2]; }
  const Tensor* stats() const { return call.in[3]; }
  const Tensor& hyper() const { return *call.in[4]; }
};

struct Adamw8bit : Arguments {
  using Arguments::Arguments;
  const Tensor& parameters() const { return *call.in[0]; }
  const Tensor& gradients() const { return *call.in[1]; }
  const Tensor& mCodes() const { return *call.in[2]; }
  const Tensor& mScales() const { return *call.in[3]; }
  const Tensor& vCodes() const { return *call.in[4]; }
  const Tensor& vScales() const { return *call.in[5]; }
  const Tensor& mMap() const { return *call.in[6]; }
  const Tensor& vMap() const { return *call.in[7]; }
  const Tensor* stats() const { return call.in[8]; }
  const Tensor& hyper() const { return *call.in[9]; }
};

struct Lion8bit : Arguments {
  using Arguments::Arguments;
  const Tensor& parameters() const { return *call.in[0]; }
  const Tensor& gradients() const { return *call.in[1]; }
  const Tensor& mCodes() const { return *call.in[2]; }
  const Tensor& mScales() const { return *call.in[3]; }
  const Tensor& mMap() const { return *call.in[4]; }
  const Tensor* stats() const { return call.in[5]; }
  const Tensor& hyper() const { return *call.in[6]; }
};

struct Adafactor : Arguments {
  using Arguments::Arguments;
  const Tensor& parameters() const { return *call.in[0]; }
  const Tensor& gradients() const { return *call.in[1]; }
  const Tensor& rowSquares() const { return *call.in[2]; }
  const Tensor& columnSquares() const { return *call.in[3]; }
  const Tensor* stats() const { return call.in[4]; }
  const Tensor& hyper() const { return *call.in[5]; }
};

struct Muon : Arguments {
  using Arguments::Arguments;
  const Tensor& parameters() const { return *call.in[0]; }
  const Tensor& gradients() const { return *call.in[1]; }
  const Tensor& m() const { return *call.in[2]; }
  const Tensor* stats() const { return call.in[3]; }
  const Tensor& hyper() const { return *call.in[4]; }
  int64_t columns() const { return int64_t(call.attributes[0]); }
};

}  // namespace args
}  // namespace fettle
