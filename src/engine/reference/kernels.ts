import type { OpName } from '../ops.ts'
import { activation, gateColumns, glu } from './activation.ts'
import { adaptedLogProbs } from './logits/adapted-log-probs.ts'
import { addNoise } from './add-noise.ts'
import { addScaled, cast } from './add-scaled.ts'
import { appendColumns } from './append-columns.ts'
import { argmax } from './logits/argmax.ts'
import { attention } from './attention/attention.ts'
import { balanceLoss, countExperts } from './experts/balance.ts'
import { cachedAttention } from './attention/cached-attention.ts'
import { cachedCausalConv, causalConv } from './recurrent/causal-conv.ts'
import { capLogits } from './logits/cap-logits.ts'
import { copySlots } from './attention/copy-slots.ts'
import { dropout } from './dropout.ts'
import { embedding, selectRows } from './embedding.ts'
import { expertGlu } from './experts/expert-glu.ts'
import { expertLinear } from './experts/expert-linear.ts'
import { combine, dispatch, route } from './experts/route.ts'
import { scaleExperts } from './experts/scale-experts.ts'
import { fill } from './fill.ts'
import { cachedGatedDelta, gatedDelta } from './recurrent/gated-delta.ts'
import { gatedNorm, sigmoidGate, splitGates } from './recurrent/gates.ts'
import { joinColumns } from './join-columns.ts'
import type { Kernel } from './kernel.ts'
import { layerNorm } from './layer-norm.ts'
import { linear } from './products/linear.ts'
import { adamw, gradNorm } from './optimisers/adamw.ts'
import { adafactor } from './optimisers/adafactor.ts'
import { adamw8bit, lion8bit } from './optimisers/eight-bit.ts'
import { muon } from './optimisers/muon.ts'
import { lion, sgd } from './optimisers/sgd-lion.ts'
import { qkNorm, rmsNorm } from './rms-norm.ts'
import { rope } from './attention/rope.ts'
import { scaleBy } from './scale-by.ts'
import { inverseNorms, scaleColumns } from './products/scale-columns.ts'
import { sigmoid } from './sigmoid.ts'
import { scaleRows } from './scale-rows.ts'
import { scoreRows } from './logits/score-rows.ts'
import { targetLogProbs } from './logits/target-log-probs.ts'

/** The total table: an op without forward pass or a differentiable op without vjp does not compile. */
export const kernels: { readonly [K in OpName]: Kernel<K> } = {
  embedding,
  selectRows,
  rmsNorm,
  layerNorm,
  cast,
  addScaled,
  scaleBy,
  addNoise,
  dropout,
  qkNorm,
  joinColumns,
  rope,
  attention,
  cachedAttention,
  causalConv,
  cachedCausalConv,
  gatedDelta,
  cachedGatedDelta,
  gatedNorm,
  splitGates,
  sigmoidGate,
  copySlots,
  linear,
  scaleColumns,
  inverseNorms,
  glu,
  gateColumns,
  activation,
  route,
  dispatch,
  scaleExperts,
  expertLinear,
  expertGlu,
  combine,
  sigmoid,
  countExperts,
  balanceLoss,
  capLogits,
  targetLogProbs,
  appendColumns,
  adaptedLogProbs,
  scaleRows,
  scoreRows,
  argmax,
  fill,
  gradNorm,
  adamw,
  sgd,
  lion,
  adamw8bit,
  lion8bit,
  adafactor,
  muon,
}
