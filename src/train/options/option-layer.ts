/** Where an option stands in its layer. */
export type OptionPath = readonly (string | number)[]

/** Options from one place: a run file, flags, or a program. Later layers override earlier ones. */
export interface OptionLayer {
  value: unknown
  /** Where an option of this layer stands, for errors: `run.yaml:7`. */
  placeOf(path: OptionPath): string
  /** How this layer spells a name: `learning_rate`. */
  spell(name: string): string
}
