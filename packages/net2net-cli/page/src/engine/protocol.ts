/** What the page asks of its workers, and what they answer: plain data only. */
import type {
  Comparison,
  DeepenInit,
  ErrorKind,
  GrownUnits,
  GrowthStep,
  InsertedBlock,
  InspectedAttention,
  InspectedLayer,
  NoiseKind,
  PlanTable,
  WidenInit,
} from 'net2net'
import type { NodeDiff } from './diff.ts'
import type { Drawing } from './drawing.ts'
import type { FoundNode, Wanted } from './look-up.ts'
import type { ModelView } from './view.ts'

/** A model as a whole: its nodes stay in the worker. */
export interface ModelSummary extends Omit<ModelView, 'nodes' | 'shapes'> {
  /** How many. */
  readonly nodes: number
}

/** A layer, with those that grow with it and itself among them: one array for all of a group, which so crosses to the page once. */
export interface ListedLayer extends Omit<InspectedLayer, 'group'> {
  readonly members: readonly string[]
}

export interface OpenedModel {
  readonly view: ModelSummary
  readonly layers: readonly ListedLayer[]
  readonly attentions: readonly InspectedAttention[]
  readonly drawing: Drawing
  /** Names of the files of PyTorch that grow along. */
  readonly weights?: string
  readonly optimizer?: string
  /** Parameters of which these weights hold no numbers. */
  readonly unbound: readonly string[]
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
  /** Kernel size of inserted convolutions; undefined: that of the layer before. */
  readonly kernel: number | undefined
  /** Growth of other kinds, after widening and inserting: as steps of a recipe. */
  readonly more: readonly GrowthStep[]
}

/** What a layer's growth costs, over what is there. */
export interface LayerPrice {
  /** The next width that it may have, and the next one after that, so far apart. */
  readonly next?: { readonly width: number; readonly step: number }
  /** For one step more of width. */
  readonly wider?: Cost
  /** For a layer that is inserted behind it, as the settings say. */
  readonly deeper?: Cost
}
export interface Cost {
  readonly parameters: number
  /** Of one sample; null where unknown. */
  readonly multiplyAdds: number | null
}

/** "Up to so many": of parameters, or of multiply-adds of one sample. */
export interface Budget {
  readonly of: 'parameters' | 'multiplyAdds'
  readonly most: number
}

/** A kernel size that is the next larger one of layers, or why there is none. */
export interface LargerKernel {
  /** Layers or patterns. */
  readonly names: readonly string[]
  readonly size?: number
  readonly reason?: string
}

export interface GrownModel {
  readonly view: ModelSummary
  readonly drawing: Drawing
}

/** What the details of a node say. */
export interface NodeFacts {
  readonly node: NodeDiff
  /** Shapes of what it reads and gives, by name, where they are known. */
  readonly before: ReadonlyMap<string, string>
  readonly after: ReadonlyMap<string, string>
  /** Why the layer that it is cannot be wider. */
  readonly refusal?: string
  /** Units that grew in it. */
  readonly units: readonly GrownUnits[]
}

export interface Check extends Comparison {
  readonly seconds: number
  /** What it was compared on, where that were the user's own inputs. */
  readonly inputs?: string
  /** Arrays of these that are no inputs of the network. */
  readonly aside?: readonly string[]
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
  readonly before: ModelSummary
  readonly after: ModelSummary
  readonly drawing: Drawing
}

/** One thing in which two models differ. */
export interface Change {
  readonly kind: 'model' | 'structure' | 'shape' | 'numbers' | 'attribute'
  /** The node in the drawing, where it is one's. */
  readonly key?: string
  /** Of a node, a parameter, an input. */
  readonly name: string
  readonly before: string
  readonly after: string
  /** Of numbers: the largest difference, and how many of all differ. */
  readonly maxAbs?: number
  readonly differing?: number
  readonly count?: number
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
  /** Goes back to the network as it was opened. */
  forgetGrowth(nothing: undefined): Drawing
  /** Throws where what has grown cannot be written as it was read, as `download` does. */
  mustBeWritable(nothing: undefined): void
  /** What is shown, in the format that the network came in, and what grew along. */
  download(): Download
  /** The steps as a recipe that makes the same file from the same model: YAML, to be read and changed. */
  recipe(settings: GrowSettings): string
  /** The steps that a recipe says, in YAML or JSON. */
  readRecipe(text: string): readonly GrowthStep[]
  /** The next larger kernel of layers of what is shown; no names: of those for which one is proposed. */
  largerKernel(names: readonly string[]): LargerKernel
  /** What growth of one layer costs. */
  price(question: { readonly layer: string; readonly settings: GrowSettings }): LayerPrice
  /**
   * Widths for all layers that can be widened, alike, as large as the budget allows. `from`: those that some are to have at
   * least; others follow only where that leaves much of the budget.
   */
  widenAll(question: {
    readonly budget: Budget
    readonly from: ReadonlyMap<string, number>
    readonly settings: GrowSettings
  }): {
    readonly widths: ReadonlyMap<string, number>
    readonly cost: Cost
  }
  /** Draws blocks as their nodes: those with these keys besides those that are, all, or none. */
  expand(change: {
    readonly of: Pair
    readonly blocks: readonly string[] | 'all' | 'none'
  }): Drawing
  /** Nodes whose operators, names or parameters hold a text: the first ones. */
  find(question: { readonly of: Pair; readonly text: string }): readonly FoundNode[]
  locate(question: { readonly of: Pair; readonly node: Wanted }): FoundNode | undefined
  node(question: { readonly of: Pair; readonly key: string }): NodeFacts | undefined
  /** What has grown: the tables of each step's plan. */
  plan(nothing: undefined): readonly (readonly PlanTable[])[]
  statistics(parameters: {
    readonly before?: string
    readonly after?: string
    readonly of: Pair
  }): ParameterStatistics
  compare(sources: readonly [Source, Source]): ComparedModels
  /** What differs between the compared models, as a list. */
  changes(nothing: undefined): readonly Change[]
  /** The two models as files. */
  files(of: Pair): ModelPair
  /** The network of the Grow tab, and what has grown from it, as files. */
  networks(nothing: undefined): readonly Uint8Array<ArrayBuffer>[]
}

export type ModelPair = readonly [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>]

/** Methods of a worker that checks. */
export interface CheckMethods {
  /** `inputs`: files with inputs to compare on, instead of random ones: .npz, .npy, pictures. */
  check(question: { readonly models: ModelPair; readonly inputs?: readonly InputFile[] }): Check
}

/** A file of inputs: its bytes, or the pixels of a picture, which the page's thread has decoded. */
export type InputFile =
  | NamedBytes
  | {
      readonly name: string
      readonly width: number
      readonly height: number
      /** Red, green, blue, alpha, row by row. */
      readonly pixels: Uint8ClampedArray<ArrayBuffer>
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
