import { checkArgument, checkObject, checkPath } from '../../check-argument.ts'
import { clipText, FettleError, type Problem } from '../../error.ts'
import { modelCard } from './card.ts'
import { chooseFiles } from './choose-files.ts'
import { checkBase, hubName, provenanceOf, type Provenance } from './provenance.ts'
import { publicFiles, written, type FileToPush } from './public-files.ts'
import type { PushOptions, PushResult } from './push-options.ts'
import { refuseSecrets } from './secrets.ts'
import { openModelHub } from './upload.ts'

/**
 * Puts an adapter, a model or an export on Hugging Face's Hub, with a model card, in one commit. What is no part of a model stays here:
 * events, reports and data of a run, checkpoints, and whatever else lies in the folder. With `dryRun` nothing is asked of the network.
 *
 * @throws FettleError for what is no model, for secrets in it, and for all that the Hub refuses
 */
export async function pushModel(options: PushOptions): Promise<PushResult> {
  const { path, repo: asked, dryRun = false, baseModel, include = [] } = checked(options)
  const chosen = await chooseFiles(path, include)
  const provenance = await provenanceOf(chosen, options)
  checkBase(chosen, provenance, baseModel)
  const hub = dryRun ? undefined : await openModelHub()
  const repo = hub === undefined || asked.includes('/') ? asked : `${hub.user}/${asked}`
  const own = await publicFiles(chosen, provenance.base, include)
  const hasCard = own.some((file) => file.path === 'README.md')
  const card: FileToPush[] = hasCard
    ? []
    : [{ ...written('README.md', modelCard(repo, chosen, provenance)), change: 'the model card' }]
  const files = [...card, ...own]
  await refuseSecrets(chosen.folder, files)
  const sent = await hub?.upload({
    folder: chosen.folder,
    files,
    repo,
    private: options.private ?? false,
    overwrite: options.overwrite ?? false,
    base: provenance.base,
    signal: options.signal,
    onProgress: options.onProgress,
  })
  return {
    repo,
    private: options.private ?? false,
    url: sent?.url ?? null,
    commit: sent?.commit ?? null,
    files,
    leftOut: chosen.leftOut,
    notices: noticesOf(chosen.folder, provenance, { hasCard, isBaseless: baseModel === 'none' }),
  }
}

function noticesOf(
  folder: string,
  { base, license, record }: Provenance,
  { hasCard, isBaseless }: { hasCard: boolean; isBaseless: boolean },
): Problem[] {
  if (hasCard)
    return [
      {
        place: `${folder}/README.md`,
        found: 'a model card of yours, which goes as it is',
        cure: 'Without the file fettle writes one.',
      },
    ]
  return [
    ...(base === undefined && !isBaseless
      ? [
          {
            place: 'model card',
            found: 'no base model',
            cure: 'Say its name on the Hub with --base-model OWNER/NAME.',
          },
        ]
      : []),
    ...(license === undefined
      ? [{ place: 'model card', found: 'no licence', cure: 'Say it with --license, such as apache-2.0.' }]
      : []),
    ...(record === undefined
      ? [
          {
            place: 'model card',
            found: 'nothing of data, tokens and losses, as no run is known that the model comes from',
            cure: 'Say its folder with --run.',
          },
        ]
      : []),
  ]
}

function checked(options: PushOptions): PushOptions {
  checkObject('pushModel', options)
  checkPath('pushModel: path', options.path)
  const { repo, include } = options
  checkArgument('pushModel: repo', repo, typeof repo === 'string', 'owner/name')
  if (!hubName.test(repo) && !/^[A-Za-z0-9][\w.-]*$/.test(repo))
    throw new FettleError({
      place: 'repo',
      found: `'${clipText(repo)}'`,
      expected: 'owner/name, of letters, digits, -, _ and .',
    })
  const isList =
    include === undefined || (Array.isArray(include) && include.every((name) => typeof name === 'string'))
  checkArgument('pushModel: include', include, isList, 'names of files, or patterns')
  return options
}
