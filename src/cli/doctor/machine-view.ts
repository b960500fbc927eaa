import type { MachineReport } from '../../doctor/index.ts'
import { withCommands } from '../command-line.ts'
import { hang, type Terminal } from '../terminal/terminal.ts'
import { plural } from '../../plural.ts'

/** Which engine runs here and why, for people. */
export function showMachine(report: MachineReport, terminal: Terminal): string {
  const { paint } = terminal
  const { engine, addon, processor, limits, memoryBytes, machine, runtime, engines } = report
  const line = (label: string, ...parts: readonly (string | undefined)[]): string =>
    hang(`${paint.bold(label.padEnd(10))} `, parts.filter((part) => part !== undefined).join(' · '), terminal)
  const missing = engines.filter(({ name, problem }) => problem !== undefined && name !== 'native')
  return [
    line('engine', engine.name, engine.isa, plural(engine.threads, 'thread'), engine.why),
    ...('path' in addon
      ? [
          line('addon', addon.path),
          line('', addon.from, addon.version ?? undefined, `sha256 ${addon.sha256}`),
          ...(addon.builtBefore === null ? [] : [line('', paint.yellow(isOld(addon.builtBefore)))]),
          line(
            '',
            `kernels that run here: ${addon.instructionSets.join(', ')}`,
            addon.others.length === 0 ? undefined : `for other processors: ${addon.others.join(', ')}`,
          ),
        ]
      : [line('addon', paint.yellow(`none: ${addon.problem}`)), line('', withCommands(addon.cure))]),
    ...missing.map(({ name, problem }) => line(name, `cannot run here: ${problem}`)),
    line(
      'processor',
      processor.model,
      `${processor.count}, of which this process may use ${processor.usable}`,
    ),
    line(
      'limits',
      limits.processors === null
        ? 'control groups: all processors'
        : `control groups: ${plural(limits.processors, 'processor')}`,
      limits.memoryBytes === null ? 'all memory' : `${gib(limits.memoryBytes)} of memory`,
      `FETTLE_THREADS ${limits.threads ?? 'not set'}`,
      `FETTLE_ISA ${limits.isa ?? 'not set'}`,
    ),
    line('memory', gib(memoryBytes)),
    line('machine', machine, runtime),
    '',
  ].join('\n')
}

const isOld = (changed: string): string =>
  `built before ${changed} changed: npm run build:native builds it anew`

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`
}
