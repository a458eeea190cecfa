/** What the page asks of its workers, and what they answer: plain data only. */
import type {
  Comparison,
  DeepenInit,
  ErrorKind,
  GrowthPlan,
  InsertedBlock,
  InspectedLayer,
  NoiseKind,
  WidenInit,
} from 'net2net'
import type { Diff } from './diff.ts'
import type { Layout } from './layout.ts'
import type { ModelView } from './view.ts'

export interface OpenedModel {
  readonly view: ModelView
  readonly layers: readonly InspectedLayer[]
  readonly diff: Diff
  readonly layout: Layout
  /** Names of the files of PyTorch that grow along. */
  readonly weights?: string
  readonly optimizer?: string
}

export interface GrowSettings {
  /** By layer. A map, since a layer may be called as what every object has. */
  readonly widths: ReadonlyMap<string, number>
  readonly deepen: readonly string[]
  readonly init: WidenInit
  /** What is inserted: a layer like the one before, or a residual block behind it. */
  readonly block: InsertedBlock
  readonly deepInit: DeepenInit
  readonly noise: NoiseKind
  readonly seed: number
}

export interface GrownModel {
  readonly view: ModelView
  readonly diff: Diff
  readonly layout: Layout
  readonly plans: readonly GrowthPlan[]
  /** The plan in words. */
  readonly text: string
}

export interface Check extends Comparison {
  readonly seconds: number
}

export interface Download {
  /** The network in the format that it came in, and what grew along. */
  readonly files: readonly NamedBytes[]
}

export interface Statistics {
  readonly count: number
  readonly min: number
  readonly max: number
  readonly mean: number
  readonly deviation: number
  /** How many values fall into each of the equal bins of `range`. */
  readonly bins: readonly number[]
}
export interface ParameterStatistics {
  readonly range: readonly [number, number]
  readonly before?: Statistics
  readonly after?: Statistics
}

export interface ComparedModels {
  readonly before: ModelView
  readonly after: ModelView
  readonly diff: Diff
  readonly layout: Layout
}

/** A file's name and content. */
export interface NamedBytes {
  readonly name: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** A file, with those that were opened together with it; or the id of a sample. */
export type Source =
  | ({ readonly kind: 'bytes'; readonly data?: readonly NamedBytes[] | undefined } & NamedBytes)
  | { readonly kind: 'sample'; readonly id: string }

/** The two models of the Grow tab, or those of the Compare tab. */
export type Pair = 'growth' | 'comparison'

/** Methods of the model worker. */
export interface ModelMethods {
  open(source: Source): OpenedModel
  grow(settings: GrowSettings): GrownModel
  /** What is shown, in the format that the network came in, and what grew along. */
  download(): Download
  /** The recipe that makes the same file from the same model. */
  recipe(): string
  statistics(parameters: {
    readonly before?: string
    readonly after?: string
    readonly of: Pair
  }): ParameterStatistics
  compare(sources: readonly [Source, Source]): ComparedModels
  /** The two models as files. */
  files(of: Pair): ModelPair
}

export type ModelPair = readonly [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>]

/** Methods of a worker that checks. */
export interface CheckMethods {
  check(models: ModelPair): Check
}

export interface Failure {
  readonly kind: ErrorKind
  readonly message: string
  readonly where?: string | undefined
  readonly hint?: string | undefined
}

export interface Request<M> {
  readonly id: number
  readonly method: keyof M
  readonly argument: unknown
}
export type Response =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: Failure }
