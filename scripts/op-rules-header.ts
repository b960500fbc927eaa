import type { Argument, OpInfo } from '../src/engine/op-entry.ts'
import type { OpName } from '../src/engine/ops.ts'
import { hasGradient, infoOf, opNames } from '../src/engine/ops.ts'

/**
 * native/op_rules.h as it follows from the op table: what native/op_rules.cc holds the commands of a program against.
 * test/engine/ops-header.test.ts compares it with the file, and `npm run generate` writes it.
 */
export function opRulesHeader(): string {
  return `// What the op table says of each op's arguments, as data. Written by \`npm run generate\` from src/engine/ops.ts.
#pragma once
#include "op_rule.h"

namespace fettle {
namespace rules {

${opNames.map((name) => ruleOf(name)).join('\n\n')}

}  // namespace rules

// By opcode.
constexpr const OpRule* kOpRules[] = {
${opNames.map((name) => `    &rules::${name},`).join('\n')}
};

}  // namespace fettle
`
}

function ruleOf(name: OpName): string {
  const info = infoOf(name)
  const argument = (key: string, { type, shape, below, from = 0, optional, auxiliary }: Argument) => {
    const may = [
      ...(optional === true ? ['kOptional'] : []),
      ...(auxiliary === true ? ['kAuxiliary'] : []),
      ...(info.changes.includes(key) ? ['kChanges'] : []),
    ]
    const sizes =
      shape === null ? '-1, {}' : `${shape.length}, {${shape.map((size) => `"${size}"`).join(', ')}}`
    const range = below === undefined ? '' : `, ${from}, "${below}"`
    return `    {"${key}", ArgumentType::${type}, ${may.join(' | ') || 0}, ${sizes}${range}},`
  }
  const places = [...info.inputNames, ...info.outputNames]
  const given = info.outputNames.flatMap((output, i) => (!hasGradient(info, output) ? [] : [i]))
  const attributes = info.attributeNames.map((key) => `{"${key}", AttributeKind::${info.attributes[key]}}`)
  const gradients = info.gradients.map((key) => info.inputNames.indexOf(key))
  const remade = info.remade === undefined ? -1 : info.outputNames.indexOf(info.remade)
  return [
    `constexpr ArgumentRule ${name}Arguments[] = {`,
    ...info.inputNames.map((key) => argument(key, info.inputs[key])),
    ...info.outputNames.map((key) => argument(key, info.outputs[key])),
    '};',
    `constexpr OpRule ${name}{`,
    `    ${name}Arguments, ${info.inputNames.length}, ${info.outputNames.length},`,
    `    {${attributes.join(', ')}},`,
    `    ${gradients.length}, {${gradients.join(', ')}}, {${needsOf(info, places).join(', ')}}, ${bits(given)}, ${remade}};`,
  ].join('\n')
}

/** For each setting of the flags, the first flag being the lowest bit, and each gradient: what the vjp must be given to make it. */
function needsOf(info: OpInfo, places: readonly string[]): string[] {
  const flags = info.attributeNames.filter((name) => info.attributes[name] === 'flag')
  return Array.from({ length: 2 ** flags.length }, (_, setting) => {
    const attributes = Object.fromEntries(flags.map((flag, bit) => [flag, (setting >> bit) & 1]))
    return info.gradients.map((gradient) =>
      bits(info.saved(new Set([gradient]), attributes).map((name) => places.indexOf(name))),
    )
  }).flat()
}

function bits(places: readonly number[]): string {
  return `0x${places.reduce((sum, place) => sum | (1 << place), 0).toString(16)}`
}
