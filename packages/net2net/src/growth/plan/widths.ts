/** From the widths that layers are to have to the sizes of the variables that grow. */
import { refusedError, usageError } from '../../errors.ts'
import { type AxisMap, sizeWith } from '../growth-plan.ts'
import type { Solution } from '../solve/index.ts'
import { type AddedWidth, addedWidth, joinedWidth } from './added-width.ts'
import { Projection } from './project.ts'
import { inOrder, type SizedAxis, sizedAxes } from './sized-axes.ts'

/** A width, or a factor: `x2`, `x1.5`. */
export type WidthTarget = number | string

/**
 * Layer (name, part of a name, or pattern) → new width, or a factor as `'x2'`. Of attention (as `inspect` names it, or one of its
 * layers): `NAME.heads`, `NAME.key-value-heads` (with the heads that share them), `NAME.head-size`, and of queries and keys or of values alone
 * `NAME.key-size` and `NAME.value-size`.
 */
export type Widths = Readonly<Record<string, WidthTarget>>

/** Sizes of variables that grow. */
type Sizes = ReadonlyMap<number, number>

type Target = { readonly width: number } | { readonly factor: number }

/** A plan writes down every unit: more than any layer has, and still a list that fits in memory. */
const largestWidth = 2 ** 24

/**
 * The sizes to which variables must grow so that every layer gets its width. Of a product the outermost
 * free factor grows (whole groups first), then the next; parts of a sum grow in proportion.
 *
 * @throws Net2NetError (usage) for unknown layers, for a width that is not larger or that cannot be
 * reached, with the widths that can; (refused) for a layer that cannot grow at all, with the reason.
 */
export function chooseSizes(solution: Solution, widths: Widths): Sizes {
  const names = inOrder(Object.keys(widths))
  if (names.length === 0) throw usageError('No layer to widen was given.')
  let sizes: Sizes = new Map()
  const added = new AddedWidths(solution)
  const exact: [SizedAxis, number][] = []
  for (const name of names)
    for (const sized of sizedAxes(solution, name)) {
      const target = parseWidth(widths[name]!, sized.label)
      sizes = new Map([...sizes, ...growAxis(new AxisWidth(solution, sized, sizes, added), target)])
      if ('width' in target) exact.push([sized, target.width])
    }
  for (const [sized, width] of exact) {
    const found = new AxisWidth(solution, sized, sizes, added).width
    if (found !== width)
      throw usageError(
        `${sized.label} cannot have ${sized.says(width)}: it grows together with a layer that takes it to ${found}.`,
        { where: sized.label },
      )
  }
  return sizes
}

/** Reads a width as a user writes it: 128, '128' or 'x2'. */
export function parseWidth(text: WidthTarget, layer: string): Target {
  if (typeof text === 'string' && /^[x×]\d*\.?\d+$/i.test(text)) {
    const factor = Number(text.slice(1))
    if (factor > 1) return { factor }
    throw usageError(`The factor ${text} for ${layer} does not make it larger.`, { where: layer })
  }
  const width = Number(text)
  if (text === '' || !Number.isSafeInteger(width) || width <= 0)
    throw usageError(
      `"${text}" is not a width for ${layer}; give a whole number, or a factor as x2.`,
      {
        where: layer,
      },
    )
  return { width }
}

/** One variable of an axis that can grow. */
interface Candidate {
  readonly variable: number
  readonly from: number
  /** Sizes must be multiples of this. */
  readonly step: number
  /** For a balanced variable: may it have any other size, of units that are added? */
  readonly addable?: () => AddedWidth | { readonly reason: string }
}

/** Widths of added units that are chosen together. */
class AddedWidths {
  readonly #solution: Solution
  readonly #streams = new Map<number, AddedWidth | { readonly reason: string }>()

  constructor(solution: Solution) {
    this.#solution = solution
  }

