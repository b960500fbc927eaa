// How near an export is to the model that it was made of: the live model answers evaluation rows, then the exported form does, in the
// runtime that it is for where that is here. What follows is certificate.json and a page beside the export.
export type { Certificate, CertifiedForm, FormProblem, HashedFile, Verdict } from './certificate.ts'
export { certificateRows, type RowsFrom } from './certificate-rows.ts'
export { certify } from './certify.ts'
export type { Exported } from './exported-forms.ts'
export type { ComparedRow, ShownAnswer } from './compare-rows.ts'
export { writeCertificate } from './place-certificate.ts'
export type { RuntimeInfo } from './runner.ts'
