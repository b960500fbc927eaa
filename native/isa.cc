// All kernels for one instruction set. The build compiles this file once for each, with FETTLE_ISA (a name), FETTLE_TABLE
// (the function of kernels.h that it defines), FETTLE_LANES, FETTLE_HAS_BF16, FETTLE_AMX and the compiler's -m flags.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels.h"

#define FETTLE_STRING_(x) #x
#define FETTLE_STRING(x) FETTLE_STRING_(x)

namespace fettle {
namespace FETTLE_ISA {

#include "simd.h"

#include "kernels/gemm.h"
#include "kernels/linear.h"
#include "kernels/embedding.h"
#include "kernels/rms_norm.h"
#include "kernels/qk_norm.h"
#include "kernels/rope.h"
#include "kernels/attention.h"
#include "kernels/cached_attention.h"
#include "kernels/swiglu.h"
#include "kernels/head_loss.h"
#include "kernels/argmax.h"
#include "kernels/fill.h"
#include "kernels/optimiser.h"
#include "kernels/peak.h"

// A switch without default, so that the compiler names an op that has no kernel here.
static Kernel forwardOf(Op op) {
  switch (op) {
    case Op::embedding: return embeddingForward;
    case Op::selectRows: return selectRowsForward;
    case Op::rmsNorm: return rmsNormForward;
    case Op::qkNorm: return qkNormForward;
    case Op::rope: return ropeForward;
    case Op::attention: return attentionForward;
    case Op::cachedAttention: return cachedAttentionForward;
    case Op::linear: return linearForward;
    case Op::swiglu: return swigluForward;
    case Op::headLoss: return headLossForward;
    case Op::argmax: return argmaxForward;
    case Op::fill: return fillForward;
    case Op::gradNorm: return gradNormForward;
    case Op::adamw: return adamwForward;
  }
  return nullptr;
}

static Kernel vjpOf(Op op) {
  switch (op) {
    case Op::embedding: return embeddingVjp;
    case Op::selectRows: return selectRowsVjp;
    case Op::rmsNorm: return rmsNormVjp;
    case Op::qkNorm: return qkNormVjp;
    case Op::rope: return ropeVjp;
    case Op::attention: return attentionVjp;
    case Op::linear: return linearVjp;
    case Op::swiglu: return swigluVjp;
    case Op::headLoss: return headLossVjp;
    case Op::cachedAttention:
    case Op::argmax:
    case Op::fill:
    case Op::gradNorm:
    case Op::adamw: return nullptr;
  }
  return nullptr;
}

}  // namespace FETTLE_ISA

const Kernels* FETTLE_TABLE() {
  static const Kernels table = [] {
    Kernels kernels{FETTLE_STRING(FETTLE_ISA), FETTLE_ISA::peaks(), {}, {}};
    for (int op = 0; op < kOpCount; op++) {
      kernels.forward[op] = FETTLE_ISA::forwardOf(Op(op));
      kernels.vjp[op] = FETTLE_ISA::vjpOf(Op(op));
    }
    return kernels;
  }();
  return &table;
}

}  // namespace fettle
