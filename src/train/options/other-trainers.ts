import { plainName } from '../../closest-name.ts'

const elsewhere: ReadonlyMap<string, string> = new Map(
  Object.entries({
    lr: 'learningRate',
    epochs: 'numTrainEpochs',
    numEpochs: 'numTrainEpochs',
    steps: 'maxSteps',
    batchSize: 'perDeviceTrainBatchSize',
    microBatchSize: 'perDeviceTrainBatchSize',
    gradAccum: 'gradientAccumulationSteps',
    maxSeqLength: 'maxLength',
    sequenceLen: 'maxLength',
    cutoffLen: 'maxLength',
    baseModel: 'model',
    modelName: 'model',
    modelNameOrPath: 'model',
    dataset: 'data',
    datasets: 'data',
    trainFile: 'data',
    valData: 'evalData',
    valSetSize: 'valSize',
    testSize: 'valSize',
    evalSplitSize: 'valSize',
    datasetExactDeduplication: 'deduplicate',
    dedup: 'deduplicate',
    bufferSize: 'shuffleBuffer',
    shuffleBufferSize: 'shuffleBuffer',
    mixStrategy: 'stoppingStrategy',
    valFile: 'evalData',
    output: 'outputDir',
    overwriteOutputDir: 'overwrite',
    resume: 'resumeFromCheckpoint',
    loadIn4bit: 'quantization',
    bf16: 'dtype',
    scheduler: 'lrSchedulerType',
    lrScheduler: 'lrSchedulerType',
    loraR: 'lora.r',
    loraRank: 'lora.r',
    rank: 'r',
    alpha: 'loraAlpha',
    dropout: 'loraDropout',
    loraAlpha: 'lora.loraAlpha',
    loraDropout: 'lora.loraDropout',
    targetModules: 'lora.targetModules',
  }).map(([theirs, ours]) => [plainName(theirs), ours]),
)

/** What an option of another trainer is called here: `lora.r` for `lora_rank`, `r` for `rank` inside the lora block. */
export function nameHere(theirs: string): string | undefined {
  return elsewhere.get(plainName(theirs))
}

/** What other trainers call the option at a path, without separators and case. */
export function namesElsewhere(path: readonly string[]): string[] {
  const named = path.join('.')
  return [...elsewhere].flatMap(([theirs, ours]) => (ours === named || ours === path.at(-1) ? [theirs] : []))
}
