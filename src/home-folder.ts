import { homedir } from 'node:os'

/**
 * A path with the user's folder in the place of a `~` at its beginning, as shells write it into arguments and nobody into files.
 *
 * @param platform  for tests, as the user's folder
 */
export function fromHome(
  path: string,
  platform: NodeJS.Platform = process.platform,
  home = homedir(),
): string {
  // Elsewhere `~\a` is a name.
  return path.replace(platform === 'win32' ? /^~(?=[\\/])/ : /^~(?=\/)/, () => home)
}

/**
 * Arguments with such paths, also in `--model=~/…`. Shells of other systems do that themselves; cmd.exe does not, nor does PowerShell
 * for programs.
 */
export function argumentsFromHome(
  args: readonly string[],
  platform: NodeJS.Platform = process.platform,
  home = homedir(),
): readonly string[] {
  if (platform !== 'win32') return args
  return args.map((argument) => {
    const [flag] = /^--[\w-]+=/.exec(argument) ?? ['']
    return flag + fromHome(argument.slice(flag.length), platform, home)
  })
}
