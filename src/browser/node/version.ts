// Stands in for src/version.ts in bundles for pages.
declare const FETTLE_VERSION: string
export const version = (): string => FETTLE_VERSION
export const packageFolder = (): string => '/'
