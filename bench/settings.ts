/** What all sections are told. */
export interface Settings {
  readonly quick: boolean
  readonly threads: number
  readonly python: string | undefined
  /** Which networks of networks.ts; default: all. */
  readonly networks: readonly string[] | undefined
  /** Others use the machine. */
  readonly busy: boolean
}
