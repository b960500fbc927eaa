/** Names of Windows' devices, also with an ending: what is written to them goes there, and no file is made. */
const devices = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[\d¹²³])(?=\s*(?:\.|$))/i
/** Most file systems take 255; what is being written has a longer name. */
const longestBytes = 180

/** What keeps a text from being the name of a file on Windows; undefined for one that every system takes. */
export function nameFault(name: string): string | undefined {
  const [character] = /[<>:"/\\|?*\p{Cc}]/u.exec(name) ?? []
  if (character !== undefined) return `the character ${JSON.stringify(character)}`
  const [device] = devices.exec(name) ?? []
  if (device !== undefined) return `${device.toUpperCase()}, a device`
  if (/[. ]$/.test(name)) return `${name.endsWith('.') ? 'a dot' : 'a blank'} at its end`
  return undefined
}

/** Whether files of this name can be written, and copied, on every system. */
export function isPortableName(name: string): boolean {
  return name !== '' && new TextEncoder().encode(name).length <= longestBytes && nameFault(name) === undefined
}
