import { tableHash } from '../src/engine/native/table-hash.ts'
import type { Argument, OpInfo } from '../src/engine/op-entry.ts'
import type { OpName } from '../src/engine/ops.ts'
import { hasGradient, infoOf, opNames } from '../src/engine/ops.ts'

/**
 * native/ops.h as it follows from the op table: opcodes, and for each op two structs that give kernels its arguments by name.
 * test/engine/ops-header.test.ts compares it with the file, and `npm run generate` writes it.
 */
export function opsHeader(): string {
  const differentiable = opNames.filter((name) => infoOf(name).gradients.length > 0)
  return `// The op table as C++. Written by \`npm run generate\` from src/engine/ops.ts, where each op's formula, shapes and arguments stand.
#pragma once
#include "call.h"

namespace fettle {

// Of the table that this file was written from.
constexpr char kTableHash[] = "${tableHash()}";

#define FETTLE_OPS(X) \\
${wrapped(opNames)}
#define FETTLE_DIFFERENTIABLE_OPS(X) \\
${wrapped(differentiable)}

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

static_assert(kMaxArguments >= ${mostArguments()}, "call.h");

${opNames.map((name) => structsOf(name)).join('\n\n')}

}  // namespace args
}  // namespace fettle
`
}

/** Of a vjp: forward inputs and outputs, and the outputs' gradients. */
function mostArguments(): number {
  return Math.max(...opNames.map(infoOf).map((info) => info.inputNames.length + 2 * info.outputNames.length))
}

/** X(name) of each name, in lines of up to 120 characters that go on with a backslash. */
function wrapped(names: readonly string[]): string {
  const lines: string[] = []
  let line = ' '
  for (const name of names) {
    const next = ` X(${name})`
    if (line.length + next.length > 118) {
      lines.push(`${line} \\`)
      line = ' '
    }
    line += next
  }
  return [...lines, line].join('\n')
}

function structsOf(name: OpName): string {
  const info = infoOf(name)
  const forward = struct(capitalised(name), [
    ...info.inputNames.map((input, i) => getter(input, `call.in[${i}]`, !mayBeMissing(info.inputs[input]))),
    ...info.outputNames.map((output, i) =>
      getter(output, `call.out[${i}]`, !mayBeMissing(info.outputs[output])),
    ),
    ...attributeGetters(info),
  ])
  return info.gradients.length > 0 ? `${forward}\n\n${vjpStruct(name, info)}` : forward
}

/** Forward arguments that the vjp may read, gradients that it is given, gradients that it makes. */
function vjpStruct(name: OpName, info: OpInfo): string {
  const forwardNames = [...info.inputNames, ...info.outputNames]
  const saves = savedLists(info)
  const saved = forwardNames.flatMap((argument, i) => {
    if (!saves.some((list) => list.includes(argument))) return []
    const { optional } = info.inputs[argument] ?? info.outputs[argument]
    const always = optional !== true && saves.every((list) => list.includes(argument))
    return [getter(argument, `call.in[${i}]`, always)]
  })
  const given = info.outputNames.flatMap((output, i) => {
    if (!hasGradient(info, output)) return []
    return [getter(`d${capitalised(output)}`, `call.in[${forwardNames.length + i}]`, true)]
  })
  const wanted = info.gradients.flatMap((input, i) => [
    getter(`d${capitalised(input)}`, `call.out[${i}]`, false),
    `bool accumulates${capitalised(input)}() const { return call.accumulate[${i}]; }`,
  ])
  const remade =
    info.remade === undefined
      ? []
      : [getter(`remade${capitalised(info.remade)}`, `call.out[${info.gradients.length}]`, false)]
  return struct(`${capitalised(name)}Vjp`, [
    ...saved,
    ...given,
    ...wanted,
    ...remade,
    ...attributeGetters(info),
  ])
}

/** What the vjp reads in all circumstances that the table distinguishes: each gradient alone, each flag on and off. */
function savedLists(info: OpInfo): (readonly string[])[] {
  const flags = info.attributeNames.filter((name) => info.attributes[name] === 'flag')
  let settings: Record<string, number>[] = [{}]
  for (const flag of flags)
    settings = settings.flatMap((s) => [0, 1].map((value) => ({ ...s, [flag]: value })))
  return settings.flatMap((attributes) =>
    info.gradients.map((gradient) => info.saved(new Set([gradient]), attributes)),
  )
}

function attributeGetters({ attributes, attributeNames }: OpInfo): string[] {
  return attributeNames.map((name, i) => {
    const value = `call.attributes[${i}]`
    switch (attributes[name]) {
      case 'number':
        return `double ${name}() const { return ${value}; }`
      case 'count':
        return `int64_t ${name}() const { return int64_t(${value}); }`
      case 'flag':
        return `bool ${name}() const { return ${value} != 0; }`
      case 'list':
        if (i < attributeNames.length - 1) throw new Error(`${name}: a list attribute must come last`)
        return `List ${name}() const { return {call.attributes + ${i + 1}, int(${value})}; }`
    }
  })
}

function getter(name: string, place: string, isThere: boolean): string {
  return isThere
    ? `const Tensor& ${name}() const { return *${place}; }`
    : `const Tensor* ${name}() const { return ${place}; }`
}

function struct(name: string, members: readonly string[]): string {
  const lines = ['using Arguments::Arguments;', ...members].map((member) => `  ${member}`)
  return `struct ${name} : Arguments {\n${lines.join('\n')}\n};`
}

function mayBeMissing({ optional, auxiliary }: Argument): boolean {
  return optional === true || auxiliary === true
}

function capitalised(name: string): string {
  return name[0].toUpperCase() + name.slice(1)
}
