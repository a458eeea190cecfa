/** Layers of Keras for a chain of nodes that a growth plan inserts. */
import { internalError, refusedError } from '../../errors.ts'
import type { Insertion } from '../../growth/growth-plan.ts'
import type { AttributeLike } from '../../model/attributes.ts'
import type { Model } from '../../model/model.ts'
import { quote } from '../../model/quote.ts'
import type { InsertedNode } from '../../operators/contract/facets.ts'
import { toNumbers } from '../../tensor/tensor.ts'
import type { Json, JsonObject } from './keras-file.ts'

export interface NewVariable {
  readonly name: string
  /** The initializer of the ONNX model that holds it. */
  readonly initializer: string
  /** Axis k of the variable is axis `axes[k]` of the initializer. */
  readonly axes: readonly number[]
}

/** A layer of Keras that computes some nodes of the chain. */
export interface NewLayer {
  readonly name: string
  readonly kind: string
  readonly config: JsonObject
  readonly variables: readonly NewVariable[]
  /** Names of the new layers whose outputs it takes; undefined for what the chain takes. */
  readonly inputs: readonly (string | undefined)[]
  /** The value of the ONNX model that it gives. */
  readonly output: string
  /** The value that its own activation, where it has one, is computed from. */
  readonly linear: string | undefined
}

interface Draft {
  kind: string
  config: JsonObject
  variables: readonly NewVariable[]
  inputs: readonly (Draft | undefined)[]
  output: string
  linear?: string
  name?: string
}

/** Operators that are an activation of Keras by themselves. */
const activations: Readonly<Record<string, string>> = {
  Relu: 'relu',
  Sigmoid: 'sigmoid',
  Tanh: 'tanh',
  Softplus: 'softplus',
  Softsign: 'softsign',
  Selu: 'selu',
  Exp: 'exponential',
  HardSwish: 'hard_silu',
}

const firstAxes = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => from + i)

/**
 * The layers that compute what a plan inserts, first to last.
 *
 * @param model the grown model, which holds the chain's parameters
 * @param like the layer that is deepened: settings of layers of its class are taken over
 * @throws Net2NetError (refused) for nodes that no layer of Keras computes
 */
