/**
 * A network as immutable data: a graph of operators over named values. This module knows the shape
 * of the ONNX format but neither its encoding (`onnx/`) nor any operator (`operators/`).
 */
import type { DType } from '../tensor/dtype.ts'
import type { LazyTensor } from '../tensor/tensor.ts'

/** A dimension: a size, a symbolic name (`'batch'`), or unknown. */
export type Dim = number | string | null
export type Shape = readonly Dim[]

export interface TensorType {
  readonly kind: 'tensor'
  readonly dtype: DType | undefined
  /** undefined: the rank is unknown. */
  readonly shape: Shape | undefined
}
/** Sequences, maps, optionals, sparse tensors: kept, never interpreted. */
export interface OpaqueType {
  readonly kind: 'opaque'
}
export type ValueType = TensorType | OpaqueType

/** What `onnx/` read and must write back, and nothing else interprets. */
export type Opaque = unknown

/** What an exporter noted of a value, a tensor or a node: free-form keys and values. */
export type Metadata = ReadonlyMap<string, string>

/** The declaration of a graph input, output or intermediate value. */
export interface ValueDeclaration {
  readonly name: string
  readonly type: ValueType
  readonly metadata?: Metadata
  readonly rest?: Opaque
}

export type Attribute = (
  | { readonly type: 'int'; readonly value: bigint }
  | { readonly type: 'ints'; readonly value: readonly bigint[] }
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'floats'; readonly value: readonly number[] }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'tensor'; readonly value: LazyTensor }
  | { readonly type: 'graph'; readonly value: Graph }
  | { readonly type: 'graphs'; readonly value: readonly Graph[] }
  /** Sparse tensors, types, references to function attributes: kept, never interpreted. */
  | { readonly type: 'opaque' }
) & { readonly rest?: Opaque }

export interface Node {
  /** May be empty or repeated in files from outside; see `names.ts`. */
  readonly name: string
  readonly opType: string
  /** '' is the standard's own domain (`ai.onnx`). */
  readonly domain: string
  /** '' marks an omitted optional input. */
  readonly inputs: readonly string[]
  /** '' marks an output that is not computed. */
  readonly outputs: readonly string[]
  readonly attributes: ReadonlyMap<string, Attribute>
  readonly metadata?: Metadata
  readonly rest?: Opaque
}

export interface Graph {
  readonly name: string
  /** In topological order, as the standard demands. */
  readonly nodes: readonly Node[]
  /** May include initializers (IR version 3, or overridable defaults). */
  readonly inputs: readonly ValueDeclaration[]
  readonly outputs: readonly ValueDeclaration[]
  /** Declared types of intermediate values: hints of the exporter, possibly stale. */
  readonly values: readonly ValueDeclaration[]
  readonly initializers: ReadonlyMap<string, Initializer>
  readonly rest?: Opaque
}

export interface Initializer {
  readonly tensor: LazyTensor
  readonly metadata?: Metadata
  readonly rest?: Opaque
}

export interface Model {
  readonly irVersion: number
  /** Operator-set versions by domain; '' is `ai.onnx`. */
  readonly opsets: ReadonlyMap<string, number>
  readonly graph: Graph
  /** Free-form key/value metadata of the file. */
  readonly metadata: ReadonlyMap<string, string>
  readonly rest?: Opaque
}

/** Is it a node of one of these operators of the standard's own domain? */
export const isStandard = ({ domain, opType }: Node, ...types: readonly string[]): boolean =>
  domain === '' && types.includes(opType)

/** The standard operator-set version of a model (1 where none is declared). */
export const opsetOf = (model: Model, domain = ''): number =>
  model.opsets.get(domain) ?? (domain === '' ? (model.opsets.get('ai.onnx') ?? 1) : 1)

/** The inputs that a caller must feed: graph inputs without an initializer. */
export const requiredInputs = (graph: Graph): readonly ValueDeclaration[] =>
  graph.inputs.filter((input) => !graph.initializers.has(input.name))
