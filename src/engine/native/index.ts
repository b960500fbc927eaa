// The native engine: C++ kernels behind Node-API, chosen for this processor at run time.
// This folder finds the addon (binding), turns programs into numbers (program-code) and wraps both as an Engine.
// The kernels and their runner are in native/.
export { nativeIsas, nativeProblem } from './binding.ts'
export { createNativeEngine } from './native-engine.ts'
