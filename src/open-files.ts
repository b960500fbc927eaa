/** What to say where a process, or the system, may open no more files. */
export const tooManyOpen = {
  found: 'too many open files: about a hundred are needed',
  cure: 'Raise the limit (ulimit -n 1024), and run again.',
}

/** Whether the system refuses to open another file, whatever file. */
export function isOfOpenFiles(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EMFILE' || error.code === 'ENFILE')
}
