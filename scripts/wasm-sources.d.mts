/** 16 digits that change with every file that assets/engine.wasm is made of, the compiler and what it is told. */
export function sourcesHash(): string
