// A trained model on Hugging Face's Hub: which files go and which stay here, what of them is changed on the way (paths of this machine,
// rows of data), the model card, and the upload. Nothing goes that is not on the list of what a model is made of, or asked for.
export { pushModel } from './push-model.ts'
export type { PushOptions, PushResult, PushProgress } from './push-options.ts'
export type { LeftOut } from './choose-files.ts'
export type { FileToPush } from './public-files.ts'
