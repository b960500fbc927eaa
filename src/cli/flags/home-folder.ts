import { homedir } from 'node:os'

/**
 * Arguments with the user's folder in the place of a `~` at the beginning of a path, also in `--model=~/…`. Shells of other systems
 * do that themselves; cmd.exe does not, nor does PowerShell for programs.
 *
 * @param home  for tests, as the platform
 */
export function withHomeFolder(
  args: readonly string[],
  platform: NodeJS.Platform = process.platform,
  home = homedir(),
): readonly string[] {
  if (platform !== 'win32') return args
  return args.map((argument) =>
    argument.replace(/^(--[\w-]+=)?~(?=[\\/])/, (_, flag: string = '') => flag + home),
  )
}
