/** What a model's weights are called in its folder: one file, or the index of several. */
export const singleName = 'model.safetensors'
export const indexName = 'model.safetensors.index.json'
