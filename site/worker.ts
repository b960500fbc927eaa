// What the page starts as a worker. WebKit runs a worker's first file a second time where another file imports it, and then what it
// holds is there twice: this one holds nothing but the questions that came before computing.ts listens.
interface Asked {
  data: unknown
}
declare const self: { onmessage: (event: Asked) => void }

const early: Asked[] = []
self.onmessage = (event) => early.push(event)
// An entry of its own, without exports: otherwise the bundler would cut what it holds into many small files.
void import(new URL('computing.js', import.meta.url).href).then(
  () => {
    for (const event of early) self.onmessage(event)
  },
  // A promise that fails here is not heard of in the page, an error is.
  (error: unknown) =>
    setTimeout(() => {
      throw error
    }),
)