export function newLayers(
  insertion: Insertion,
  model: Model,
  like: { readonly kind: string; readonly config: JsonObject },
): readonly NewLayer[] {
  const { layer: chain, name, names, source, value } = insertion
  const refuse = (what: string) =>
    refusedError(`${quote(name)} would be ${what}, which no layer of Keras computes.`, {
      where: name,
      hint: 'Write an ONNX file instead (-o FILE.onnx).',
    })
  const parameters = new Map(chain.parameters.map((each) => [each.name, each]))
  const makers = new Map<string, Draft | undefined>([['$in', undefined]])
  const uses = new Map<string, number>()
  for (const input of chain.nodes.flatMap((node) => node.inputs))
    uses.set(input, (uses.get(input) ?? 0) + 1)
  const drafts: Draft[] = []
  const modelName = (local: string) =>
    local === '$out' ? value : local === '$in' ? source : (names[local] ?? `${name}.${local}`)
  const dimsOf = (local: string) => parameters.get(local)?.dims ?? []
  const variable = (as: string, local: string, axes: readonly number[]): NewVariable => ({
    name: as,
    initializer: modelName(local),
    axes,
  })
  const vector = (as: string, local: string) => variable(as, local, [0])
  /** Settings of the layer before, where it is of the same class. */
  const settings = (kind: string, own: JsonObject): JsonObject => {
    const { dtype, data_format: format } = like.config
    const { activation: _, name: __, ...others } = like.kind === kind ? like.config : {}
    return {
      trainable: true,
      ...(dtype !== undefined && { dtype }),
      ...(format !== undefined && /Conv/.test(kind) && { data_format: format }),
      ...others,
      ...own,
    }
  }
  const add = (node: InsertedNode, draft: Omit<Draft, 'output' | 'inputs'>, ...from: string[]) => {
    const local = node.outputs[0]!
    for (const input of from)
      if (!makers.has(input)) throw refuse(`a node ${node.opType} of ${quote(input)}`)
    const made = {
      ...draft,
      inputs: from.map((input) => makers.get(input)),
      output: modelName(local),
    }
    drafts.push(made)
    makers.set(local, made)
  }

  const convolution = (node: InsertedNode) => {
    const [input = '', weight = '', bias] = node.inputs
    const dims = dimsOf(weight)
    const spatial = dims.length - 2
    const kernel = dims.slice(2)
    const dilations = numbers(node.attributes.dilations) ?? kernel.map(() => 1)
    const pads = numbers(node.attributes.pads) ?? kernel.map(() => 0)
    const group = Number(node.attributes.group ?? 1)
    const isDepthwise = group > 1 && group === dims[0] && spatial <= 2
    const kind = `${isDepthwise ? 'Depthwise' : ''}Conv${spatial}D`
    const padding = paddingOf(kernel, dilations, pads)
    if (!padding) throw refuse(`a convolution with the pads [${pads}]`)
    const axes = [...firstAxes(2, dims.length), ...(isDepthwise ? [0, 1] : [1, 0])]
    const own = {
      kernel_size: kernel,
      strides: kernel.map(() => 1),
      padding,
      dilation_rate: dilations,
      use_bias: bias !== undefined,
      ...(isDepthwise ? { depth_multiplier: 1 } : { filters: dims[0]!, groups: group }),
    }
    add(
      node,
      {
        kind,
        config: settings(kind, own),
        variables: [
          variable('kernel', weight, axes),
          ...(bias === undefined ? [] : [vector('bias', bias)]),
        ],
      },
      input,
    )
  }
  const dense = (node: InsertedNode) => {
    const [input = '', weight = '', bias] = node.inputs
    if (dimsOf(weight).length !== 2 || node.attributes.transB !== undefined)
      throw refuse('a product of another form than that of Dense')
    add(
      node,
      {
        kind: 'Dense',
        config: settings('Dense', { units: dimsOf(weight)[1]!, use_bias: bias !== undefined }),
        variables: [
          variable('kernel', weight, [0, 1]),
          ...(bias === undefined ? [] : [vector('bias', bias)]),
        ],
      },
      input,
    )
  }
  const sum = (node: InsertedNode) => {
    const [left = '', right = ''] = node.inputs
    const before = makers.get(left)
    if (!parameters.has(right)) {
      add(node, { kind: 'Add', config: settings('Add', {}), variables: [] }, left, right)
      return
    }
    if (before?.kind !== 'Dense' || uses.get(left) !== 1 || dimsOf(right).length !== 1)
      throw refuse('a sum with a parameter')
    before.config = { ...before.config, use_bias: true }
    before.variables = [...before.variables, vector('bias', right)]
    before.output = modelName(node.outputs[0]!)
    makers.set(node.outputs[0]!, before)
  }
  const normalization = (node: InsertedNode) => {
    const [input = '', gamma = '', beta = '', mean = '', variance = ''] = node.inputs
    const own = {
      axis: like.config.data_format === 'channels_first' ? 1 : -1,
      epsilon: floatOf(node.attributes.epsilon) ?? 1e-5,
      momentum: floatOf(node.attributes.momentum) ?? 0.9,
    }
    add(
      node,
      {
        kind: 'BatchNormalization',
        config: settings('BatchNormalization', own),
        variables: [
          vector('gamma', gamma),
          vector('beta', beta),
          vector('moving_mean', mean),
          vector('moving_variance', variance),
        ],
      },
      input,
    )
  }
  /** The number in a constant of the model that an activation reads. */
  const bound = (input: string | undefined): number | undefined => {
    const tensor = model.graph.initializers.get(input?.replace(/^@/, '') ?? '')?.tensor
    return tensor && toNumbers(tensor)[0]
  }
  const activation = (node: InsertedNode) => {
    const [input = '', low, high] = node.inputs
    const { opType } = node
    const alpha = floatOf(node.attributes.alpha)
    let own = activations[opType]
    if (opType === 'Elu' && (alpha ?? 1) === 1) own = 'elu'
    if (opType === 'Clip' && bound(low) === 0 && bound(high) === 6) own = 'relu6'
    const before = makers.get(input)
    if (own !== undefined && before && canActivate(before) && uses.get(input) === 1) {
      before.config = { ...before.config, activation: own }
      before.linear = before.output
      before.output = modelName(node.outputs[0]!)
      makers.set(node.outputs[0]!, before)
    } else if (own !== undefined)
      add(
        node,
        { kind: 'Activation', config: settings('', { activation: own }), variables: [] },
        input,
      )
    else if (opType === 'Clip' && bound(low) === 0 && bound(high) !== undefined)
      add(
        node,
        { kind: 'ReLU', config: settings('', { max_value: bound(high)! }), variables: [] },
        input,
      )
    else if (opType === 'LeakyRelu' || opType === 'Elu')
      add(
        node,
        {
          kind: opType === 'Elu' ? 'ELU' : 'LeakyReLU',
          config: settings('', { [opType === 'Elu' ? 'alpha' : 'negative_slope']: alpha ?? 0.01 }),
          variables: [],
        },
        input,
      )
    else throw refuse(`a node ${opType}`)
  }
  const handlers: Readonly<Record<string, (node: InsertedNode) => void>> = {
    Conv: convolution,
    Gemm: dense,
    MatMul: dense,
    Add: sum,
    BatchNormalization: normalization,
  }
  for (const node of chain.nodes) (handlers[node.opType] ?? activation)(node)
  return named(drafts, name.slice(name.lastIndexOf('/') + 1))
}

