// All kernels for one instruction set. The build compiles this file for each, with FETTLE_ISA (a name), FETTLE_TABLE
// (the function of kernels.h that it defines), FETTLE_LANES, FETTLE_HAS_BF16, FETTLE_AMX and the compiler's -m flags; and
// in six parts, FETTLE_PART 0 to 5, so that the large kernel families compile side by side.
// Kernels are functions of their op's name, rmsNormForward and rmsNormVjp, of the arguments that ops.h names.
#include "kernels.h"

namespace fettle::FETTLE_ISA {

// Those of the parts 1 to 5.
void linearForward(const args::Linear& op);
void linearVjp(const args::LinearVjp& op);
void targetLogProbsForward(const args::TargetLogProbs& op);
void targetLogProbsVjp(const args::TargetLogProbsVjp& op);
void adaptedLogProbsForward(const args::AdaptedLogProbs& op);
void adaptedLogProbsVjp(const args::AdaptedLogProbsVjp& op);
void attentionForward(const args::Attention& op);
void attentionVjp(const args::AttentionVjp& op);
void cachedAttentionForward(const args::CachedAttention& op);
void causalConvForward(const args::CausalConv& op);
void causalConvVjp(const args::CausalConvVjp& op);
void cachedCausalConvForward(const args::CachedCausalConv& op);
void gatedDeltaForward(const args::GatedDelta& op);
void gatedDeltaVjp(const args::GatedDeltaVjp& op);
void cachedGatedDeltaForward(const args::CachedGatedDelta& op);
void gatedNormForward(const args::GatedNorm& op);
void gatedNormVjp(const args::GatedNormVjp& op);
void splitGatesForward(const args::SplitGates& op);
void splitGatesVjp(const args::SplitGatesVjp& op);
void sigmoidGateForward(const args::SigmoidGate& op);
void sigmoidGateVjp(const args::SigmoidGateVjp& op);

}  // namespace fettle::FETTLE_ISA

#if FETTLE_PART == 1
#include "kernels/linear.h"
#elif FETTLE_PART == 2
#include "kernels/linear_vjp.h"
#elif FETTLE_PART == 3
#include "kernels/target_log_probs.h"
#include "kernels/target_log_probs_vjp.h"
#elif FETTLE_PART == 4
#include "kernels/attention.h"
#include "kernels/attention_vjp.h"
#include "kernels/cached_attention.h"
#elif FETTLE_PART == 5
#include "kernels/cached_gated_delta.h"
#include "kernels/causal_conv.h"
#include "kernels/gated_delta.h"
#include "kernels/gated_delta_vjp.h"
#include "kernels/gates.h"
#else
#include "kernels/activation.h"
#include "kernels/adafactor.h"
#include "kernels/adamw.h"
#include "kernels/add_scaled.h"
#include "kernels/append_columns.h"
#include "kernels/argmax.h"
#include "kernels/balance.h"
#include "kernels/cap_logits.h"
#include "kernels/copy_slots.h"
#include "kernels/dropout.h"
#include "kernels/eight_bit_states.h"
#include "kernels/embedding.h"
#include "kernels/expert_glu.h"
#include "kernels/expert_linear.h"
#include "kernels/expert_scales.h"
#include "kernels/fill.h"
#include "kernels/gate_columns.h"
#include "kernels/glu.h"
#include "kernels/grad_norm.h"
#include "kernels/join_columns.h"
#include "kernels/layer_norm.h"
#include "kernels/muon.h"
#include "kernels/qk_norm.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/scale_columns.h"
#include "kernels/route.h"
#include "kernels/scale_rows.h"
#include "kernels/score_rows.h"
#include "kernels/select_rows.h"
#include "kernels/sgd_lion.h"
#include "kernels/sigmoid.h"

#include "kernels/peak.h"
#include "kernels/quantise.h"

#define FETTLE_STRING_(x) #x
#define FETTLE_STRING(x) FETTLE_STRING_(x)

namespace fettle {

// The table's ops, each with its kernels: the compiler names the one that is missing.
const Kernels* FETTLE_TABLE() {
  static const Kernels table = [] {
    using namespace FETTLE_ISA;
    Kernels kernels{FETTLE_STRING(FETTLE_ISA), peaks(), quantiser(), {}, {}};
#define X(name) kernels.forward[int(Op::name)] = [](const Call& call) { name##Forward(call); };
    FETTLE_OPS(X)
#undef X
#define X(name) kernels.vjp[int(Op::name)] = [](const Call& call) { name##Vjp(call); };
    FETTLE_DIFFERENTIABLE_OPS(X)
#undef X
    return kernels;
  }();
  return &table;
}

}  // namespace fettle
#endif
