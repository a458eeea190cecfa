/** From what a user wants to extend to the variables that grow: which axis it is, and of which layer. */
import { nearestName } from '../../arguments.ts'
import { refusedError, usageError } from '../../errors.ts'
import { type Node, requiredInputs } from '../../model/model.ts'
import { describeNode, moduleName, nodeLabel } from '../../model/names.ts'
import type { Axis, AxisVariable } from '../../operators/contract/axis.ts'
import { movesElements } from '../../operators/helpers/scaling.ts'
import { isFloat } from '../../tensor/dtype.ts'
import type { LayerSite } from '../solve/facts.ts'
import type { Solution } from '../solve/index.ts'
import type { Layer } from '../solve/relate.ts'
import type { InputSize } from './input-sizes.ts'
import { selectLayer } from './select-layers.ts'

/** So many entries more: `5` or `'+5'`. */
export type Added = number | string

/** What is extended, and by how many entries: `5` or `'+5'`. */
export interface Extension {
  /** Outputs of the graph by name: classes of a head, channels of a segmentation, values. */
  readonly outputs?: Readonly<Record<string, Added>>
  /** Inputs of the graph by name: channels or features. What they hold makes no difference. */
  readonly inputs?: Readonly<Record<string, Added>>
  /** Rows of the table that looks up the tokens of an input (or of the layer of this name), and logits over them. */
  readonly vocabulary?: Added | Readonly<Record<string, Added>>
  /** Rows of a learned table of positions (or of the layer of this name). */
  readonly positions?: Added | Readonly<Record<string, Added>>
  /**
   * Other sizes of inputs by name, alone and not with new entries: `'256x256'`, `[256, 256]`, or one number for all spatial
   * axes. No weight changes, and the function at the old sizes is that of the old model.
   */
  readonly sizes?: Readonly<Record<string, InputSize>>
}

/** A variable to which entries are appended. */
export interface Extended {
  readonly what: 'output' | 'input' | 'vocabulary' | 'positions'
  readonly variable: number
  /** Of the units in the plan; those of one vocabulary share it. */
  readonly id: string
  readonly from: number
  readonly to: number
  /** Entries of the axis before those of the variable. */
  readonly offset: number
  /** What it is, for messages. */
  readonly label: string
  /** The input or output and its axis, where it is one. */
  readonly name?: string
  readonly axis?: number
  /** How the axis was found. */
  readonly why?: string
}

/** More than any network has, and still a list that fits in memory. */
const MOST_ENTRIES = 2 ** 24

/**
 * @throws Net2NetError (usage) for unknown names and impossible numbers; (refused) where nothing can be extended, with
 *   the reason
 */
export function extendedAxes(solution: Solution, extension: Extension): readonly Extended[] {
  const { outputs = {}, inputs = {}, vocabulary, positions } = extension
  const found: Extended[] = []
  const add = (extended: Extended) => {
    const other = found.find(({ variable }) => variable === extended.variable)
    if (other && other.to !== extended.to)
      throw usageError(
        `${extended.label} has the entries of ${other.label.replace(/^The/, 'the')}: both get as many new ones, or one is left out.`,
      )
    if (!other) found.push(extended)
  }
  if (vocabulary !== undefined)
    for (const each of tables(solution, 'vocabulary', vocabulary)) add(each)
  if (positions !== undefined)
    for (const each of tables(solution, 'positions', positions)) add(each)
  for (const [name, by] of Object.entries(outputs)) add(ofValue(solution, 'output', name, by))
  for (const [name, by] of Object.entries(inputs)) add(ofValue(solution, 'input', name, by))
  if (found.length === 0) throw usageError('Nothing to extend was given.')
  return found
}

/** Reads a number of new entries as a user writes it: 5, '5' or '+5'. */
export function parseAdded(text: Added, label: string): number {
  const value = typeof text === 'string' && !/^\+?\d+$/.test(text) ? Number.NaN : Number(text)
  if (!Number.isSafeInteger(value) || value <= 0 || value > MOST_ENTRIES)
    throw usageError(
      `"${text}" is no number of new entries for ${label}; write for example +5 (at most ${MOST_ENTRIES.toLocaleString('en')}).`,
      { where: label },
    )
  return value
}

