/** What the server tells the page. */
import type { ExplorationResults } from '../exploration/results.ts'

export type State = 'running' | 'finished' | 'stopped'

/** A run as the list shows it. */
export interface RunSummary {
  readonly id: string
  readonly state: State
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
  readonly state: State
  /** Milliseconds since 1970 of the last change. */
  readonly changed: number
  readonly networks: number
  readonly bestLoss: number | null
}

/** What the folder has, the newest first. */
export interface FolderContent {
  readonly runs: readonly RunSummary[]
  readonly explorations: readonly ExplorationSummary[]
}

/** What an exploration has come to, and which of its networks there are as files. */
export interface ExplorationContent
  extends Pick<ExplorationResults, 'front' | 'objectives' | 'spent' | 'trials'> {
  readonly files: readonly { readonly network: number; readonly rung: number }[]
}
