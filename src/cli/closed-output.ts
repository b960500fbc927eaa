let react = (): void => process.exit(0)

/** Says what is to happen when the reader of the output goes away; without it the program just ends. */
export function whenOutputCloses(reaction: () => void): void {
  react = reaction
}

/** Who reads the output may stop reading (fettle … | head): that is no error. */
export function watchOutput(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error
      react()
    })
}