/** The last part of a concatenation, of that the outermost factor: what is appended to it comes behind all old entries. */
interface Tail {
  readonly variable: AxisVariable
  readonly offset: number
  /** Entries of the axis for each of the variable. */
  readonly inner: number
}

function tailOf(axes: Solution['axes'], axis: Axis): Tail | undefined {
  const expanded = axes.expand(axis)
  if (expanded.kind === 'variable') return { variable: expanded, offset: 0, inner: 1 }
  if (expanded.kind === 'sum') {
    const tail = tailOf(axes, expanded.terms.at(-1)!)
    const before = axes.sizeOf({ kind: 'sum', terms: expanded.terms.slice(0, -1) })
    return tail && before !== null ? { ...tail, offset: before + tail.offset } : undefined
  }
  const [first, ...rest] = axes.factors(expanded)
  const inner = axes.sizeOf({ kind: 'product', factors: rest })
  const tail = first && tailOf(axes, first)
  return tail && inner !== null
    ? { ...tail, offset: tail.offset * inner, inner: tail.inner * inner }
    : undefined
}

interface Candidate extends Tail {
  readonly axis: number
  readonly layers: readonly Layer[]
}

/** The value that a name means: its whole name, or a part of one that fits one only. */
function selectValue(names: readonly string[], what: 'output' | 'input', name: string): string {
  const found = names.includes(name) ? [name] : names.filter((each) => each.includes(name))
  const [only, another] = found
  if (only !== undefined && another === undefined && name !== '') return only
  const nearest = nearestName(name, names)
  const hint = nearest === undefined ? {} : { hint: `Did you mean "${nearest}"?` }
  const [all, fitting] = [names.join(', '), found.join(', ')]
  const [missing, several] =
    what === 'output'
      ? [
          `There is no output "${name}"; the outputs are ${all}.`,
          `"${name}" could be any of the outputs ${fitting}.`,
        ]
      : [
          `There is no input "${name}"; the inputs are ${all}.`,
          `"${name}" could be any of the inputs ${fitting}.`,
        ]
  throw usageError(another === undefined ? missing : several, { where: name, ...hint })
}

function ofValue(solution: Solution, what: 'output' | 'input', given: string, by: Added): Extended {
  const { facts, relations, groups } = solution
  const { graph } = facts.model
  const declared = what === 'output' ? graph.outputs : requiredInputs(graph)
  const name = selectValue(
    declared.map((each) => each.name),
    what,
    given,
  )
  const label = what === 'output' ? `The output "${name}"` : `The input "${name}"`
  const more = parseAdded(by, name)
  const tails = (relations.axes.get(name) ?? []).flatMap((expression, axis): Candidate[] => {
    const tail = axis === 0 ? undefined : tailOf(solution.axes, expression)
    if (!tail || typeof facts.values.get(name)?.shape?.[axis] !== 'number') return []
    return [{ ...tail, axis, layers: layersAt(solution, what, tail.variable.id) }]
  })
  const chosen = choose(
    tails.filter(({ variable, layers }) => groups.isFree(variable.id) && layers.length > 0),
  )
  if (!chosen) {
    const [nearest] = [...tails].reverse().filter(({ layers }) => layers.length > 0)
    const reason = nearest && groups.whyFixed(nearest.variable.id)
    const because =
      reason ??
      (what === 'output'
        ? 'no layer computes one of its axes unit by unit'
        : 'no layer reads one of its axes unit by unit')
    throw refusedError(`${label} cannot be extended: ${because}.`, { where: name })
  }
  const { axis, layers, variable, offset, inner } = chosen
  if (more % inner !== 0)
    throw usageError(
      `${label} cannot get ${more} new entries: its entries come in groups of ${inner}.`,
      { where: name },
    )
  const from = sizeOf(solution, variable, layers, label)
  const names = layers.map(({ node }) => describeNode(node)).join(', ')
  const why =
    what === 'output'
      ? `axis ${axis} holds the units of ${names}`
      : `axis ${axis} is summed by ${names}`
  const id = what === 'input' ? name : layers[0]!.name
  return {
    what,
    variable: variable.id,
    id,
    from,
    to: from + more / inner,
    offset,
    label,
    name,
    axis,
    why,
  }
}

