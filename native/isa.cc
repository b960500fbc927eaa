// All kernels for one instruction set. The build compiles this file for each, with FETTLE_ISA (a name), FETTLE_TABLE
// (the function of kernels.h that it defines), FETTLE_LANES, FETTLE_HAS_BF16, FETTLE_AMX and the compiler's -m flags; and
// in five parts, FETTLE_PART 0 to 4, so that the large kernel families compile side by side.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
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
#include "kernels/copy_slots.h"
#include "kernels/swiglu.h"
#include "kernels/scale_rows.h"
#include "kernels/target_log_probs.h"
#include "kernels/argmax.h"
#include "kernels/fill.h"
#include "kernels/optimiser.h"
#include "kernels/peak.h"
#include "kernels/quantise.h"

void linearForwardEntry(const Call& call);
void linearVjpEntry(const Call& call);
void targetLogProbsForwardEntry(const Call& call);
void targetLogProbsVjpEntry(const Call& call);
void attentionForwardEntry(const Call& call);
void attentionVjpEntry(const Call& call);
void cachedAttentionForwardEntry(const Call& call);

#if FETTLE_PART == 1
void linearForwardEntry(const Call& call) { linearForward(call); }
#elif FETTLE_PART == 2
void linearVjpEntry(const Call& call) { linearVjp(call); }
#elif FETTLE_PART == 3
void targetLogProbsForwardEntry(const Call& call) { targetLogProbsForward(call); }
void targetLogProbsVjpEntry(const Call& call) { targetLogProbsVjp(call); }
#elif FETTLE_PART == 4
void attentionForwardEntry(const Call& call) { attentionForward(call); }
void attentionVjpEntry(const Call& call) { attentionVjp(call); }
void cachedAttentionForwardEntry(const Call& call) { cachedAttentionForward(call); }
#else

// A switch without default, so that the compiler names an op that has no kernel here.
static Kernel forwardOf(Op op) {
  switch (op) {
    case Op::embedding: return embeddingForward;
    case Op::selectRows: return selectRowsForward;
    case Op::rmsNorm: return rmsNormForward;
    case Op::qkNorm: return qkNormForward;
    case Op::rope: return ropeForward;
    case Op::attention: return attentionForwardEntry;
    case Op::cachedAttention: return cachedAttentionForwardEntry;
    case Op::copySlots: return copySlotsForward;
    case Op::linear: return linearForwardEntry;
    case Op::swiglu: return swigluForward;
    case Op::targetLogProbs: return targetLogProbsForwardEntry;
    case Op::scaleRows: return scaleRowsForward;
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
    case Op::attention: return attentionVjpEntry;
    case Op::linear: return linearVjpEntry;
    case Op::swiglu: return swigluVjp;
    case Op::targetLogProbs: return targetLogProbsVjpEntry;
    case Op::cachedAttention:
    case Op::copySlots:
    case Op::scaleRows:
    case Op::argmax:
    case Op::fill:
    case Op::gradNorm:
    case Op::adamw: return nullptr;
  }
  return nullptr;
}

#endif

}  // namespace FETTLE_ISA

#if FETTLE_PART == 0
const Kernels* FETTLE_TABLE() {
  static const Kernels table = [] {
    Kernels kernels{FETTLE_STRING(FETTLE_ISA), FETTLE_ISA::peaks(), FETTLE_ISA::quantiser(), {}, {}};
    for (int op = 0; op < kOpCount; op++) {
      kernels.forward[op] = FETTLE_ISA::forwardOf(Op(op));
      kernels.vjp[op] = FETTLE_ISA::vjpOf(Op(op));
    }
    return kernels;
  }();
  return &table;
}
#endif

}  // namespace fettle
