/** State dicts and optimizer states of PyTorch in their files, grown by plans. */
import { inputError, internalError, Net2NetError, refusedError, usageError } from '../errors.ts'
import type { FileContent } from '../files/write-whole.ts'
import { applyPlan } from '../growth/apply/apply.ts'
import { withBorder } from '../growth/apply/larger-kernel.ts'
import { markedParameter, markedPath } from '../growth/copied-names.ts'
import type { GrowthPlan } from '../growth/growth-plan.ts'
import type { Model } from '../model/model.ts'
import { quote } from '../model/quote.ts'
import { trainableConstants } from '../operators/trainable.ts'
import type { ByteSource } from '../tensor/bytes.ts'
import { zeros } from '../tensor/fill.ts'
import { lazyFill } from '../tensor/lazy.ts'
import { elementCount, type LazyTensor } from '../tensor/tensor.ts'
import { type Bindings, bindEntries } from './bind.ts'
import {
  growEntries,
  growEntrySlots,
  mayBeUnbound,
  mustChangeEntriesAlone,
  UNTIE,
} from './grow-entries.ts'
import { optimizerSlots } from './optimizer-state.ts'
import { readSafetensors, safetensorsParts } from './safetensors.ts'
import { holdSameNumbers, isReadable, isUniform } from './same-numbers.ts'
import { readTorchFile, stateDictOf, torchFileParts } from './torch-file.ts'

/** Gives the bytes of a file; throws an `input` error where there is none of that name. */
export type OpenFile = (file: string) => ByteSource

export interface GrowStateOptions {
  /** The state dict: `.safetensors`, an index of several (`.safetensors.index.json`), `.pt`, `.pth` or `.bin`. */
  readonly weights: string
  /** The optimizer's state dict (`.pt`). */
  readonly optimizer?: string | undefined
  /** Names of the parameters in the optimizer's order, where its file does not say them. */
  readonly names?: readonly string[] | undefined
  /** Lets an entry that two layers share become two. */
  readonly untie?: boolean | undefined
  /** Takes entries by their names although their numbers differ from the model's. */
  readonly weightsDiffer?: boolean | undefined
}

/**
 * What plans make of the state dict of a network, and of the state of its optimizer. The plans were made on the ONNX model
 * that was exported from the same network.
 *
 * @param open opens the files that the options name
 * @param plans each made on what the one before made of `model`; without any, it is only told whether the files belong to `model`
 * @param stem what the names of the files begin with: `wider` gives `wider.safetensors` and `wider-optimizer.pt`
 * @returns the files by path, in the formats that they had
 * @throws Net2NetError (input) where a file is broken; (refused) where the weights are of another network than the model, or it is
 *   not clear which entry is which initializer
 */
export function growStateIn(
  open: OpenFile,
  model: Model,
  plans: readonly GrowthPlan[],
  stem: string,
  options: GrowStateOptions,
): ReadonlyMap<string, FileContent> {
  const state = openState(options.weights, open)
  const optimizer =
    options.optimizer === undefined
      ? undefined
      : readTorchFile(open(options.optimizer), options.optimizer)
  let entries = state.entries
  const slots =
    optimizer && options.optimizer !== undefined
      ? optimizerSlots(optimizer, entries, {
          file: options.optimizer,
          inOrder: state.inOrder,
          names: options.names,
        })
      : []
  let slotTensors = new Map(slots.map((slot) => [slot, slot.tensor]))
  let current = model
  const bind = () =>
    bindEntries(current, entries, {
      file: options.weights,
      ...(options.weightsDiffer && { weightsDiffer: true }),
    })
  let bindings = bind()
  mustBelong(model, entries, bindings, options.weights)
  const naming = { file: options.weights, ...(options.untie && { untie: true }) }
  for (const [i, plan] of plans.entries()) {
    if (i > 0) bindings = bind()
    mustChangeEntriesAlone(plan, options.weights)
    const inserted = plan.inserted[0]?.name ?? plan.repeated?.[0]?.parameters[0]?.to
    if (inserted !== undefined && optimizer)
      throw usageError(
        `${quote(inserted)} is new, for which ${options.optimizer} has no state: leave out --optimizer.`,
      )
    const [removed] = plan.removed ?? []
    if (removed && optimizer)
      throw usageError(
        `${quote(removed.name)} is removed, and ${options.optimizer} has state for it: leave out --optimizer.`,
      )
    const before = entries
    entries = growEntries(current, plan, bindings, before, naming)
    entries = withLargerKernels(plan, bindings, entries, optimizer && options.optimizer)
    const next = new Map(slotTensors)
    for (const kind of new Set(slots.map(({ slot }) => slot))) {
      const own = slots.filter(({ slot }) => slot === kind)
      const tensors = new Map(own.map((slot) => [slot.entry, slotTensors.get(slot)!]))
      const power = own[0]!.power
      const grown = growEntrySlots(current, plan, bindings, before, tensors, power, naming)
      for (const slot of own) next.set(slot, grown.get(slot.entry)!)
    }
    slotTensors = next
    if (!options.untie) mustStayTied(state.ties, entries, options.weights)
    const grown = applyPlan(current, plan)
    entries = new Map([...entries, ...newEntries(plan, grown, bindings, before)])
    if (plan.removed) {
      const isGone = (name: string) =>
        current.graph.initializers.has(name) && !grown.graph.initializers.has(name)
      const gone = new Set(
        bindings.bound.flatMap(({ entry, initializer }) => (isGone(initializer) ? [entry] : [])),
      )
      entries = new Map([...entries].filter(([entry]) => !gone.has(entry)))
    }
    current = grown
  }
  const replaced = new Map(slots.map((slot) => [slot.tensor, slotTensors.get(slot)!]))
  const files = new Map(state.files(entries, stem))
  if (optimizer)
    files.set(
      `${stem}-optimizer.pt`,
      torchFileParts(optimizer, (tensor) => replaced.get(tensor), `${baseName(stem)}-optimizer`),
    )
  return files
}