const canActivate = ({ kind, linear }: Draft): boolean =>
  linear === undefined && /^(Dense|(Depthwise)?Conv\dD)$/.test(kind)

/** The first layer has the plan's name, the others what they are behind it. */
function named(drafts: readonly Draft[], first: string): readonly NewLayer[] {
  const used = new Map<string, number>()
  drafts.forEach((draft, i) => {
    const base = i === 0 ? first : `${first}_${draft.kind.toLowerCase()}`
    const count = used.get(base) ?? 0
    used.set(base, count + 1)
    draft.name = count === 0 ? base : `${base}_${count + 1}`
  })
  return drafts.map((draft): NewLayer => {
    const { name, kind, config, variables, inputs, output, linear } = draft
    if (name === undefined) throw internalError('A new layer has no name.')
    const from = inputs.map((input) => input?.name)
    const all: JsonObject = { name, ...config }
    return { name, kind, config: all, variables, inputs: from, output, linear }
  })
}

/** `same` or `causal`, where a convolution pads like that. */
function paddingOf(
  kernel: readonly number[],
  dilations: readonly number[],
  pads: readonly number[],
): Json | undefined {
  const totals = kernel.map((size, k) => (size - 1) * dilations[k]!)
  const isPadded = (begin: (total: number) => number) =>
    totals.every(
      (total, k) => pads[k] === begin(total) && pads[k + kernel.length] === total - begin(total),
    )
  if (isPadded((total) => Math.floor(total / 2))) return 'same'
  return kernel.length === 1 && isPadded((total) => total) ? 'causal' : undefined
}

const numbers = (value: AttributeLike): readonly number[] | undefined =>
  Array.isArray(value) ? (value as readonly number[]) : undefined

function floatOf(value: AttributeLike): number | undefined {
  if (typeof value === 'number') return value
  return typeof value === 'object' && 'type' in value && value.type === 'float'
    ? value.value
    : undefined
}
