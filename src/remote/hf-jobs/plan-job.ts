import { closestName } from '../../closest-name.ts'
import { FettleError } from '../../error.ts'
import { version } from '../../version.ts'
import { runnerArguments, type RunnerOptions } from '../torch/run-torch.ts'
import type { Hardware, JobRequest } from './hub.ts'

/** What a job is made of. */
export interface JobPlan {
  hardware: Hardware
  /** The base model's name on the Hub. */
  model: string
  /** The repository with what is learned, which the job reads. */
  source: string
  /** The repository that checkpoints and the result go to. */
  result: string
  token: string
  timeoutSeconds: number
  runId: string
  options: RunnerOptions
}

/** PyTorch with CUDA; the rest is installed when the job begins. */
const torchImage = 'pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime'
const nodeImage = 'node:22'

/**
 * The machine of a name.
 *
 * @throws FettleError that lists those there are
 */
export function hardwareOf(flavor: string, all: readonly Hardware[]): Hardware {
  const found = all.find(({ name }) => name === flavor)
  if (found !== undefined) return found
  const names = all.map(({ name }) => name)
  const near = closestName(flavor, names)
  throw new FettleError({
    place: `--on hf-jobs:${flavor}`,
    found: 'no such flavour',
    expected: all.map((each) => `${each.name} ($${hourly(each).toFixed(2)} an hour)`).join(', '),
    ...(near !== undefined && { cure: `Did you mean hf-jobs:${near}?` }),
  })
}

/** Dollars an hour, however they are counted. */
export function hourly({ unitCostUSD, unitLabel }: Pick<Hardware, 'unitCostUSD' | 'unitLabel'>): number {
  return unitLabel === 'minute' ? 60 * unitCostUSD : unitLabel === 'second' ? 3600 * unitCostUSD : unitCostUSD
}

/** What it costs, in words. */
export function costText(hardware: Hardware, timeoutSeconds: number): string {
  const { name, cpu, ram, accelerator } = hardware
  const cost = hourly(hardware)
  const hours = timeoutSeconds / 3600
  const machine =
    accelerator === null
      ? `${cpu}, ${ram}`
      : `${accelerator.quantity} × ${accelerator.model}, ${accelerator.vram}`
  return `${name} (${machine}) costs $${cost.toFixed(2)} an hour, by the minute; at most $${(cost * hours).toFixed(2)} until it is ended after ${hours} h`
}

/** Whether fettle itself trains there, or PyTorch. */
export function isProcessor({ accelerator }: Hardware): boolean {
  return accelerator === null
}

/**
 * The job: on a GPU the runner with the hand-off that was uploaded, on a processor fettle itself with the data. Whatever is in the run's
 * folder is pushed every ten minutes and at the end.
 */
export function planJob({
  hardware,
  model,
  source,
  result,
  token,
  timeoutSeconds,
  runId,
  options,
}: JobPlan): JobRequest {
  const push = `hf upload ${result} /tmp/run . --private --quiet`
  const install = isProcessor(hardware)
    ? 'apt-get -qq update && apt-get -qq install -y pipx >/dev/null && pipx install -q huggingface_hub && export PATH="$PATH:$HOME/.local/bin"'
    : 'pip install -q "transformers>=5" peft safetensors bitsandbytes huggingface_hub'
  const train = isProcessor(hardware)
    ? `npx --yes fettle@${version()} train /source/run.yaml --json`
    : `PYTHONPATH=/source python -m fettle_runner /source/hand-off --output /tmp/run --model /model ${runnerArguments(options).join(' ')}`
  const script = [
    'mkdir -p /tmp/run',
    install,
    `(while sleep 600; do ${push}; done) & pushing=$!`,
    train.trim(),
    'code=$?',
    'kill $pushing',
    push,
    'exit $code',
  ].join('\n')
  return {
    dockerImage: isProcessor(hardware) ? nodeImage : torchImage,
    command: ['bash', '-c', script],
    flavor: hardware.name,
    environment: { PYTHONUNBUFFERED: '1' },
    secrets: { HF_TOKEN: token },
    timeoutSeconds,
    labels: { fettle: runId.slice(0, 8) },
    volumes: [
      { source: `datasets/${source}`, mountPath: '/source' },
      { source: model, mountPath: '/model' },
    ],
  }
}
