/** Applying the part of a plan that puts zeros around kernels. */
import { inputError } from '../../errors.ts'
import type { ModelEdit } from '../../model/edit.ts'
import type { Attribute } from '../../model/model.ts'
import { byteLengthOf, dtypes } from '../../tensor/dtype.ts'
import { computedTensor } from '../../tensor/lazy.ts'
import { elementCount, type LazyTensor } from '../../tensor/tensor.ts'
import type { KernelChange } from '../growth-plan.ts'

export function enlargeKernel(edit: ModelEdit, change: KernelChange): void {
  const { name, to, uses, layers } = change
  edit.setConstant(to, withBorder(change, edit.constantOf(name)), uses)
  for (const { node: key, attributes } of layers)
    edit.editNode(key, (node) => {
      const changed = new Map<string, Attribute>(node.attributes)
      for (const [attribute, value] of Object.entries(attributes))
        if (value) changed.set(attribute, { type: 'ints', value: value.map(BigInt) })
        else changed.delete(attribute)
      return { ...node, attributes: changed }
    })
}

/** The tensor with zeros around it along the axes from 2 on. Read whole. */
export function withBorder(
  { name, before, border }: Pick<KernelChange, 'name' | 'before' | 'border'>,
  tensor: LazyTensor,
): LazyTensor {
  const { dtype } = tensor
  if (String(tensor.dims) !== String(before))
    throw inputError(
      `The plan expects "${name}" with shape [${before}], but it has [${tensor.dims}].`,
      { hint: 'Apply the plan to the model that it was made for.' },
    )
  const dims = before.map((size, axis) => size + 2 * (border[axis - 2] ?? 0))
  const item = dtypes[dtype].bits / 8
  const byteLength = byteLengthOf(dtype, elementCount(dims))
  return computedTensor(dtype, dims, byteLength, () => {
    const old = tensor.read(0, tensor.byteLength)
    const bytes = new Uint8Array(byteLength)
    const run = before.at(-1)! * item
    const strides = dims.map((_, axis) => elementCount(dims.slice(axis + 1)))
    for (let row = 0; row * run < old.length; row++) {
      let rest = row
      let at = border.at(-1)!
      for (let axis = before.length - 2; axis >= 0; axis--) {
        const index = (rest % before[axis]!) + (border[axis - 2] ?? 0)
        rest = Math.floor(rest / before[axis]!)
        at += index * strides[axis]!
      }
      bytes.set(old.subarray(row * run, (row + 1) * run), at * item)
    }
    return bytes
  })
}
