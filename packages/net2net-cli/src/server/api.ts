/** What the server tells the page. */

/** A run as the list shows it. */
export interface RunSummary {
  readonly id: string
  readonly state: 'running' | 'finished' | 'stopped'
  /** Milliseconds since 1970 of the last change. */
  readonly changed: number
  readonly seed: number | null
  readonly arms: readonly string[]
  /** Can this server stop it? */
  readonly ours: boolean
}

/** An exploration as the list shows it. */
export interface ExplorationSummary {
  readonly id: string
  /** Milliseconds since 1970 of the last change. */
  readonly changed: number
  readonly finished: boolean
  readonly networks: number
  readonly bestLoss: number | null
}
