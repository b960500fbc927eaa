// How Hugging Face's Hub is reached: where its programs keep their things, the user's token, the server's address, and what is said
// where it refuses. What is asked of it stands where it is needed: data sets in data/, jobs in remote/, models in export/push/.
export { hubAccess, hubHome, hubToken, type HubAccess } from './access.ts'
export { refusedByHub, statusOf } from './refusal.ts'