/** Layers whose units a variable counts; for an input, layers that sum over it with a weight. */
function layersAt({ axes, relations, groups }: Solution, what: string, variable: number) {
  if (what === 'output') return groups.layersOf(variable)
  const sums = relations.contractions.filter(({ axis }) => axes.leaves(axis).includes(variable))
  const nodes = new Set(sums.map(({ node }) => node))
  return relations.layers.filter(({ node }) => nodes.has(node))
}

/** Of several axes the channels of an image, else the last. */
function choose(candidates: readonly Candidate[]): Candidate | undefined {
  return candidates.length > 1 &&
    candidates[0]!.axis === 1 &&
    candidates.some(({ axis }) => axis >= 3)
    ? candidates[0]
    : candidates.at(-1)
}

function sizeOf(
  { axes }: Solution,
  { id }: AxisVariable,
  layers: readonly Layer[],
  label: string,
): number {
  const size = axes.sizeOfVariable(id) ?? layers[0]?.width
  if (typeof size === 'number') return size
  throw refusedError(`${label} cannot be extended: the model does not say the size of its axis.`)
}

// Tables ------------------------------------------------------------------------------------------

/** A layer that looks up rows of a table, or a node that takes the first of them. */
interface Table {
  readonly layer: LayerSite
  readonly variable: AxisVariable
  readonly rows: number
  /** Are the rows that are looked up those that an input of the graph names? */
  readonly isAsked: boolean
}

function tables(
  solution: Solution,
  what: 'vocabulary' | 'positions',
  wanted: Added | Readonly<Record<string, Added>>,
): readonly Extended[] {
  const all = tablesOf(solution)
  const named =
    typeof wanted === 'object' ? Object.entries(wanted) : ([[undefined, wanted]] as const)
  return named
    .flatMap(([name, by]) => {
      const asked = what === 'vocabulary'
      const own = all.filter(({ isAsked }) => isAsked === asked)
      const layer =
        name === undefined
          ? undefined
          : selectLayer(
              all.map((each) => each.layer),
              name,
            )
      const rows = Math.max(...own.map((table) => table.rows))
      const chosen =
        name === undefined
          ? own.filter((table) => table.rows === rows)
          : all.filter((table) => table.layer === layer)
      const [first] = chosen
      if (!first)
        throw refusedError(
          asked
            ? 'The model has no vocabulary: no layer looks up rows of a table by numbers that an input gives.'
            : 'The model has no learned table of positions: no layer looks up rows of a table by numbers that it computes itself, and none is cut to the length of an input.',
        )
      const more = parseAdded(by, first.layer.name)
      const label = `The table of ${describeNode(first.layer.node)}`
      if (!asked) mustBeOpen(solution, first, label)
      const id = first.layer.name
      const common = { what, id, from: first.rows, to: first.rows + more, offset: 0 }
      const found = chosen.map(
        ({ variable, layer: { node } }): Extended => ({
          ...common,
          variable: variable.id,
          label: `The table of ${describeNode(node)}`,
        }),
      )
      return asked ? [...found, ...logits(solution, first, common)] : found
    })
    .map((each) => mustBeFree(solution, each))
}

function mustBeFree({ groups }: Solution, extended: Extended): Extended {
  const reason = groups.whyFixed(extended.variable)
  if (reason === undefined) return extended
  throw refusedError(`${extended.label} cannot be extended: ${reason}.`, { where: extended.label })
}

function tablesOf(solution: Solution): readonly Table[] {
  const { facts, relations, axes } = solution
  const given = fromInputs(solution)
  const lookups = relations.layers.flatMap((layer): Table[] => {
    const { node } = layer
    const positions = facts.operatorOf(node)?.reads?.positions
    if (!positions) return []
    const reading = facts.readingAt(node, positions.of)
    const own =
      (reading && relations.readings.get(reading)?.axes) ??
      relations.axes.get(node.inputs[positions.of] ?? '')
    const looked = own?.[positions.axis(node, own.length)]
    const variable = looked && axes.expand(looked)
    if (variable?.kind !== 'variable' || typeof variable.size !== 'number') return []
    const isAsked = given.has(node.inputs[positions.input] ?? '')
    return [{ layer, variable, rows: variable.size, isAsked }]
  })
  return [...lookups, ...cutTables(solution)]
}

