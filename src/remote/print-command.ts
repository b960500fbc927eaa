import { basename, join, resolve } from 'node:path'
import { pythonFolder } from '../python.ts'
import { quotedForSh } from '../shell-quoted.ts'
import { runnerArguments, type RunnerOptions } from './torch/run-torch.ts'

/** Schedulers that a command line is written for. */
export const schedulers = ['torchrun', 'slurm', 'skypilot', 'kubeflow'] as const
/** One of them. */
export type Scheduler = (typeof schedulers)[number]

/** What the command line is about. */
export interface CommandInput extends RunnerOptions {
  /** Folder of the hand-off, and of the run, as the machines see them. */
  handOff: string
  output: string
  model: string
  /** Machines, and GPUs of each. */
  nodes: number
  gpus: number
}

/** What starts the runner by a scheduler; it prints the script or the YAML that the scheduler takes. */
export function commandFor(scheduler: Scheduler, input: CommandInput): string {
  const { handOff, output, model, nodes, gpus } = input
  const tail = [
    '-m fettle_runner',
    quotedForSh(resolve(handOff)),
    `--output ${quotedForSh(resolve(output))}`,
    `--model ${quotedForSh(model)}`,
    ...runnerArguments(input),
  ].join(' ')
  const path = `export PYTHONPATH=${quotedForSh(pythonFolder())}:$PYTHONPATH`
  const name = basename(resolve(output))
  const made: { [S in Scheduler]: () => string } = {
    torchrun: () =>
      nodes === 1
        ? [path, `torchrun --standalone --nproc-per-node=${gpus} --max-restarts=3 ${tail}`].join('\n')
        : [
            `# On each of the ${nodes} machines, with the name or address of the first one: HEAD=… bash this-file`,
            ': "${HEAD:?is the name or address of the first machine}"',
            path,
            `torchrun --nnodes=${nodes} --nproc-per-node=${gpus} --max-restarts=3 --rdzv-backend=c10d \\`,
            `  --rdzv-id=${quotedForSh(name)} --rdzv-endpoint="$HEAD:29500" ${tail}`,
          ].join('\n'),
    slurm: () =>
      [
        '#!/bin/bash',
        `#SBATCH --job-name=${name}`,
        `#SBATCH --nodes=${nodes}`,
        '#SBATCH --ntasks-per-node=1',
        `#SBATCH --gpus-per-node=${gpus}`,
        `#SBATCH --output=${join(resolve(output), 'slurm-%j.log')}`,
        '# Two minutes before its time is over the run saves a checkpoint and stops.',
        '#SBATCH --signal=B:TERM@120',
        path,
        `trap 'touch ${quotedForSh(join(resolve(output), 'stop'))}' TERM`,
        'export HEAD=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
        `srun torchrun --nnodes=${nodes} --nproc-per-node=${gpus} --max-restarts=3 --rdzv-backend=c10d \\`,
        `  --rdzv-id=$SLURM_JOB_ID --rdzv-endpoint=$HEAD:29500 ${tail} &`,
        'until wait $!; [ -z "$(jobs -r)" ]; do :; done',
      ].join('\n'),
    skypilot: () =>
      [
        `name: ${name}`,
        `num_nodes: ${nodes}`,
        'resources:',
        `  accelerators: H100:${gpus}`,
        'setup: pip install torch "transformers>=5" peft safetensors',
        'run: |',
        `  ${path}`,
        '  HEAD=$(echo "$SKYPILOT_NODE_IPS" | head -n 1)',
        `  torchrun --nnodes=$SKYPILOT_NUM_NODES --nproc-per-node=$SKYPILOT_NUM_GPUS_PER_NODE \\`,
        '    --node-rank=$SKYPILOT_NODE_RANK --master-addr=$HEAD --master-port=29500 \\',
        `    ${tail}`,
      ].join('\n'),
    kubeflow: () =>
      [
        'apiVersion: trainer.kubeflow.org/v1alpha1',
        'kind: TrainJob',
        'metadata:',
        `  name: ${name.toLowerCase().replaceAll(/[^a-z0-9-]+/g, '-')}`,
        'spec:',
        '  runtimeRef:',
        '    name: torch-distributed',
        '  trainer:',
        `    numNodes: ${nodes}`,
        `    numProcPerNode: ${gpus}`,
        '    env:',
        '      - name: PYTHONPATH',
        `        value: ${pythonFolder()}`,
        '    command:',
        '      - bash',
        '      - -c',
        `      - ${JSON.stringify(`torchrun ${tail}`)}`,
      ].join('\n'),
  }
  return `${made[scheduler]()}\n`
}