  /** Can units be added to a variable? Whatever their number is, the answer is the same. */
  of(variable: number, from: number): AddedWidth | { readonly reason: string } {
    const known = this.#streams.get(variable)
    const found = known ?? addedWidth(this.#solution, variable, from, from + 1)
    this.#streams.set(variable, found)
    return found
  }

  /** The same beside variables of which the sizes are chosen: those that get added units. */
  beside(variable: number, from: number, sizes: Sizes): AddedWidth | { readonly reason: string } {
    const { axes, groups } = this.#solution
    let all = this.of(variable, from)
    for (const [other, size] of sizes) {
      const before = axes.sizeOfVariable(other)
      if (typeof before !== 'number' || other === variable) continue
      if (groups.balanced(other) === undefined || size % before === 0) continue
      const found = this.of(other, before)
      if (!('parameters' in found) || !('parameters' in all)) return all
      all = joinedWidth(all, found)
    }
    return all
  }
}

/** The size of an axis (the width of a layer), as a function of the sizes of its variables. */
class AxisWidth {
  readonly label: string
  readonly before: number
  readonly candidates: readonly Candidate[]
  /** Sizes of the candidates so far. */
  readonly current: ReadonlyMap<number, number>
  readonly isTouched: boolean
  readonly isSum: boolean
  readonly says: SizedAxis['says']
  /** Why every unit needs equally many copies, if it does. */
  readonly balanced: string | undefined
  readonly #map: AxisMap

  constructor(solution: Solution, sized: SizedAxis, sizes: Sizes, added: AddedWidths) {
    const { axes, groups } = solution
    const { axis, label, last, refusal, says, size } = sized
    this.label = label
    this.says = says
    if (refusal !== undefined) throw this.#refused(refusal)
    const isLast = (variable: number) => last.includes(variable)
    const free = groups.freeVariables(axis).toSorted((a, b) => +isLast(a) - +isLast(b))
    const expanded = axes.expand(axis)
    this.isSum = expanded.kind === 'sum'
    this.candidates = free.flatMap((variable): Candidate[] => {
      const known = expanded.kind === 'variable' ? (size ?? undefined) : undefined
      const from = known ?? axes.sizeOfVariable(variable)
      if (typeof from !== 'number') return []
      if (groups.balanced(variable) === undefined) return [{ variable, from, step: 1 }]
      const addable = () => added.beside(variable, from, sizes)
      return [{ variable, from, step: from, addable }]
    })
    this.balanced = this.candidates
      .map(({ variable }) => groups.balanced(variable))
      .find((reason) => reason)
    const projection = new Projection(
      solution,
      free.map((variable) => ({ variable, id: String(variable), to: Number.NaN })),
    )
    const map = projection.map(axis, size)
    if (!map || this.candidates.length === 0 || size === null)
      throw this.#refused('the model does not say its width')
    this.#map = map
    this.before = size
    this.current = new Map(
      this.candidates.map(({ variable, from }) => [variable, sizes.get(variable) ?? from]),
    )
    this.isTouched = this.candidates.some(({ variable }) => sizes.has(variable))
  }

  #refused(reason: string) {
    return refusedError(`${this.label} cannot be widened: ${reason}.`, { where: this.label })
  }

  get isOneGroup(): boolean {
    return 'units' in this.#map
  }

  /** The width so far. */
  get width(): number {
    return this.with(new Map())
  }

  /** The width if these variables had other sizes. */
  with(sizes: Sizes): number {
    return sizeWith(this.#map, (id) => {
      const variable = Number(id)
      return sizes.get(variable) ?? this.current.get(variable)!
    })
  }

  /** The size of a balanced variable at which the width is as wanted, of units that are no copies. */
  added(candidate: Candidate, wanted: number): Sizes | undefined {
    if (!candidate.addable || this.isTouched) return undefined
    const sizes = new Map([[candidate.variable, this.smallest({ ...candidate, step: 1 }, wanted)]])
    return this.with(sizes) === wanted && 'parameters' in candidate.addable() ? sizes : undefined
  }

  /** The smallest allowed size of a variable at which the width is at least `wanted`. */
  smallest({ variable, step }: Candidate, wanted: number): number {
    let low = 1
    let high = Math.ceil((wanted + Math.max(...this.current.values())) / step)
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (this.with(new Map([[variable, middle * step]])) >= wanted) high = middle
      else low = middle + 1
    }
    return low * step
  }
}

