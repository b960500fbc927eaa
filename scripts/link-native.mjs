// How objects become an addon: the linker's flags of each platform, and what Windows wants besides.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(import.meta.url)

/** Whether the compiler is zig's clang (`zig c++`, `python3 -m ziglang c++`), which has commands and names of its own. */
export const isZig = (compiler) => compiler.some((word) => /(^|\/)zig(lang)?$/.test(word))

/**
 * The linker's flags. With `standalone` the C++ runtime is inside of the addon, as packages want; zig puts it there anyway.
 *
 * @param compiler  its command and first arguments
 * @param platform  Node's name of the system that the addon is for
 * @param folder    where a file may be written that is linked
 */
export function linkFlags(compiler, platform, folder, { standalone }) {
  const runtime = standalone && !isZig(compiler) ? ['-static-libstdc++', '-static-libgcc'] : []
  if (platform === 'darwin') {
    // Without a name of its own the file would hold the path that it was made at.
    const name = '-Wl,-install_name,@rpath/fettle.node'
    return ['-shared', '-undefined', 'dynamic_lookup', '-Wl,-x', name, ...runtime]
  }
  if (platform === 'win32') return ['-shared', '-s', importLibrary(compiler, folder), ...runtime]
  return ['-shared', '-pthread', '-Wl,--strip-all', ...runtime]
}

/** Windows links against a list of what node.exe exports: all of Node-API, which node-api-headers names in two files. */
function importLibrary(compiler, folder) {
  const { def_paths: paths } = require('node-api-headers')
  const [js, node] = [paths.js_native_api_def, paths.node_api_def].map((path) => readFileSync(path, 'utf8'))
  const definition = join(folder, 'node.def')
  const library = join(folder, 'node_api.lib')
  writeFileSync(definition, `${js.trimEnd()}\n${node.slice(node.indexOf('\n', node.indexOf('EXPORTS')) + 1)}`)
  // `zig dlltool` stands beside `zig c++`; others have it as a program.
  const command = isZig(compiler)
    ? [...compiler.slice(0, compiler.indexOf('c++')), 'dlltool']
    : ['llvm-dlltool']
  const [program, ...args] = command
  execFileSync(program, [...args, '-m', 'i386:x86-64', '-D', 'node.exe', '-d', definition, '-l', library], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  return library
}
