// Stands in for node:path in bundles for pages: paths of POSIX.
export const sep = '/'
export const delimiter = ':'
export const toNamespacedPath = (path: string): string => path

export function normalize(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop()
    else if (part === '..' && !path.startsWith('/')) parts.push(part)
    else if (part !== '' && part !== '.' && part !== '..') parts.push(part)
  }
  return (path.startsWith('/') ? '/' : '') + parts.join('/') || '.'
}

export const join = (...paths: string[]): string => normalize(paths.filter((path) => path !== '').join('/'))
export const isAbsolute = (path: string): boolean => path.startsWith('/')

export function resolve(...paths: string[]): string {
  const from = paths.findLastIndex(isAbsolute)
  return normalize(['', ...paths.slice(Math.max(0, from))].join('/') || '/')
}

export function dirname(path: string): string {
  const trimmed = path.replace(/(?<=.)\/+$/, '')
  const at = trimmed.lastIndexOf('/')
  return at < 0 ? '.' : trimmed.slice(0, at) || '/'
}

export function basename(path: string, ending = ''): string {
  const name = path.replace(/\/+$/, '').split('/').at(-1) ?? ''
  return ending !== '' && name !== ending && name.endsWith(ending) ? name.slice(0, -ending.length) : name
}

export function extname(path: string): string {
  const name = basename(path)
  const at = name.lastIndexOf('.')
  return at <= 0 ? '' : name.slice(at)
}

export function parse(path: string): { root: string; dir: string; base: string; name: string; ext: string } {
  const [base, ext] = [basename(path), extname(path)]
  return { root: path.startsWith('/') ? '/' : '', dir: dirname(path), base, name: basename(path, ext), ext }
}

export function relative(from: string, to: string): string {
  const start = resolve(from).split('/').filter(Boolean)
  const end = resolve(to).split('/').filter(Boolean)
  let same = 0
  while (same < start.length && start[same] === end[same]) same += 1
  return [...start.slice(same).map(() => '..'), ...end.slice(same)].join('/')
}
