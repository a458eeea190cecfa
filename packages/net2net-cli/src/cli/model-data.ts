/** The data that a model is trained or evaluated on. */
import type { Model } from 'net2net'
import { type LoadedData, loadData } from 'net2net/data'
import { classesOf, columnsOf, requiredInputs } from 'net2net/model'

export interface ModelDataOptions {
  /** The name of the loss: whether targets are classes. */
  readonly loss: string
  readonly target?: string | undefined
  readonly signal: AbortSignal
}

/** Loads data in the shape of the model's input, with the classes and columns that it knows. */
export function loadFor(
  model: Model,
  spec: string,
  { loss, target, signal }: ModelDataOptions,
): Promise<LoadedData> {
  const [input] = requiredInputs(model.graph)
  const shape = input?.type.kind === 'tensor' ? (input.type.shape ?? []) : []
  const dims = shape.slice(1).filter((dim) => typeof dim === 'number')
  return loadData(spec, {
    dims,
    signal,
    targetKind: loss === 'softmax-cross-entropy' ? 'class' : 'value',
    target,
    classes: classesOf(model),
    columns: columnsOf(model),
  })
}
