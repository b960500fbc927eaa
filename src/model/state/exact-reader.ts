/** Reads all values of a parameter in float32; each time it is called, into an array of the caller's. */
export type ExactReader = () => Promise<Float32Array>
