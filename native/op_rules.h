// What the op table says of each op's arguments, as data. Written by `npm run generate` from src/engine/ops.ts.
#pragma once
#include "op_rule.h"

namespace fettle {
namespace rules {

constexpr ArgumentRule embeddingArguments[] = {
    {"ids", ArgumentType::int32, 0, 1, {"M"}, 0, "V"},
    {"table", ArgumentType::table, 0, 2, {"V", "H"}},
    {"y", ArgumentType::float32, 0, 2, {"M", "H"}},
};
constexpr OpRule embedding{
    embeddingArguments, 2, 1,
    {{"scale", AttributeKind::number}},
    1, {1}, {0x1}, 0x1, -1};

constexpr ArgumentRule selectRowsArguments[] = {
    {"x", ArgumentType::stream, 0, 2, {"M", "H"}},
    {"rows", ArgumentType::int32, 0, 1, {"m"}, -1, "M"},
    {"y", ArgumentType::stream, 0, 2, {"m", "H"}},
};
constexpr OpRule selectRows{
    selectRowsArguments, 2, 1,
    {},
    1, {0}, {0x2}, 0x1, -1};

constexpr ArgumentRule rmsNormArguments[] = {
    {"x", ArgumentType::stream, 0, 2, {"M", "W"}},
    {"gain", ArgumentType::parameter, 0, 1, {"W"}},
    {"y", ArgumentType::act, 0, 2, {"M", "W"}},
    {"rstd", ArgumentType::float32, kAuxiliary, 1, {"M"}},
};
constexpr OpRule rmsNorm{
    rmsNormArguments, 2, 2,
    {{"eps", AttributeKind::number}, {"fromOutput", AttributeKind::flag}},
    2, {0, 1}, {0xb, 0xb, 0xe, 0xe}, 0x1, -1};

constexpr ArgumentRule layerNormArguments[] = {
    {"x", ArgumentType::stream, 0, 2, {"M", "W"}},
    {"gain", ArgumentType::parameter, 0, 1, {"W"}},
    {"bias", ArgumentType::parameter, 0, 1, {"W"}},
    {"y", ArgumentType::act, 0, 2, {"M", "W"}},
    {"mean", ArgumentType::float32, kAuxiliary, 1, {"M"}},
    {"rstd", ArgumentType::float32, kAuxiliary, 1, {"M"}},
};
constexpr OpRule layerNorm{
    layerNormArguments, 3, 3,
    {{"eps", AttributeKind::number}},
    3, {0, 1, 2}, {0x33, 0x33, 0x33}, 0x1, -1};

constexpr ArgumentRule castArguments[] = {
    {"x", ArgumentType::stream, 0, 2, {"M", "W"}},
    {"y", ArgumentType::act, 0, 2, {"M", "W"}},
};
constexpr OpRule cast{
    castArguments, 1, 1,
    {},
    1, {0}, {0x0}, 0x1, -1};

constexpr ArgumentRule addScaledArguments[] = {
    {"x", ArgumentType::stream, 0, 2, {"M", "W"}},
    {"residual", ArgumentType::float32, 0, 2, {"M", "W"}},
    {"y", ArgumentType::float32, 0, 2, {"M", "W"}},
};
constexpr OpRule addScaled{
    addScaledArguments, 2, 1,
    {{"scale", AttributeKind::number}},
    1, {0}, {0x0}, 0x1, -1};

constexpr ArgumentRule scaleByArguments[] = {
    {"x", ArgumentType::stream, 0, 2, {"M", "W"}},
    {"factor", ArgumentType::float32, 0, 1, {"1"}},
    {"y", ArgumentType::stream, 0, 2, {"M", "W"}},
};
constexpr OpRule scaleBy{
    scaleByArguments, 2, 1,
    {},
    1, {0}, {0x2}, 0x1, -1};

constexpr ArgumentRule addNoiseArguments[] = {
    {"x", ArgumentType::float32, 0, 2, {"M", "H"}},
    {"magnitude", ArgumentType::float32, 0, 1, {"1"}},
    {"seed", ArgumentType::int32, 0, 1, {"1"}},
    {"y", ArgumentType::float32, 0, 2, {"M", "H"}},
};
constexpr OpRule addNoise{
    addNoiseArguments, 3, 1,
    {},
    0, {}, {}, 0x1, -1};

constexpr ArgumentRule dropoutArguments[] = {
    {"x", ArgumentType::act, 0, 2, {"M", "K"}},
    {"dropoutSeed", ArgumentType::int32, 0, 1, {"1"}},
    {"y", ArgumentType::act, 0, 2, {"M", "K"}},
};
constexpr OpRule dropout{
    dropoutArguments, 2, 1,
    {{"dropout", AttributeKind::number}, {"seed", AttributeKind::count}, {"rest", AttributeKind::flag}},
    1, {0}, {0x2, 0x2}, 0x1, -1};

constexpr ArgumentRule qkNormArguments[] = {
    {"qkv", ArgumentType::act, 0, 2, {"M", "queryParts * queryWidth + keyParts * keyWidth + givenWidth"}},
    {"qGain", ArgumentType::parameter, 0, 1, {"queryWidth"}},
    {"kGain", ArgumentType::parameter, kOptional, 1, {"keyWidth"}},
    {"y", ArgumentType::act, 0, 2, {"M", "queryParts * queryWidth + keyParts * keyWidth + valueWidth"}},
    {"rstd", ArgumentType::float32, kAuxiliary, 2, {"M", "queryParts + keyParts + valueParts"}},
};
constexpr OpRule qkNorm{
    qkNormArguments, 3, 2,
    {{"eps", AttributeKind::number}, {"queryParts", AttributeKind::count}, {"queryWidth", AttributeKind::count}, {"keyParts", AttributeKind::count}, {"keyWidth", AttributeKind::count}, {"valueWidth", AttributeKind::count}, {"valueParts", AttributeKind::count}, {"givenWidth", AttributeKind::count}},
    3, {0, 1, 2}, {0x17, 0x17, 0x17}, 0x1, -1};

constexpr ArgumentRule joinColumnsArguments[] = {
    {"x", ArgumentType::act, 0, 2, {"M", "X"}},
    {"from", ArgumentType::act, 0, 2, {"M", "C"}},
    {"y", ArgumentType::act, 0, 2, {"M", "X + width"}},
};
constexpr OpRule joinColumns{
    joinColumnsArguments, 2, 1,
    {{"first", AttributeKind::count}, {"width", AttributeKind::count}},
    2, {0, 1}, {0x0, 0x0}, 0x1, -1};

constexpr ArgumentRule ropeArguments[] = {
    {"qkv", ArgumentType::act, 0, 2, {"M", "C"}},
    {"positions", ArgumentType::int32, 0, 1, {"M"}, 0, "P"},
    {"cos", ArgumentType::float32, 0, 2, {"P", "rotaryDim / 2"}},
    {"sin", ArgumentType::float32, 0, 2, {"P", "rotaryDim / 2"}},
    {"y", ArgumentType::act, 0, 2, {"M", "C"}},
};
constexpr OpRule rope{
    ropeArguments, 4, 1,
    {{"headDim", AttributeKind::count}, {"rotaryDim", AttributeKind::count}, {"firstHead", AttributeKind::count}, {"heads", AttributeKind::count}},
    1, {0}, {0xe}, 0x1, -1};

constexpr ArgumentRule attentionArguments[] = {
    {"qkv", ArgumentType::act, 0, 2, {"M", "queryHeads * headDim + 2 * keyHeads * headDim"}},
    {"starts", ArgumentType::int32, 0, 1, {"M"}, 0, "M"},
    {"sinks", ArgumentType::float32, kOptional, 1, {"queryHeads"}},
    {"o", ArgumentType::act, 0, 2, {"M", "queryHeads * headDim"}},
    {"lse", ArgumentType::float32, kAuxiliary, 2, {"M", "queryHeads"}},
};
constexpr OpRule attention{
    attentionArguments, 3, 2,
    {{"headDim", AttributeKind::count}, {"queryHeads", AttributeKind::count}, {"keyHeads", AttributeKind::count}, {"scale", AttributeKind::number}, {"cap", AttributeKind::number}, {"window", AttributeKind::count}},
    2, {0, 2}, {0x1f, 0x1f}, 0x1, -1};

constexpr ArgumentRule cachedAttentionArguments[] = {
    {"qkv", ArgumentType::act, 0, 2, {"M", "queryHeads * headDim + 2 * keyHeads * headDim"}},
    {"slots", ArgumentType::int32, 0, 1, {"M"}, 0, "S"},
    {"positions", ArgumentType::int32, 0, 1, {"M"}, 0, "C"},
    {"keyCache", ArgumentType::act, kChanges, 3, {"S", "C", "keyHeads * headDim"}},
    {"valueCache", ArgumentType::act, kChanges, 3, {"S", "C", "keyHeads * headDim"}},
    {"sinks", ArgumentType::float32, kOptional, 1, {"queryHeads"}},
    {"o", ArgumentType::act, 0, 2, {"M", "queryHeads * headDim"}},
};
constexpr OpRule cachedAttention{
    cachedAttentionArguments, 6, 1,
    {{"headDim", AttributeKind::count}, {"queryHeads", AttributeKind::count}, {"keyHeads", AttributeKind::count}, {"scale", AttributeKind::number}, {"cap", AttributeKind::number}, {"window", AttributeKind::count}},
    0, {}, {}, 0x1, -1};

constexpr ArgumentRule causalConvArguments[] = {
    {"weight", ArgumentType::parameter, 0, 2, {"K", "W"}},
    {"x", ArgumentType::act, 0, 2, {"M", "parts * W"}},
    {"starts", ArgumentType::int32, 0, 1, {"M"}, 0, "M"},
    {"bias", ArgumentType::float32, kOptional, 1, {"W"}},
    {"y", ArgumentType::act, 0, 2, {"M", "W"}},
};
constexpr OpRule causalConv{
    causalConvArguments, 4, 1,
    {{"parts", AttributeKind::count}, {"silu", AttributeKind::flag}},
    3, {1, 0, 3}, {0xf, 0xf, 0xf, 0xf, 0xf, 0xf}, 0x1, -1};

constexpr ArgumentRule cachedCausalConvArguments[] = {
    {"weight", ArgumentType::parameter, 0, 2, {"K", "W"}},
    {"x", ArgumentType::act, 0, 2, {"M", "parts * W"}},
    {"slots", ArgumentType::int32, 0, 1, {"M"}, 0, "S"},
    {"positions", ArgumentType::int32, 0, 1, {"M"}},
    {"bias", ArgumentType::float32, kOptional, 1, {"W"}},
    {"state", ArgumentType::act, kChanges, 3, {"S", "R", "W"}},
    {"y", ArgumentType::act, 0, 2, {"M", "W"}},
};
constexpr OpRule cachedCausalConv{
    cachedCausalConvArguments, 6, 1,
    {{"parts", AttributeKind::count}, {"silu", AttributeKind::flag}},
    0, {}, {}, 0x1, -1};

constexpr ArgumentRule gatedDeltaArguments[] = {
    {"qkv", ArgumentType::act, 0, 2, {"M", "2 * keyHeads * keyDim + valueHeads * valueDim"}},
    {"ba", ArgumentType::act, 0, 2, {"M", "2 * valueHeads"}},
    {"aLog", ArgumentType::float32, 0, 1, {"valueHeads"}},
    {"dtBias", ArgumentType::float32, 0, 1, {"valueHeads"}},
    {"starts", ArgumentType::int32, 0, 1, {"M"}, 0, "M"},
    {"o", ArgumentType::act, 0, 2, {"M", "valueHeads * valueDim"}},
};
constexpr OpRule gatedDelta{
    gatedDeltaArguments, 5, 1,
    {{"keyHeads", AttributeKind::count}, {"keyDim", AttributeKind::count}, {"valueHeads", AttributeKind::count}, {"valueDim", AttributeKind::count}},
    4, {0, 1, 2, 3}, {0x1f, 0x1f, 0x1f, 0x1f}, 0x1, -1};

constexpr ArgumentRule cachedGatedDeltaArguments[] = {
    {"qkv", ArgumentType::act, 0, 2, {"M", "2 * keyHeads * keyDim + valueHeads * valueDim"}},
    {"ba", ArgumentType::act, 0, 2, {"M", "2 * valueHeads"}},
    {"aLog", ArgumentType::float32, 0, 1, {"valueHeads"}},
    {"dtBias", ArgumentType::float32, 0, 1, {"valueHeads"}},
    {"slots", ArgumentType::int32, 0, 1, {"M"}, 0, "S"},
    {"positions", ArgumentType::int32, 0, 1, {"M"}},
    {"state", ArgumentType::float32, kChanges, 3, {"S", "R", "valueHeads * keyDim * valueDim"}},
    {"o", ArgumentType::act, 0, 2, {"M", "valueHeads * valueDim"}},
};
constexpr OpRule cachedGatedDelta{
    cachedGatedDeltaArguments, 7, 1,
    {{"keyHeads", AttributeKind::count}, {"keyDim", AttributeKind::count}, {"valueHeads", AttributeKind::count}, {"valueDim", AttributeKind::count}},
    0, {}, {}, 0x1, -1};

constexpr ArgumentRule gatedNormArguments[] = {
    {"gain", ArgumentType::parameter, 0, 1, {"W"}},
    {"x", ArgumentType::act, 0, 2, {"M", "parts * W"}},
    {"gate", ArgumentType::act, 0, 2, {"M", "parts * W"}},
    {"y", ArgumentType::act, 0, 2, {"M", "parts * W"}},
    {"rstd", ArgumentType::float32, kAuxiliary, 2, {"M", "parts"}},
};
constexpr OpRule gatedNorm{
    gatedNormArguments, 3, 2,
    {{"eps", AttributeKind::number}, {"parts", AttributeKind::count}},
    3, {0, 1, 2}, {0x17, 0x17, 0x17}, 0x1, -1};

constexpr ArgumentRule splitGatesArguments[] = {
    {"x", ArgumentType::act, 0, 2, {"M", "2 * heads * headDim + rest"}},
    {"y", ArgumentType::act, 0, 2, {"M", "heads * headDim + rest"}},
    {"gate", ArgumentType::act, 0, 2, {"M", "heads * headDim"}},
};
constexpr OpRule splitGates{
    splitGatesArguments, 1, 2,
    {{"headDim", AttributeKind::count}, {"heads", AttributeKind::count}, {"rest", AttributeKind::count}},
    1, {0}, {0x0}, 0x3, -1};

constexpr ArgumentRule sigmoidGateArguments[] = {
    {"x", ArgumentType::act, 0, 2, {"M", "W"}},
    {"gate", ArgumentType::act, 0, 2, {"M", "W"}},
    {"y", ArgumentType::act, 0, 2, {"M", "W"}},
};
constexpr OpRule sigmoidGate{
    sigmoidGateArguments, 2, 1,
    {},
    2, {0, 1}, {0x3, 0x3}, 0x1, -1};

constexpr ArgumentRule copySlotsArguments[] = {
    {"sources", ArgumentType::int32, 0, 1, {"n"}, 0, "S"},
    {"slots", ArgumentType::int32, 0, 1, {"n"}, 0, "S"},
    {"counts", ArgumentType::int32, 0, 1, {"n"}, 0, "C + 1"},
    {"cache", ArgumentType::stream, kChanges, 3, {"S", "C", "W"}},
};
constexpr OpRule copySlots{
    copySlotsArguments, 4, 0,
    {},
    0, {}, {}, 0x0, -1};

constexpr ArgumentRule linearArguments[] = {
    {"x", ArgumentType::act, 0, 2, {"M", "K"}},
    {"weight", ArgumentType::weight, 0, 2, {"N", "K"}},
    {"bias", ArgumentType::float32, kOptional, 1, {"N"}},
    {"residual", ArgumentType::float32, kOptional, 2, {"M", "N"}},
    {"loraA", ArgumentType::float32, kOptional, 2, {"R", "K"}},
    {"loraB", ArgumentType::float32, kOptional, 2, {"N", "largestRank"}},
    {"dropoutSeed", ArgumentType::int32, kOptional, 1, {"1"}},
    {"y", ArgumentType::stream, 0, 2, {"M", "N"}},
    {"t", ArgumentType::act, kOptional | kAuxiliary, 2, {"M", "R"}},
};
constexpr OpRule linear{
    linearArguments, 7, 2,
    {{"float32Output", AttributeKind::flag}, {"dropout", AttributeKind::number}, {"seed", AttributeKind::count}, {"int8Activations", AttributeKind::flag}, {"segments", AttributeKind::list}},
    5, {0, 1, 2, 4, 5}, {0x172, 0x171, 0x170, 0x171, 0x170, 0x172, 0x171, 0x170, 0x171, 0x170, 0x172, 0x171, 0x170, 0x171, 0x170, 0x172, 0x171, 0x170, 0x171, 0x170}, 0x1, -1};

constexpr ArgumentRule scaleColumnsArguments[] = {
    {"x", ArgumentType::stream, 0, 2, {"M", "N"}},
    {"magnitude", ArgumentType::float32, 0, 1, {"N"}},
    {"inverseNorms", ArgumentType::float32, 0, 1, {"N"}},
    {"bias", ArgumentType::float32, kOptional, 1, {"N"}},
    {"residual", ArgumentType::float32, kOptional, 2, {"M", "N"}},
    {"y", ArgumentType::stream, 0, 2, {"M", "N"}},
};
constexpr OpRule scaleColumns{
    scaleColumnsArguments, 5, 1,
    {},
    3, {0, 1, 3}, {0x6, 0x5, 0x4}, 0x1, -1};

constexpr ArgumentRule inverseNormsArguments[] = {
    {"squares", ArgumentType::float32, 0, 1, {"N"}},
    {"products", ArgumentType::float32, 0, 2, {"R", "N"}},
    {"loraA", ArgumentType::float32, 0, 2, {"R", "K"}},
    {"loraB", ArgumentType::float32, 0, 2, {"N", "largestRank"}},
    {"y", ArgumentType::float32, 0, 1, {"N"}},
};
constexpr OpRule inverseNorms{
    inverseNormsArguments, 4, 1,
    {{"segments", AttributeKind::list}},
    0, {}, {}, 0x1, -1};

constexpr ArgumentRule gluArguments[] = {
    {"gateUp", ArgumentType::act, 0, 2, {"M", "2 * I"}},
    {"y", ArgumentType::act, 0, 2, {"M", "I"}},
};
constexpr OpRule glu{
    gluArguments, 1, 1,
    {{"activation", AttributeKind::count}},
    1, {0}, {0x1}, 0x1, 0};

constexpr ArgumentRule gateColumnsArguments[] = {
    {"gate", ArgumentType::act, 0, 2, {"M", "I"}},
    {"up", ArgumentType::stream, 0, 2, {"M", "C"}},
    {"y", ArgumentType::act, 0, 2, {"M", "I"}},
};
constexpr OpRule gateColumns{
    gateColumnsArguments, 2, 1,
    {{"activation", AttributeKind::count}, {"first", AttributeKind::count}},
    2, {0, 1}, {0x3, 0x3}, 0x1, -1};

constexpr ArgumentRule activationArguments[] = {
    {"x", ArgumentType::act, 0, 2, {"M", "I"}},
    {"y", ArgumentType::act, 0, 2, {"M", "I"}},
};
constexpr OpRule activation{
    activationArguments, 1, 1,
    {{"activation", AttributeKind::count}},
    1, {0}, {0x1}, 0x1, 0};

constexpr ArgumentRule routeArguments[] = {
    {"logits", ArgumentType::float32, 0, 2, {"M", "E"}},
    {"weights", ArgumentType::float32, 0, 1, {"topK * M"}},
    {"tokens", ArgumentType::int32, 0, 1, {"topK * M"}},
    {"rows", ArgumentType::int32, 0, 1, {"topK * M"}},
    {"ends", ArgumentType::int32, 0, 1, {"E"}},
};
constexpr OpRule route{
    routeArguments, 1, 4,
    {{"topK", AttributeKind::count}, {"normalised", AttributeKind::flag}},
    1, {0}, {0x1b, 0x1b}, 0x1, -1};

constexpr ArgumentRule scaleExpertsArguments[] = {
    {"weights", ArgumentType::float32, 0, 1, {"R"}},
    {"ends", ArgumentType::int32, 0, 1, {"E"}, 0, "R + 1"},
    {"scales", ArgumentType::float32, 0, 1, {"E"}},
    {"y", ArgumentType::float32, 0, 1, {"R"}},
};
constexpr OpRule scaleExperts{
    scaleExpertsArguments, 3, 1,
    {},
    2, {0, 2}, {0x6, 0x3}, 0x1, -1};

constexpr ArgumentRule dispatchArguments[] = {
    {"x", ArgumentType::act, 0, 2, {"M", "H"}},
    {"tokens", ArgumentType::int32, 0, 1, {"R"}, 0, "M"},
    {"rows", ArgumentType::int32, 0, 1, {"R"}, 0, "R"},
    {"y", ArgumentType::act, 0, 2, {"R", "H"}},
};
constexpr OpRule dispatch{
    dispatchArguments, 3, 1,
    {},
    1, {0}, {0x4}, 0x1, -1};

constexpr ArgumentRule expertLinearArguments[] = {
    {"x", ArgumentType::act, 0, 2, {"R", "K"}},
    {"ends", ArgumentType::int32, 0, 1, {"E"}, 0, "R + 1"},
    {"weight", ArgumentType::weight, 0, 2, {"E * width", "K"}},
    {"bias", ArgumentType::float32, kOptional, 1, {"E * width"}},
    {"scales", ArgumentType::float32, kOptional, 1, {"R"}},
    {"loraA", ArgumentType::float32, kOptional, 2, {"E * rank", "K"}},
    {"loraB", ArgumentType::float32, kOptional, 2, {"E * width", "rank"}},
    {"y", ArgumentType::act, 0, 2, {"R", "width"}},
    {"t", ArgumentType::act, kOptional | kAuxiliary, 2, {"R", "rank"}},
};
constexpr OpRule expertLinear{
    expertLinearArguments, 7, 2,
    {{"width", AttributeKind::count}, {"rank", AttributeKind::count}, {"scaling", AttributeKind::number}},
    6, {0, 2, 3, 4, 5, 6}, {0x166, 0x163, 0x172, 0x16a, 0x163, 0x162}, 0x1, -1};

constexpr ArgumentRule expertGluArguments[] = {
    {"gateUp", ArgumentType::act, 0, 2, {"R", "2 * I"}},
    {"weights", ArgumentType::float32, 0, 1, {"R"}},
    {"y", ArgumentType::act, 0, 2, {"R", "I"}},
};
constexpr OpRule expertGlu{
    expertGluArguments, 2, 1,
    {{"activation", AttributeKind::count}, {"gain", AttributeKind::number}, {"limit", AttributeKind::number}},
    2, {0, 1}, {0x3, 0x3}, 0x1, 0};

constexpr ArgumentRule combineArguments[] = {
    {"x", ArgumentType::act, 0, 2, {"R", "H"}},
    {"residual", ArgumentType::float32, 0, 2, {"M", "H"}},
    {"tokens", ArgumentType::int32, 0, 1, {"R"}, 0, "M"},
    {"rows", ArgumentType::int32, 0, 1, {"R"}, 0, "R"},
    {"y", ArgumentType::float32, 0, 2, {"M", "H"}},
};
constexpr OpRule combine{
    combineArguments, 4, 1,
    {},
    1, {0}, {0x4}, 0x1, -1};

constexpr ArgumentRule sigmoidArguments[] = {
    {"x", ArgumentType::float32, 0, 2, {"M", "1"}},
    {"y", ArgumentType::float32, 0, 1, {"M"}},
};
constexpr OpRule sigmoid{
    sigmoidArguments, 1, 1,
    {},
    1, {0}, {0x2}, 0x1, -1};

constexpr ArgumentRule countExpertsArguments[] = {
    {"logits", ArgumentType::float32, 0, 2, {"M", "E"}},
    {"ends", ArgumentType::int32, 0, 1, {"E"}},
    {"usage", ArgumentType::float32, kOptional, 2, {"2", "E"}},
    {"y", ArgumentType::float32, 0, 2, {"2", "E"}},
};
constexpr OpRule countExperts{
    countExpertsArguments, 3, 1,
    {},
    1, {0}, {0x1}, 0x1, -1};

constexpr ArgumentRule balanceLossArguments[] = {
    {"usage", ArgumentType::float32, 0, 2, {"2", "E"}},
    {"loss", ArgumentType::float32, 0, 1, {"1"}},
    {"dUsage", ArgumentType::float32, kOptional | kAuxiliary, 2, {"2", "E"}},
};
constexpr OpRule balanceLoss{
    balanceLossArguments, 1, 2,
    {{"topK", AttributeKind::count}, {"coefficient", AttributeKind::number}},
    0, {}, {}, 0x0, -1};

constexpr ArgumentRule capLogitsArguments[] = {
    {"x", ArgumentType::float32, 0, 2, {"M", "V"}},
    {"y", ArgumentType::float32, 0, 2, {"M", "V"}},
};
constexpr OpRule capLogits{
    capLogitsArguments, 1, 1,
    {{"scale", AttributeKind::number}, {"cap", AttributeKind::number}},
    0, {}, {}, 0x1, -1};

constexpr ArgumentRule targetLogProbsArguments[] = {
    {"hidden", ArgumentType::act, 0, 2, {"m", "H"}},
    {"weight", ArgumentType::table, 0, 2, {"V", "H"}},
    {"targets", ArgumentType::int32, 0, 1, {"m"}, -1, "V"},
    {"weights", ArgumentType::float32, kOptional, 1, {"m"}},
    {"logProbs", ArgumentType::float32, 0, 1, {"m"}},
    {"lse", ArgumentType::float32, kAuxiliary, 1, {"m"}},
    {"dHidden", ArgumentType::act, kOptional | kAuxiliary, 2, {"m", "H"}},
    {"description", ArgumentType::float32, kOptional | kAuxiliary, 2, {"m", "4"}},
};
constexpr OpRule targetLogProbs{
    targetLogProbsArguments, 4, 4,
    {{"scale", AttributeKind::number}, {"cap", AttributeKind::number}},
    1, {1}, {0x2f}, 0x0, -1};

constexpr ArgumentRule appendColumnsArguments[] = {
    {"x", ArgumentType::act, 0, 2, {"M", "width"}},
    {"t", ArgumentType::act, 0, 2, {"M", "added"}},
    {"y", ArgumentType::act, 0, 2, {"M", "width + added"}},
};
constexpr OpRule appendColumns{
    appendColumnsArguments, 2, 1,
    {{"scale", AttributeKind::number}, {"width", AttributeKind::count}, {"added", AttributeKind::count}},
    2, {0, 1}, {0x0, 0x0}, 0x1, -1};

constexpr ArgumentRule adaptedLogProbsArguments[] = {
    {"targets", ArgumentType::int32, 0, 1, {"m"}, -1, "V"},
    {"weight", ArgumentType::table, 0, 2, {"V", "H"}},
    {"loraB", ArgumentType::float32, 0, 2, {"V", "R"}},
    {"hidden", ArgumentType::act, 0, 2, {"m", "H + R"}},
    {"weights", ArgumentType::float32, kOptional, 1, {"m"}},
    {"logProbs", ArgumentType::float32, 0, 1, {"m"}},
    {"lse", ArgumentType::float32, kAuxiliary, 1, {"m"}},
    {"dHidden", ArgumentType::act, kOptional | kAuxiliary, 2, {"m", "H + R"}},
    {"description", ArgumentType::float32, kOptional | kAuxiliary, 2, {"m", "4"}},
};
constexpr OpRule adaptedLogProbs{
    adaptedLogProbsArguments, 5, 4,
    {{"scale", AttributeKind::number}, {"cap", AttributeKind::number}},
    1, {2}, {0x5f}, 0x0, -1};

constexpr ArgumentRule scoreRowsArguments[] = {
    {"hidden", ArgumentType::act, 0, 2, {"m", "H"}},
    {"weight", ArgumentType::parameter, 0, 2, {"1", "H"}},
    {"weights", ArgumentType::float32, kOptional, 1, {"m"}},
    {"scores", ArgumentType::float32, 0, 1, {"m"}},
    {"dHidden", ArgumentType::act, kOptional | kAuxiliary, 2, {"m", "H"}},
};
constexpr OpRule scoreRows{
    scoreRowsArguments, 3, 2,
    {},
    1, {1}, {0x5}, 0x0, -1};

constexpr ArgumentRule scaleRowsArguments[] = {
    {"x", ArgumentType::stream, 0, 2, {"M", "W"}},
    {"weights", ArgumentType::float32, 0, 1, {"M"}},
    {"y", ArgumentType::stream, 0, 2, {"M", "W"}},
};
constexpr OpRule scaleRows{
    scaleRowsArguments, 2, 1,
    {},
    0, {}, {}, 0x1, -1};

constexpr ArgumentRule argmaxArguments[] = {
    {"x", ArgumentType::float32, 0, 2, {"M", "V"}},
    {"y", ArgumentType::int32, 0, 1, {"M"}},
};
constexpr OpRule argmax{
    argmaxArguments, 1, 1,
    {},
    0, {}, {}, 0x0, -1};

constexpr ArgumentRule fillArguments[] = {
    {"y", ArgumentType::stream, 0, -1, {}},
};
constexpr OpRule fill{
    fillArguments, 0, 1,
    {{"value", AttributeKind::number}},
    0, {}, {}, 0x1, -1};

constexpr ArgumentRule gradNormArguments[] = {
    {"gradients", ArgumentType::float32, 0, 1, {"n"}},
    {"stats", ArgumentType::float32, 0, 1, {"2"}},
};
constexpr OpRule gradNorm{
    gradNormArguments, 1, 1,
    {{"maxNorm", AttributeKind::number}},
    0, {}, {}, 0x1, -1};

constexpr ArgumentRule adamwArguments[] = {
    {"parameters", ArgumentType::float32, kChanges, 1, {"n"}},
    {"gradients", ArgumentType::float32, 0, 1, {"n"}},
    {"m", ArgumentType::float32, kChanges, 1, {"n"}},
    {"v", ArgumentType::float32, kChanges, 1, {"n"}},
    {"stats", ArgumentType::float32, kOptional, 1, {"2"}},
    {"hyper", ArgumentType::float32, 0, 1, {"7"}},
};
constexpr OpRule adamw{
    adamwArguments, 6, 0,
    {},
    0, {}, {}, 0x0, -1};

constexpr ArgumentRule sgdArguments[] = {
    {"parameters", ArgumentType::float32, kChanges, 1, {"n"}},
    {"gradients", ArgumentType::float32, 0, 1, {"n"}},
    {"velocity", ArgumentType::float32, kOptional | kChanges, 1, {"n"}},
    {"stats", ArgumentType::float32, kOptional, 1, {"2"}},
    {"hyper", ArgumentType::float32, 0, 1, {"5"}},
};
constexpr OpRule sgd{
    sgdArguments, 5, 0,
    {},
    0, {}, {}, 0x0, -1};

constexpr ArgumentRule lionArguments[] = {
    {"parameters", ArgumentType::float32, kChanges, 1, {"n"}},
    {"gradients", ArgumentType::float32, 0, 1, {"n"}},
    {"m", ArgumentType::float32, kChanges, 1, {"n"}},
    {"stats", ArgumentType::float32, kOptional, 1, {"2"}},
    {"hyper", ArgumentType::float32, 0, 1, {"4"}},
};
constexpr OpRule lion{
    lionArguments, 5, 0,
    {},
    0, {}, {}, 0x0, -1};

constexpr ArgumentRule adamw8bitArguments[] = {
    {"parameters", ArgumentType::float32, kChanges, 1, {"n"}},
    {"gradients", ArgumentType::float32, 0, 1, {"n"}},
    {"mCodes", ArgumentType::int32, kChanges, 1, {"64 * B"}},
    {"mScales", ArgumentType::float32, kChanges, 1, {"B"}},
    {"vCodes", ArgumentType::int32, kChanges, 1, {"64 * B"}},
    {"vScales", ArgumentType::float32, kChanges, 1, {"B"}},
    {"mMap", ArgumentType::float32, 0, 1, {"256"}},
    {"vMap", ArgumentType::float32, 0, 1, {"256"}},
    {"stats", ArgumentType::float32, kOptional, 1, {"2"}},
    {"hyper", ArgumentType::float32, 0, 1, {"7"}},
};
constexpr OpRule adamw8bit{
    adamw8bitArguments, 10, 0,
    {},
    0, {}, {}, 0x0, -1};

constexpr ArgumentRule lion8bitArguments[] = {
    {"parameters", ArgumentType::float32, kChanges, 1, {"n"}},
    {"gradients", ArgumentType::float32, 0, 1, {"n"}},
    {"mCodes", ArgumentType::int32, kChanges, 1, {"64 * B"}},
    {"mScales", ArgumentType::float32, kChanges, 1, {"B"}},
    {"mMap", ArgumentType::float32, 0, 1, {"256"}},
    {"stats", ArgumentType::float32, kOptional, 1, {"2"}},
    {"hyper", ArgumentType::float32, 0, 1, {"4"}},
};
constexpr OpRule lion8bit{
    lion8bitArguments, 7, 0,
    {},
    0, {}, {}, 0x0, -1};

constexpr ArgumentRule adafactorArguments[] = {
    {"parameters", ArgumentType::float32, kChanges, 2, {"R", "S"}},
    {"gradients", ArgumentType::float32, 0, 2, {"R", "S"}},
    {"rowSquares", ArgumentType::float32, kChanges, 1, {"R"}},
    {"columnSquares", ArgumentType::float32, kChanges, 1, {"C"}},
    {"stats", ArgumentType::float32, kOptional, 1, {"2"}},
    {"hyper", ArgumentType::float32, 0, 1, {"5"}},
};
constexpr OpRule adafactor{
    adafactorArguments, 6, 0,
    {},
    0, {}, {}, 0x0, -1};

constexpr ArgumentRule muonArguments[] = {
    {"parameters", ArgumentType::float32, kChanges, 2, {"R", "S"}},
    {"gradients", ArgumentType::float32, 0, 2, {"R", "S"}},
    {"m", ArgumentType::float32, kChanges, 2, {"R", "S"}},
    {"stats", ArgumentType::float32, kOptional, 1, {"2"}},
    {"hyper", ArgumentType::float32, 0, 1, {"5"}},
};
constexpr OpRule muon{
    muonArguments, 5, 0,
    {{"columns", AttributeKind::count}},
    0, {}, {}, 0x0, -1};

}  // namespace rules

// By opcode.
constexpr const OpRule* kOpRules[] = {
    &rules::embedding,
    &rules::selectRows,
    &rules::rmsNorm,
    &rules::layerNorm,
    &rules::cast,
    &rules::addScaled,
    &rules::scaleBy,
    &rules::addNoise,
    &rules::dropout,
    &rules::qkNorm,
    &rules::joinColumns,
    &rules::rope,
    &rules::attention,
    &rules::cachedAttention,
    &rules::causalConv,
    &rules::cachedCausalConv,
    &rules::gatedDelta,
    &rules::cachedGatedDelta,
    &rules::gatedNorm,
    &rules::splitGates,
    &rules::sigmoidGate,
    &rules::copySlots,
    &rules::linear,
    &rules::scaleColumns,
    &rules::inverseNorms,
    &rules::glu,
    &rules::gateColumns,
    &rules::activation,
    &rules::route,
    &rules::scaleExperts,
    &rules::dispatch,
    &rules::expertLinear,
    &rules::expertGlu,
    &rules::combine,
    &rules::sigmoid,
    &rules::countExperts,
    &rules::balanceLoss,
    &rules::capLogits,
    &rules::targetLogProbs,
    &rules::appendColumns,
    &rules::adaptedLogProbs,
    &rules::scoreRows,
    &rules::scaleRows,
    &rules::argmax,
    &rules::fill,
    &rules::gradNorm,
    &rules::adamw,
    &rules::sgd,
    &rules::lion,
    &rules::adamw8bit,
    &rules::lion8bit,
    &rules::adafactor,
    &rules::muon,
};

}  // namespace fettle
