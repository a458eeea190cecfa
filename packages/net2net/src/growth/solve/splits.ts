/**
 * Who is split along a variable that computed values are contracted over.
 *
 * Where a constant is contracted with an activation, the constant takes the split coefficients α and the
 * activation is copied; where the weight is computed from constants, some of these are split, if
 * they can be. In a sum of products of two computed values, Σ_u q_u·k_u (attention's scores), one of
 * the two must be split, α_i·q, and the other copied: Σ_i (α_i·q)·k = q·k. A plain sum of a
 * computed value needs it split. A value is split if the constants that it is
 * computed from are, and if every node on the way passes positive factors on (`scaling`);
 * every other reader of the value must bear them too.
 *
 * So each part (tensor-parts.ts) of each value is either copied or split, and nodes relate the parts of
 * their inputs to those of their outputs. Parts are copied unless a contraction needs otherwise; from there
 * the relations are followed (split-rules.ts), and where they leave a choice (which factor of a product) one
 * way is tried after the other (split-search.ts).
 *
 * Quantized weights are integers, which have no parts: where nothing else can be split, the first copy of a unit takes
 * all of them and the others take zeros.
 *
 * Along the way from such a constant to the contraction everything that is linear also passes on noise that
 * sums to zero over the copies: Σ_i (α_i·q + ε_i)·k = q·k + (Σ_i ε_i)·k.
 */
import type { Axis } from '../../operators/contract/axis.ts'
import type { FixedSource, SolvedAxes } from './axis-system.ts'
import type { Facts, Reading } from './facts.ts'
import type { Reasons } from './fixed.ts'
import type { Relations } from './relate.ts'
import { isOpen, type OpenContraction, SplitRules, SplittingGraph } from './split-rules.ts'
import { type Found, searchSplits } from './split-search.ts'
import type { TensorParts } from './tensor-parts.ts'

/** What constants are split along, beside their contracted axes. */
export interface Splits {
  /** An axis of a reading with the variables marked that it is split along, if there are any. */
  axisOf(reading: Reading, k: number): Axis | undefined
  /** May constants that are split along this variable also get noise? */
  allowsNoise(variable: number): boolean
}

/** Decides for every variable that is free; the others never grow. */
export function assignSplits(
  facts: Facts,
  axes: SolvedAxes,
  relations: Relations,
  reasons: Reasons,
): { readonly splits: Splits; readonly refused: readonly FixedSource[] } {
  const byVariable = new Map<number, OpenContraction[]>()
  for (const contraction of relations.contractions)
    if (isOpen(contraction))
      for (const variable of axes.leaves(contraction.axis)) {
        if (reasons[variable]) continue
        const known = byVariable.get(variable)
        if (known) known.push(contraction)
        else byVariable.set(variable, [contraction])
      }
  if (byVariable.size === 0) return { splits: none, refused: [] }
  const graph = new SplittingGraph(facts, axes, relations)
  const positions = new Map(facts.model.graph.nodes.map((node, at) => [node, at]))
  const splits = new FoundSplits(graph.parts, relations)
  const refused: FixedSource[] = []
  for (const [variable, contractions] of byVariable) {
    const inParts = searchSplits(new SplitRules(graph, variable, false), contractions)
    const inWhole =
      'reason' in inParts
        ? searchSplits(new SplitRules(graph, variable, true), contractions)
        : inParts
    const found = 'reason' in inWhole ? inParts : inWhole
    if ('reason' in found)
      refused.push({
        variable: axes.originOf(found.contraction.axis, variable),
        reason: found.reason,
        at: positions.get(found.node)!,
      })
    else splits.add(variable, found)
  }
  return { splits, refused }
}

const none: Splits = { axisOf: () => undefined, allowsNoise: () => true }

class FoundSplits implements Splits {
  readonly #parts: TensorParts
  readonly #relations: Relations
  readonly #prefixes = new Map<Reading, Map<number, Set<string>>>()
  /** Variables whose factors pass through nodes that are not linear. */
  readonly #bent = new Set<number>()

  constructor(parts: TensorParts, relations: Relations) {
    this.#parts = parts
    this.#relations = relations
  }

  add(variable: number, { isSplit, isLinear }: Found): void {
    if (!isLinear) this.#bent.add(variable)
    for (const [{ constant, axis }, split] of isSplit) {
      if (!constant || !split || axis === undefined) continue
      const axes = this.#prefixes.get(constant.reading) ?? new Map<number, Set<string>>()
      this.#prefixes.set(constant.reading, axes)
      axes.set(axis, (axes.get(axis) ?? new Set()).add(constant.prefix))
    }
  }

  axisOf(reading: Reading, k: number): Axis | undefined {
    const prefixes = this.#prefixes.get(reading)?.get(k)
    const axis = this.#relations.readings.get(reading)?.axes[k]
    return prefixes && axis && this.#parts.marked(axis, prefixes)
  }

  allowsNoise(variable: number): boolean {
    return !this.#bent.has(variable)
  }
}
