/** An argument for sh and its kin. */
export function quotedForSh(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`
}

/**
 * An argument for cmd.exe and PowerShell, of which one cannot tell which will read it: both leave what stands between double quotes
 * together. Programs of Windows read `\"` as a quote, so that backslashes before one are doubled. `%NAME%` and `$name` stay what these
 * shells make of them.
 */
export function quotedForWindows(argument: string): string {
  if (/^[\w+:./\\-]+$/.test(argument)) return argument
  const escaped = argument.replaceAll(/(\\*)"/g, String.raw`$1$1\"`).replace(/\\+$/, (end) => end + end)
  return `"${escaped}"`
}

/** An argument for the shell that this machine's commands are given to. */
export function quotedHere(argument: string, platform: NodeJS.Platform = process.platform): string {
  return platform === 'win32' ? quotedForWindows(argument) : quotedForSh(argument)
}