/** Tables of which a node takes as many rows as a sequence is long: appended ones are behind these. */
function cutTables({ facts, relations, axes }: Solution): readonly Table[] {
  const { nodes } = facts.model.graph
  const open = new Map<Node, Set<number>>()
  for (const { at, variable, extends: kind } of axes.sources) {
    const node = nodes[at]
    if (kind !== 'entries' || !node || !movesElements(facts.operatorOf(node))) continue
    const leaves = axes.leaves({ kind: 'variable', id: variable, size: null })
    open.set(node, new Set([...(open.get(node) ?? []), ...leaves]))
  }
  return [...open].flatMap(([node, variables]): Table[] => {
    const reading = facts.readingAt(node, 0)
    const own = (reading && relations.readings.get(reading)?.axes) ?? []
    return own.flatMap((axis, widthAxis): Table[] => {
      const variable = axes.expand(axis)
      if (!reading || variable.kind !== 'variable' || !variables.has(variable.id)) return []
      if (typeof variable.size !== 'number' || !isFloat(reading.tensor.dtype)) return []
      const module = moduleName(node)
      const layer: LayerSite = {
        node,
        name: nodeLabel(node),
        ...(module !== undefined && { module }),
        operator: facts.operatorOf(node)!,
        weight: reading.name,
        weightDims: reading.tensor.dims,
        weightInput: 0,
        widthAxis,
      }
      return [{ layer, variable, rows: variable.size, isAsked: false }]
    })
  })
}

/** The inputs of the graph, and what holds their elements. */
function fromInputs({ facts }: Solution): ReadonlySet<string> {
  const { graph } = facts.model
  const reached = new Set(graph.inputs.map(({ name }) => name))
  for (const node of graph.nodes) {
    const isMoved = movesElements(facts.operatorOf(node))
    if (isMoved && reached.has(node.inputs[0] ?? ''))
      for (const name of node.outputs) reached.add(name)
  }
  return reached
}

/** Axes of outputs that have an entry for each token. */
function logits(
  { facts, relations, axes, groups }: Solution,
  table: Table,
  common: Pick<Extended, 'what' | 'id' | 'from' | 'to' | 'offset'>,
): readonly Extended[] {
  return facts.model.graph.outputs.flatMap(({ name }) =>
    (relations.axes.get(name) ?? []).flatMap((expression, axis): Extended[] => {
      const variable = axes.expand(expression)
      const isOverTokens =
        variable.kind === 'variable' &&
        variable.size === table.rows &&
        axis > 0 &&
        groups.layersOf(variable.id).length > 0
      if (!isOverTokens) return []
      const label = `The output "${name}" (axis ${axis})`
      const why = `axis ${axis} has an entry for each of the ${table.rows} rows of ${describeNode(table.layer.node)}`
      return [{ ...common, variable: variable.id, label, name, axis, why }]
    }),
  )
}

/** Are the positions computed from the length of an input, which may be any? Does nothing else hold one entry for each? */
function mustBeOpen({ facts, relations }: Solution, { layer, rows }: Table, label: string): void {
  const refuse = (reason: string) => {
    throw refusedError(`${label} cannot be extended: ${reason}.`, {
      where: describeNode(layer.node),
    })
  }
  const positions = facts.operatorOf(layer.node)?.reads?.positions
  const asked = positions && (layer.node.inputs[positions.input] ?? '')
  if (asked !== undefined && facts.provenance(asked).kind !== 'activation')
    refuse(
      'its positions are written down in the model, whose declared length does not follow from the table',
    )
  for (const [{ node, name, tensor }] of relations.readings) {
    const isOther =
      node !== layer.node && name !== layer.weight && movesElements(facts.operatorOf(node))
    if (isOther && tensor.dims.includes(rows))
      refuse(
        `${describeNode(node)} takes a part of "${name}", which has ${rows} entries as well and does not follow`,
      )
  }
}