/**
 * Reads files of `growStateIn` that were written and binds them to the grown model again: what is in them is what the plans
 * say, number by number.
 *
 * @param open opens what was written
 * @param options those that the files were grown with
 * @throws Net2NetError (internal) where they hold something else
 */
export function mustHoldState(
  open: OpenFile,
  grown: Model,
  stem: string,
  { weights, optimizer, names, weightsDiffer }: GrowStateOptions,
): void {
  const file = `${stem}${weightsEnding(weights)}`
  const { entries, inOrder } = openState(file, open)
  if (!weightsDiffer) mustHoldTheModel(grown, entries, file)
  if (optimizer === undefined) return
  const written = `${stem}-optimizer.pt`
  const state = readTorchFile(open(written), written)
  optimizerSlots(state, entries, { file: written, inOrder, ...(names && { names }) })
}

/**
 * The parameters of a model of which no entry of a state dict holds the numbers: growth that changes one of them is refused for that
 * file. Constants that exporters make, as a bias of zeros, are none of them.
 *
 * @param open opens the files that the options name
 * @throws Net2NetError (input) where a file is broken; (refused) where entries have other numbers than the model
 */
export function unboundParameters(
  open: OpenFile,
  model: Model,
  { weights, weightsDiffer }: GrowStateOptions,
): readonly string[] {
  const { entries } = openState(weights, open)
  const bindings = bindEntries(model, entries, {
    file: weights,
    ...(weightsDiffer && { weightsDiffer }),
  })
  return parametersOf(model, bindings).missing.flatMap(({ name }) =>
    mayBeUnbound(model, name, bindings.folded) ? [] : [name],
  )
}

/** The parameters whose numbers can be read, by whether entries hold them. */
function parametersOf(model: Model, { bound, folded, derived = [] }: Bindings) {
  const isHeld = new Set([...bound, ...folded, ...derived].map(({ initializer }) => initializer))
  const parameters = trainableConstants(model).parameters.flatMap((name) => {
    const tensor = model.graph.initializers.get(name)?.tensor
    return tensor && isReadable(tensor) ? [{ name, tensor }] : []
  })
  return {
    held: parameters.filter(({ name }) => isHeld.has(name)),
    missing: parameters.filter(({ name }) => !isHeld.has(name)),
  }
}

/**
 * Weights of another network are refused whatever grows. Numbers that are all the same, and those that are no parameters, say
 * nothing: another network may have the same ones and zeros, and the same table of sines.
 */
function mustBelong(
  model: Model,
  entries: ReadonlyMap<string, LazyTensor>,
  bindings: Bindings,
  file: string,
): void {
  const { held, missing } = parametersOf(model, bindings)
  for (const { name, tensor } of missing) {
    const entry = entries.get(name)
    if (entry === undefined || elementCount(entry.dims) === elementCount(tensor.dims)) continue
    throw refusedError(
      `${quote(name)} is [${entry.dims}] in ${file} and [${tensor.dims}] in the model: they are of different networks.`,
      { where: name, hint: EXPORT },
    )
  }
  const isTelling = ({ tensor }: { readonly tensor: LazyTensor }) => !isUniform(tensor)
  const other = missing.find(isTelling)
  if (other && !held.some(isTelling))
    throw refusedError(
      `${file} is of another network than the model: it holds none of its weights, such as ${quote(other.name)} [${other.tensor.dims}].`,
      { where: other.name, hint: EXPORT },
    )
}

