export { FettleError } from './error.ts'
