/** Networks that are not chains: branches that are added or concatenated. */
import { usageError } from '../errors.ts'
import type { BuildContext, Layer, LayerValue } from './layer.ts'

export interface Named {
  readonly name?: string
}

export const chain = (
  context: BuildContext,
  layers: readonly Layer[],
  input: LayerValue,
): LayerValue => layers.reduce((value, layer) => layer.apply(context, value), input)

/** The sum of branches that all start at the input; an empty branch is the input itself. */
export const add = (branches: readonly (readonly Layer[])[], options: Named = {}): Layer => ({
  apply(context, input) {
    const name = context.layerName(options.name, 'add')
    const values = branches.map((layers) => chain(context, layers, input))
    const dims = values[0]?.dims ?? input.dims
    for (const value of values)
      if (`${value.dims}` !== `${dims}`)
        throw usageError(
          `Layer ${name} cannot add branches of shapes [${dims}] and [${value.dims}].`,
          {
            where: name,
          },
        )
    const output = context.node(
      values.length === 2 ? 'Add' : 'Sum',
      values.map((value) => value.name),
      {},
      name,
    )
    return { name: output, dims }
  },
})

/** `body(x) + shortcut(x)`; without a shortcut `body(x) + x` (He et al. 2016). */
export const residual = (
  body: readonly Layer[],
  shortcut: readonly Layer[] = [],
  options: Named = {},
): Layer => add([body, shortcut], options)

/** The branches side by side along the channels. */
export const concatenate = (
  branches: readonly (readonly Layer[])[],
  options: Named = {},
): Layer => ({
  apply(context, input) {
    const name = context.layerName(options.name, 'concatenate')
    const values = branches.map((layers) => chain(context, layers, input))
    const rest = values[0]?.dims.slice(1)
    for (const value of values)
      if (`${value.dims.slice(1)}` !== `${rest}`)
        throw usageError(
          `Layer ${name} cannot concatenate branches of shapes ${values.map((v) => `[${v.dims}]`).join(', ')}.`,
          { where: name },
        )
    const output = context.node(
      'Concat',
      values.map((value) => value.name),
      { axis: 1 },
      name,
    )
    const channels = values.reduce((total, value) => total + value.dims[0]!, 0)
    return { name: output, dims: [channels, ...(rest ?? [])] }
  },
})