const EXPORT = 'Export the model from these weights, or give the weights that it was exported from.'

/** Entries that are one tensor in the network must grow alike: whoever loads them would keep one of them. */
function mustStayTied(
  ties: readonly (readonly string[])[],
  entries: ReadonlyMap<string, LazyTensor>,
  file: string,
): void {
  for (const [first, ...others] of ties) {
    const tensor = entries.get(first!)!
    const apart = others.find((name) => {
      const other = entries.get(name)!
      return other.dims.join() !== tensor.dims.join() || !holdSameNumbers(tensor, other)
    })
    if (apart !== undefined)
      throw refusedError(
        `${quote(first!)} and ${quote(apart)} are one tensor in ${file}, and would grow in different ways.`,
        { where: first, hint: UNTIE },
      )
  }
}

function mustHoldTheModel(
  grown: Model,
  entries: ReadonlyMap<string, LazyTensor>,
  file: string,
): void {
  const { bound, folded } = bindEntries(grown, entries, { file, weightsDiffer: true })
  const held = new Set([...bound, ...folded].map(({ entry }) => entry))
  for (const { entry, initializer } of bound) {
    const a = entries.get(entry)!
    const b = grown.graph.initializers.get(initializer)!.tensor
    if (!holdSameNumbers(a, b) && a.dtype === b.dtype)
      throw internalError(`The entry ${entry} did not grow as ${initializer} of the model did.`)
  }
  if (held.size === 0) throw internalError(`Nothing of ${file} is in the grown model.`)
}

/** @throws Net2NetError (refused) where a kernel is not one entry alone, (usage) for optimizer state */
function withLargerKernels(
  plan: GrowthPlan,
  { bound, folded }: Bindings,
  entries: ReadonlyMap<string, LazyTensor>,
  optimizer: string | undefined,
): ReadonlyMap<string, LazyTensor> {
  const result = new Map(entries)
  for (const change of plan.kernels ?? []) {
    const { name, to, before } = change
    const own = [...bound, ...folded].filter(({ initializer }) => initializer === name)
    const [one, another] = own
    const tensor = one && entries.get(one.entry)
    if (!one || another || !tensor || to !== name || String(tensor.dims) !== String(before))
      throw refusedError(`No entry alone holds ${name}, the kernel of which becomes larger.`, {
        where: name,
      })
    if (optimizer !== undefined)
      throw usageError(
        `The state in ${optimizer} does not follow larger kernels: leave out --optimizer.`,
      )
    result.set(one.entry, withBorder(change, tensor))
  }
  return result
}

/** Entries of parameters that are new: those of inserted layers under the plan's names, those of copies like their originals. */
function newEntries(
  plan: GrowthPlan,
  grown: Model,
  { bound }: Bindings,
  entries: ReadonlyMap<string, LazyTensor>,
): readonly (readonly [string, LazyTensor])[] {
  const stored = (name: string) => {
    const tensor = grown.graph.initializers.get(name)?.tensor
    return tensor ? [[name, tensor] as const] : []
  }
  return [
    ...plan.inserted.flatMap(({ names }) => Object.values(names).flatMap(stored)),
    ...(plan.repeated ?? []).flatMap(({ blocks, mark, parameters, gates }) => [
      // What the export does not hold (a bias that was zero) has a copy as well.
      ...[...entries].flatMap(([entry, tensor]) => {
        const to = markedPath(entry, blocks, mark)
        return to === undefined ? [] : [[to, tensor] as const]
      }),
      ...parameters.flatMap(({ name, to, start }) => {
        const own = bound.filter(({ initializer }) => initializer === name)
        if (own.length === 0) return stored(to)
        // Of entries that were equal in the export, and are one initializer: those of the block.
        const inBlock = own.filter(({ entry }) => markedPath(entry, blocks, mark) !== undefined)
        return (inBlock.length > 0 ? inBlock : own).map(({ entry }) => {
          const tensor = entries.get(entry)!
          const { dtype, dims } = tensor
          const copy = start === 'zero' ? lazyFill(zeros, dtype, dims, 0) : tensor
          return [markedParameter(entry, blocks, mark), copy] as const
        })
      }),
      ...gates.flatMap(({ name }) => stored(name)),
    ]),
  ]
}

