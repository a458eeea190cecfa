/** Applying the part of a plan that adds low-rank adapters to weights. */
import { inputError } from '../../errors.ts'
import { adapterNote } from '../../model/adapters.ts'
import type { ModelEdit } from '../../model/edit.ts'
import type { Model, Node } from '../../model/model.ts'
import { parameterNote, parameterNotes } from '../../operators/trainable.ts'
import { type Fill, zeros } from '../../tensor/fill.ts'
import { lazyFill } from '../../tensor/lazy.ts'
import { elementCount, int64 } from '../../tensor/tensor.ts'
import type { Adapter } from '../growth-plan.ts'

export function adapt(edit: ModelEdit, model: Model, adapter: Adapter, seed: number): void {
  const { weight, dims, dtype, rank, scale, left, right, zero, names, uses } = adapter
  const before = edit.constantOf(weight)
  if (String(before.dims) !== String(dims))
    throw inputError(
      `The plan expects "${weight}" with shape [${dims}], but it has [${before.dims}].`,
      { hint: 'Apply the plan to the model that it was made for.' },
    )
  const rows = dims[0]!
  const columns = elementCount(dims.slice(1))
  const notes = parameterNotes(model) ? [...parameterNote] : []
  const factor = (side: 'left' | 'right', name: string, shape: readonly number[]) => {
    const isZero = side === zero
    // As PyTorch starts a layer with so many inputs.
    const fill: Fill = isZero
      ? zeros
      : { kind: 'uniform', limit: 1 / Math.sqrt(zero === 'left' ? columns : rows) }
    const tensor = lazyFill(fill, dtype, shape, seed, 'lora', name)
    const metadata = new Map([...adapterNote(isZero ? 'B' : 'A'), ...notes])
    edit.setConstant(name, tensor, [], metadata)
  }
  factor('left', left, [rows, rank])
  factor('right', right, [rank, columns])
  const node = (opType: string, inputs: readonly string[], output: string): Node => ({
    name: edit.nodeNames.fresh(output),
    opType,
    domain: '',
    inputs,
    outputs: [output],
    attributes: new Map(),
  })
  const nodes = [node('MatMul', [left, right], names.product)]
  let value = names.product
  if (scale !== 1) {
    const name = `${names.scaled}.factor`
    edit.setConstant(name, lazyFill({ kind: 'constant', value: scale }, dtype, [], seed))
    nodes.push(node('Mul', [value, name], names.scaled))
    value = names.scaled
  }
  if (dims.length > 2) {
    const name = `${names.shaped}.shape`
    edit.setConstant(name, int64(dims))
    nodes.push(node('Reshape', [value, name], names.shaped))
    value = names.shaped
  }
  nodes.push(node('Add', [weight, value], names.sum))
  edit.lead(nodes)
  edit.rewire(uses, names.sum)
}
