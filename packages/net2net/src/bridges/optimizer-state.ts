/** The state dict of a PyTorch optimizer: which of its tensors belongs to which parameter, and how it grows. */
import { inputError, refusedError } from '../errors.ts'
import type { SlotPower } from '../growth/apply/merge-tensor.ts'
import { quote } from '../model/quote.ts'
import type { LazyTensor } from '../tensor/tensor.ts'
import { entryOf, PickleCall, PickleDict, PickleList, type PickleValue } from './pickle.ts'
import type { TorchFile } from './torch-file.ts'

/** With which power of the gradient each slot of PyTorch's optimizers scales. */
const powers: Readonly<Record<string, SlotPower>> = {
  momentum_buffer: 1,
  exp_avg: 1,
  grad_avg: 1,
  exp_avg_sq: 2,
  max_exp_avg_sq: 2,
  max_exp_avg_sqs: 2,
  square_avg: 2,
  sum: 2,
}

export interface OptimizerSlot {
  /** The entry of the state dict whose parameter it belongs to. */
  readonly entry: string
  readonly slot: string
  readonly power: SlotPower
  readonly tensor: LazyTensor
}

export interface OptimizerNames {
  /** Names of the parameters in the order in which the optimizer got them. */
  readonly names?: readonly string[] | undefined
  /** Whether the entries stand in the order in which the network made them, as in files of PyTorch; default true. */
  readonly inOrder?: boolean | undefined
  readonly file: string
}

/** Whether a file holds the state of an optimizer and no weights. */
export const isOptimizerState = ({ value }: TorchFile): boolean =>
  entryOf(value, 'state') instanceof PickleDict &&
  entryOf(value, 'param_groups') instanceof PickleList

/**
 * The slots of an optimizer's state dict that have a parameter's shape.
 *
 * The optimizer counts its parameters; their names stand in `param_names` of its groups, or are given. Without
 * either, one group is taken to hold the parameters in the order of the state dict, and every shape must agree.
 *
 * @throws Net2NetError (input) where it is no optimizer's state; (refused) where it does not say which parameter is which,
 *   or has a slot whose growth is unknown
 */
export function optimizerSlots(
  file: TorchFile,
  entries: ReadonlyMap<string, LazyTensor>,
  { names, inOrder = true, file: name }: OptimizerNames,
): readonly OptimizerSlot[] {
  const root = entryOf(file.value, 'state') ? file.value : optimizerIn(file.value)
  const state = entryOf(root, 'state')
  const groups = entryOf(root, 'param_groups')
  if (!(state instanceof PickleDict) || !(groups instanceof PickleList))
    throw inputError(`${name} holds no optimizer state: "state" and "param_groups" are missing.`, {
      where: name,
      hint: 'Save one: torch.save(optimizer.state_dict(), FILE).',
    })
  const parameters = numbered(groups, names, inOrder, entries, name)
  const slots: OptimizerSlot[] = []
  for (const [number, values] of state.entries) {
    const entry = typeof number === 'bigint' ? parameters.get(number) : undefined
    if (entry === undefined || !(values instanceof PickleDict))
      throw inputError(`${name} keeps state for a parameter that no group holds.`, { where: name })
    const { dims } = entries.get(entry)!
    for (const [slot, value] of values.entries) {
      const tensor = file.tensorOf(value)
      if (typeof slot !== 'string' || !tensor || tensor.dims.length === 0) continue
      if (tensor.dims.join() !== dims.join())
        throw refusedError(
          `${quote(slot)} in ${name} has the shape [${tensor.dims}], but ${quote(entry)} has [${dims}].`,
          {
            where: name,
            hint: 'Give the names of the parameters in the order of the optimizer: --names NAME,NAME,…',
          },
        )
      const power = powers[slot]
      if (power === undefined)
        throw refusedError(`How the slot ${quote(slot)} of ${name} grows is not known.`, {
          where: name,
          hint: `Known are ${Object.keys(powers).join(', ')}.`,
        })
      slots.push({ entry, slot, power, tensor })
    }
  }
  return slots
}

/** The optimizer's state in a checkpoint, under a usual name. */
const optimizerIn = (value: PickleValue): PickleValue | undefined =>
  ['optimizer', 'optimizer_state_dict', 'optim', 'opt']
    .map((key) => entryOf(value, key))
    .find((candidate) => entryOf(candidate, 'state') !== undefined)

function numbered(
  groups: PickleList,
  given: readonly string[] | undefined,
  inOrder: boolean,
  entries: ReadonlyMap<string, LazyTensor>,
  file: string,
): ReadonlyMap<bigint, string> {
  const numbers: bigint[] = []
  const own: string[] = []
  for (const group of groups.items) {
    numbers.push(...listOf(entryOf(group, 'params')).filter((item) => typeof item === 'bigint'))
    own.push(...listOf(entryOf(group, 'param_names')).filter((item) => typeof item === 'string'))
  }
  const ordered =
    inOrder && groups.items.length === 1
      ? [...entries.keys()].filter((name) => !isBuffer(name))
      : undefined
  const names = given ?? (own.length === numbers.length ? own : undefined) ?? ordered
  if (!names)
    throw refusedError(`${file} does not say which of its ${numbers.length} parameters is which.`, {
      where: file,
      hint: 'Give the names in the order of the optimizer: --names NAME,NAME,… (or make the optimizer from named_parameters(), or give the weights as a .pt file).',
    })
  if (names.length !== numbers.length)
    throw refusedError(
      `${file} has ${numbers.length} parameters, and there are ${names.length} names.`,
      {
        where: file,
        hint: 'Give the names of the parameters in the order of the optimizer: --names NAME,NAME,…',
      },
    )
  const missing = names.find((name) => !entries.has(name))
  if (missing !== undefined)
    throw refusedError(
      `The weights have no entry ${quote(missing)}, which ${file} keeps state for.`,
      { where: file },
    )
  return new Map(numbers.map((number, i) => [number, names[i]!]))
}

/** Entries of norms that are no parameters. */
const isBuffer = (name: string): boolean =>
  /(^|\.)(running_mean|running_var|num_batches_tracked)$/.test(name)

const listOf = (value: PickleValue | undefined): readonly PickleValue[] =>
  value instanceof PickleList || value instanceof PickleCall ? value.items : []