/** A state dict that was read, and how files of its format are written. */
interface OpenState {
  /** Names of entries that are one tensor. */
  readonly ties: readonly (readonly string[])[]
  /** Whether the entries stand in the order in which the network made them. */
  readonly inOrder: boolean
  readonly entries: ReadonlyMap<string, LazyTensor>
  files(
    entries: ReadonlyMap<string, LazyTensor>,
    stem: string,
  ): readonly (readonly [file: string, content: FileContent])[]
}

function openState(file: string, open: OpenFile): OpenState {
  if (file.endsWith('.json')) return openIndex(file, open)
  if (file.endsWith('.safetensors')) {
    const { tensors, metadata } = readSafetensors(open(file), file)
    return {
      ties: [],
      inOrder: false,
      entries: tensors,
      files: (entries, stem) => [[`${stem}.safetensors`, safetensorsParts(entries, metadata)]],
    }
  }
  const torch = readTorchFile(open(file), file)
  const entries = stateDictOf(torch, file)
  const byPlace = new Map<string, string[]>()
  for (const [name, tensor] of entries) {
    const place = torch.placeOf?.(tensor)
    if (place === undefined || tensor.byteLength === 0) continue
    byPlace.set(place, [...(byPlace.get(place) ?? []), name])
  }
  return {
    ties: [...byPlace.values()].filter(({ length }) => length > 1),
    inOrder: true,
    entries,
    files(grown, stem) {
      const added = [...grown.keys()].filter((name) => !entries.has(name))
      if (added.length > 0)
        throw usageError(
          `${quote(added[0]!)} is a new entry, which cannot be added to ${file}: give the weights as .safetensors.`,
        )
      const next = new Map([...entries].map(([name, tensor]) => [tensor, grown.get(name)!]))
      const replace = (tensor: LazyTensor) => next.get(tensor)
      return [[`${stem}${weightsEnding(file)}`, torchFileParts(torch, replace, baseName(stem))]]
    },
  }
}

/** Weights in several files, with an index that says which entry is where. */
function openIndex(file: string, open: OpenFile): OpenState {
  const broken = (what: string) =>
    inputError(`${file} is not an index of safetensors files: ${what}.`, { where: file })
  let index: { weight_map?: unknown; metadata?: unknown }
  try {
    const source = open(file)
    if (source.size > 1 << 27) throw broken('it is absurdly long')
    index = JSON.parse(new TextDecoder().decode(source.read(0, source.size))) as typeof index
  } catch (cause) {
    if (cause instanceof Net2NetError) throw cause
    throw inputError(`${file} is not JSON.`, { where: file, cause })
  }
  const map = index?.weight_map
  if (typeof map !== 'object' || map === null) throw broken('it has no weight_map')
  const parts = [...new Set(Object.values(map))].map((part) => {
    if (typeof part !== 'string' || !/^[^/\\]+\.safetensors$/.test(part))
      throw broken(`it names ${quote(part)}, which is no file beside it`)
    return { part, ...readSafetensors(open(`${folderOf(file)}${part}`), part) }
  })
  const missing = Object.keys(map).find((key) => !parts.some(({ tensors }) => tensors.has(key)))
  if (missing !== undefined) throw broken(`no file holds ${quote(missing)}`)
  return {
    ties: [],
    inOrder: false,
    entries: new Map(parts.flatMap(({ tensors }) => [...tensors])),
    files(entries, stem) {
      const name = (i: number) =>
        `${baseName(stem)}-${number(i + 1)}-of-${number(parts.length)}.safetensors`
      const number = (value: number) => String(value).padStart(5, '0')
      // New entries follow those of the last file.
      const placeOf = (key: string) => {
        const i = parts.findIndex(({ tensors }) => tensors.has(key))
        return i < 0 ? parts.length - 1 : i
      }
      const weightMap = Object.fromEntries(
        [...entries.keys()].map((key) => [key, name(placeOf(key))]),
      )
      const bytes = [...entries.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
      const metadata = { ...(index.metadata as object | undefined), total_size: bytes }
      return [
        ...parts.map((part, i) => {
          const own = new Map([...entries].filter(([key]) => placeOf(key) === i))
          return [`${folderOf(stem)}${name(i)}`, safetensorsParts(own, part.metadata)] as const
        }),
        [
          `${stem}.safetensors.index.json`,
          `${JSON.stringify({ metadata, weight_map: weightMap }, null, 2)}\n`,
        ],
      ]
    },
  }
}

const baseName = (file: string): string => file.split(/[/\\]/).at(-1)!
/** With the slash at its end. */
const folderOf = (file: string): string => file.slice(0, file.length - baseName(file).length)
/** What the name of a file of weights ends with, that of an index in full. */
const weightsEnding = (file: string): string =>
  /\.safetensors\.index\.json$|\.[^.]*$/.exec(baseName(file))?.[0] ?? ''
