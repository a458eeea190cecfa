/** Layers of Keras for a chain of nodes that a growth plan inserts. */
import { internalError, refusedError } from '../../errors.ts'
import type { Insertion } from '../../growth/growth-plan.ts'
import type { AttributeLike } from '../../model/attributes.ts'
import type { Model } from '../../model/model.ts'
import { quote } from '../../model/quote.ts'
import type { InsertedNode } from '../../operators/contract/facets.ts'
import { toNumbers } from '../../tensor/tensor.ts'
import type { Json, JsonObject } from './json.ts'

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
  /** The value that its first node gives, which names the layer. */
  first: string
  linear?: string
}

/** Operators that are an activation of Keras, where their numbers are these. */
const activations: readonly (readonly [name: string, opType: string, ...numbers: number[]])[] = [
  ['relu', 'Relu'],
  ['relu6', 'Clip', 0, 6],
  ['hard_tanh', 'Clip', -1, 1],
  ['sigmoid', 'Sigmoid'],
  ['hard_sigmoid', 'HardSigmoid', 1 / 6, 0.5],
  ['tanh', 'Tanh'],
  ['softplus', 'Softplus'],
  ['softsign', 'Softsign'],
  ['elu', 'Elu', 1],
  ['celu', 'Celu', 1],
  ['selu', 'Selu', 1.6732631921768188, 1.0507010221481323],
  ['exponential', 'Exp'],
  ['hard_silu', 'HardSwish'],
  ['hard_shrink', 'Shrink', 0.5, 0],
]

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
  const add = (
    node: InsertedNode,
    draft: Omit<Draft, 'output' | 'first' | 'inputs'>,
    ...from: string[]
  ) => {
    const local = node.outputs[0]!
    for (const input of from)
      if (!makers.has(input)) throw refuse(`a node ${node.opType} of ${quote(input)}`)
    const output = modelName(local)
    const made = { ...draft, inputs: from.map((input) => makers.get(input)), output, first: output }
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
    const [input = '', ...bounds] = node.inputs
    const { opType, attributes } = node
    const given = [
      attributes.alpha,
      attributes.lambd,
      attributes.beta,
      attributes.gamma,
      attributes.bias,
    ]
    const numbers = [...bounds.map(bound), ...given.map(floatOf)].filter(
      (value) => value !== undefined,
    )
    const own = activations.find(
      ([, type, ...expected]) =>
        type === opType &&
        expected.length === numbers.length &&
        expected.every((value, i) => Math.abs(value - numbers[i]!) < 1e-6),
    )?.[0]
    const before = makers.get(input)
    const [first, second] = numbers
    if (own !== undefined && before && canActivate(before) && uses.get(input) === 1) {
      before.config = { ...before.config, activation: own }
      before.linear = before.output
      before.output = modelName(node.outputs[0]!)
      makers.set(node.outputs[0]!, before)
    } else if (own !== undefined) simple(node, 'Activation', { activation: own })
    else if (opType === 'Clip' && first === 0 && second !== undefined)
      simple(node, 'ReLU', { max_value: second })
    else if (opType === 'LeakyRelu') simple(node, 'LeakyReLU', { negative_slope: first ?? 0.01 })
    else if (opType === 'Elu') simple(node, 'ELU', { alpha: first ?? 1 })
    else throw refuse(`a node ${opType}`)
  }
  /** A layer without variables on the node's first input. */
  const simple = (node: InsertedNode, kind: string, own: JsonObject) =>
    add(node, { kind, config: settings('', own), variables: [] }, node.inputs[0]!)
  const handlers: Readonly<Record<string, (node: InsertedNode) => void>> = {
    Conv: convolution,
    Gemm: dense,
    MatMul: dense,
    Add: sum,
    BatchNormalization: normalization,
  }
  for (const node of chain.nodes) (handlers[node.opType] ?? activation)(node)
  const nodes = new Map(model.graph.nodes.map((node) => [node.outputs[0], node.name]))
  const nameOf = ({ first }: Draft): string => {
    const found = nodes.get(first)
    if (found === undefined) throw internalError(`No node gives ${first}.`)
    // Layers of models inside the model have the names of these before their own.
    return found.slice(found.lastIndexOf('/') + 1)
  }
  return drafts.map((draft): NewLayer => {
    const { kind, config, variables, inputs, output, linear } = draft
    const own = nameOf(draft)
    const from = inputs.map((input) => input && nameOf(input))
    return {
      name: own,
      kind,
      config: { name: own, ...config },
      variables,
      inputs: from,
      output,
      linear,
    }
  })
}

const canActivate = ({ kind, linear }: Draft): boolean =>
  linear === undefined && /^(Dense|(Depthwise)?Conv\dD)$/.test(kind)

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
