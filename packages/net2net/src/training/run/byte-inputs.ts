/** Inputs that the data stores as bytes: converted inside the graph, not in JavaScript. */

import { type Batch, isSampleSet, type SampleSet, type TrainingData } from '../../data/samples.ts'
import { attributes } from '../../model/attributes.ts'
import { tensorDeclaration } from '../../model/builder.ts'
import type { Model, Node } from '../../model/model.ts'
import { NameSupply, valueNames } from '../../model/names.ts'
import { float32, type Tensor } from '../../tensor/tensor.ts'

export interface ByteFedModel {
  readonly model: Model
  /** Names of the inputs that data is fed to. */
  readonly inputs: readonly string[]
  readonly samples: SampleSet
}

/**
 * The model with uint8 inputs in place of those of `inputs` that the data holds as bytes, and the
 * samples to feed it. The floats are the same to the bit. Undefined where nothing is to be converted.
 */
export function withByteInputs(
  model: Model,
  inputs: readonly string[],
  data: TrainingData,
): ByteFedModel | undefined {
  const bytes = isSampleSet(data) ? data.bytes : undefined
  if (!bytes) return undefined
  const { graph } = model
  const names = new NameSupply(valueNames(graph))
  // The one input of a one-input model may have any name in the data.
  const [only] = inputs.length === 1 && bytes.divisors.size === 1 ? bytes.divisors.keys() : []
  const nodes: Node[] = []
  const columns = new Map<string, ByteColumn>()
  const declarations = graph.inputs.flatMap((declaration) => {
    const { name, type } = declaration
    const column = bytes.divisors.has(name) ? name : only
    const shape = type.kind === 'tensor' && type.dtype === 'float32' ? type.shape : undefined
    if (!inputs.includes(name) || column === undefined || !shape) return [declaration]
    const input = names.fresh(`${name}.bytes`)
    const divisor = names.fresh(`${name}.divisor`)
    const bare = names.fresh(`${name}.cast`)
    const normalization = bytes.normalizations?.get(column)
    const quotient = normalization ? names.fresh(`${name}.quotient`) : name
    nodes.push(nodeOf('Cast', [input], bare, { to: 1 }), nodeOf('Div', [bare, divisor], quotient))
    const constants = new Map([[divisor, float32([], [bytes.divisors.get(column)!])]])
    if (normalization) {
      const [mean, deviation, centred] = ['mean', 'deviation', 'centred'].map((what) =>
        names.fresh(`${name}.${what}`),
      )
      const sizes = [normalization.mean.length, ...shape.slice(2).map(() => 1)]
      constants.set(mean!, float32(sizes, normalization.mean))
      constants.set(deviation!, float32(sizes, normalization.deviation))
      nodes.push(
        nodeOf('Sub', [quotient, mean!], centred!),
        nodeOf('Div', [centred!, deviation!], name),
      )
    }
    columns.set(column, { name, input, constants })
    return [
      tensorDeclaration(input, 'uint8', shape),
      ...[...constants].map(([key, { dims }]) => tensorDeclaration(key, 'float32', dims)),
    ]
  })
  if (columns.size === 0) return undefined
  const fed = new Map([...columns.values()].map((column) => [column.name, column]))
  return {
    model: {
      ...model,
      graph: { ...graph, inputs: declarations, nodes: [...nodes, ...graph.nodes] },
    },
    inputs: inputs.flatMap((name) => {
      const made = fed.get(name)
      return made ? [made.input, ...made.constants.keys()] : [name]
    }),
    samples: withDivisors(bytes.samples, columns),
  }
}

/** Divisors are inputs, too: ONNX Runtime would move constants into a product, and round there. */
interface ByteColumn {
  /** The model's own input. */
  readonly name: string
  readonly input: string
  /** What it is divided by and so on, by the names of the inputs. */
  readonly constants: ReadonlyMap<string, Tensor>
}

/** Without a name of its own, which one of the model's nodes might have. */
const nodeOf = (
  opType: string,
  inputs: readonly string[],
  output: string,
  entries: Readonly<Record<string, number>> = {},
): Node => ({
  name: '',
  opType,
  domain: '',
  inputs,
  outputs: [output],
  attributes: attributes(entries),
})

/** The samples with byte columns under the names of their inputs, and with what divides them. */
const withDivisors = (samples: SampleSet, columns: ReadonlyMap<string, ByteColumn>): SampleSet => ({
  length: samples.length,
  ...(samples.target ? { target: samples.target } : {}),
  async *batches(size, order, epoch): AsyncGenerator<Batch> {
    for await (const { inputs, ...rest } of samples.batches(size, order, epoch))
      yield {
        inputs: Object.fromEntries(
          Object.entries(inputs).flatMap(([name, tensor], _, { length }) => {
            const made = columns.get(name)
            return made && (made.name === name || length === 1)
              ? [[made.input, tensor], ...made.constants]
              : [[name, tensor]]
          }),
        ),
        ...rest,
      }
  },
})