/** A way to give a layer its width; undefined where it is none. */
type Strategy = (layer: AxisWidth, target: Target, wanted: number) => Sizes | undefined

/** Another layer, with which it grows, has brought it there. */
const alreadyThere: Strategy = (layer, target, wanted) =>
  layer.isTouched && ('factor' in target ? layer.width >= wanted : layer.width === wanted)
    ? new Map()
    : undefined

/** All parts of a concatenation by one factor, where that gives whole numbers. */
const inProportion: Strategy = (layer, target, wanted) => {
  if ('factor' in target || layer.isTouched || !layer.isSum) return undefined
  const factor = wanted / layer.before
  const sizes = new Map(
    layer.candidates.map(({ variable, from }) => [variable, Math.round(from * factor)]),
  )
  const isAllowed = layer.candidates.every(
    ({ variable, from, step }) => sizes.get(variable)! > from && sizes.get(variable)! % step === 0,
  )
  return isAllowed && layer.with(sizes) === wanted ? sizes : undefined
}

/** One variable alone: for a factor the outermost, for a width the first that reaches it. */
const oneVariable: Strategy = (layer, target, wanted) => {
  const candidates = 'factor' in target ? layer.candidates.slice(0, 1) : layer.candidates
  for (const candidate of candidates) {
    const sizes = new Map([[candidate.variable, layer.smallest(candidate, wanted)]])
    const isExact = layer.with(sizes) === wanted
    const others = isExact ? undefined : layer.added(candidate, wanted)
    if (others) return others
    if ('factor' in target || isExact) return sizes
  }
  return undefined
}

function growAxis(layer: AxisWidth, target: Target): Sizes {
  const { before, label } = layer
  const wanted =
    'factor' in target ? Math.max(before + 1, Math.round(before * target.factor)) : target.width
  if (wanted > largestWidth)
    throw usageError(
      `${label} cannot get ${layer.says(wanted)}; the largest is ${largestWidth.toLocaleString('en')}.`,
      { where: label },
    )
  const isGrowth = wanted > before && layer.width <= wanted
  const strategies = isGrowth ? [alreadyThere, inProportion, oneVariable] : [alreadyThere]
  for (const strategy of strategies) {
    const sizes = strategy(layer, target, wanted)
    if (sizes) return sizes
  }
  throw usageError(`${label} ${whyNot(layer, wanted)}.`, { where: label })
}

/** Why a layer cannot have a width, and which widths there are. */
function whyNot(layer: AxisWidth, wanted: number): string {
  const { before, width, candidates, current, balanced, says } = layer
  if (wanted <= before) return `has ${says(before)}; the new width must be larger, not ${wanted}`
  if (width > wanted)
    return `grows together with another layer to ${width}; it cannot have ${says(wanted)}`
  const steps = candidates.map(
    ({ variable, step }) =>
      layer.with(new Map([[variable, current.get(variable)! + step]])) - width,
  )
  const step = Math.min(...steps)
  const choice =
    width % step === 0 ? `a multiple of ${step}` : `${width} plus a multiple of ${step}`
  const others = candidates.map(({ addable }) => addable?.()).find((found) => found)
  const noOthers = others && 'reason' in others ? `, and none can be added: ${others.reason}` : ''
  const why =
    balanced !== undefined
      ? ` (every unit needs equally many copies: ${balanced}${noOthers})`
      : layer.isOneGroup
        ? ''
        : ' because its units come in groups'
  return `cannot have ${says(wanted)}${why}; choose ${choice}`
}
