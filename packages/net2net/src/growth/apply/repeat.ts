/** Applying the part of a plan that repeats residual blocks. */
import { inputError } from '../../errors.ts'
import type { ModelEdit } from '../../model/edit.ts'
import { useKey } from '../../model/links.ts'
import type { Metadata, Model, Node } from '../../model/model.ts'
import { SCOPES } from '../../model/names.ts'
import { FOLDED_FROM, parameterNote, parameterNotes } from '../../operators/trainable.ts'
import { zeros } from '../../tensor/fill.ts'
import { lazyFill } from '../../tensor/lazy.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import { markedParameter, markedScopes } from '../copied-names.ts'
import type { Repetition } from '../growth-plan.ts'

export function repeat(edit: ModelEdit, model: Model, repetitions: readonly Repetition[]): void {
  const notes = parameterNotes(model)
  for (const { nodes } of repetitions) for (const { name } of nodes) edit.nodeNames.claim(name)
  for (const repetition of repetitions) repeatOnce(edit, repetition, notes)
}

function repeatOnce(
  edit: ModelEdit,
  repetition: Repetition,
  notes: ReadonlyMap<string, Metadata> | undefined,
): void {
  const { blocks, mark, value, source, input, values, parameters, gates } = repetition
  const producer = edit.producerOf(value)
  if (!producer)
    throw inputError(
      `The plan repeats what ends at the value "${value}", which this model does not have.`,
      { hint: 'Apply the plan to the model that it was made for.' },
    )
  const read = new Map<string, string>()
  const store = (name: string, tensor: LazyTensor, metadata: Metadata | undefined) => {
    edit.setConstant(name, tensor)
    if (metadata) edit.note(name, tensor, metadata)
  }
  for (const { name, to, start, dims, uses } of parameters) {
    const old = edit.constantOf(name)
    if (String(old.dims) !== String(dims))
      throw inputError(
        `The plan expects "${name}" with shape [${dims}], but it has [${old.dims}].`,
        { hint: 'Apply the plan to the model that it was made for.' },
      )
    const tensor = start === 'zero' ? lazyFill(zeros, old.dtype, dims, 0) : old
    store(to, tensor, notesOfCopy(notes?.get(name), name, to, repetition))
    for (const use of uses) read.set(useKey(use), to)
  }
  for (const { name, dims, dtype } of gates)
    store(name, lazyFill(zeros, dtype, dims, 0), notes && parameterNote)
  const inCopy = (name: string): string => (name === input ? source : (values[name] ?? name))
  const gateAt = new Map(gates.map((gate) => [useKey(gate.use), gate]))
  const copies = repetition.nodes.flatMap(({ node: key, name }): readonly Node[] => {
    const node = edit.originalNode(key)
    const gated: Node[] = []
    const inputs = node.inputs.map((operand, i) => {
      const use = useKey({ node: key, input: i })
      const gate = gateAt.get(use)
      if (!gate) return read.get(use) ?? inCopy(operand)
      gated.push({
        name: edit.nodeNames.fresh(gate.name),
        opType: 'Mul',
        domain: '',
        inputs: [inCopy(operand), gate.name],
        outputs: [gate.value],
        attributes: new Map(),
      })
      return gate.value
    })
    const scopes = node.metadata?.get(SCOPES)
    const copy: Node = {
      ...node,
      name,
      inputs,
      outputs: node.outputs.map((output) => values[output] ?? output),
      ...(node.metadata &&
        scopes !== undefined && {
          metadata: new Map(node.metadata).set(SCOPES, markedScopes(scopes, blocks, mark)),
        }),
    }
    return [...gated, copy]
  })
  edit.editNode(producer.key, (node) => ({
    ...node,
    outputs: node.outputs.map((output) => (output === value ? source : output)),
  }))
  edit.follow(producer.key, copies)
}

/** What was noted of a parameter, with the copy's names in the place of its own. */
function notesOfCopy(
  notes: Metadata | undefined,
  name: string,
  to: string,
  { blocks, mark }: Repetition,
): Metadata | undefined {
  if (!notes) return undefined
  return new Map(
    [...notes].map(([key, text]) => {
      if (key === FOLDED_FROM)
        return [
          key,
          text.replace(/[^'"[\], ]*\.[^'"[\], ]*/g, (from) => markedParameter(from, blocks, mark)),
        ]
      return [key, text === name ? to : text]
    }),
  )
}
