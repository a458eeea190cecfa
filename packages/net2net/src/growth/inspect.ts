/** What a model consists of, and what of it can grow. */
import { classesOf } from '../model/classes.ts'
import { growthHistoryOf, type RememberedGrowth } from '../model/growth-history.ts'
import { linksOf } from '../model/links.ts'
import {
  type Dim,
  type Model,
  opsetOf,
  requiredInputs,
  type ValueDeclaration,
} from '../model/model.ts'
import { nodeLabel } from '../model/names.ts'
import { countParameters } from '../operators/model-size.ts'
import { separateConstants } from '../operators/shared-constants.ts'
import { type LeftConstant, trainableConstants } from '../operators/trainable.ts'
import { deepenRefusal } from './plan/deepen.ts'
import { axesOf, type Measure } from './plan/sized-axes.ts'
import { type Attention, attentionsOf } from './solve/attentions.ts'
import { type Solution, solutionOf } from './solve/index.ts'

export interface Inspection {
  readonly inputs: readonly InspectedValue[]
  readonly outputs: readonly InspectedValue[]
  readonly parameters: number
  readonly opset: number
  /** Names of the classes that the model tells apart, where its file has them. */
  readonly classes?: readonly string[]
  /** How it grew while it was trained, from the first growth to the last. */
  readonly growths?: readonly RememberedGrowth[]
  readonly layers: readonly InspectedLayer[]
  /** Attention, of one operator or of several, which can be widened by heads and by their size. */
  readonly attentions: readonly InspectedAttention[]
  /** What a training changes: each under the name that `freeze` and `trainOnly` take. */
  readonly trainable: readonly InspectedParameter[]
  /** Constants that could be taken for parameters and are not trained, and why. */
  readonly untrained: readonly LeftConstant[]
}

export interface InspectedParameter {
  readonly name: string
  readonly shape: readonly number[]
  /** The nodes that read it. */
  readonly readBy: readonly string[]
}

export interface InspectedValue {
  readonly name: string
  readonly dtype: string | null
  readonly shape: readonly Dim[] | null
}

export interface InspectedLayer {
  readonly name: string
  /** The module's name in the framework that wrote the file, where it says that. */
  readonly module?: string
  readonly op: string
  readonly width: number | null
  /** true, or why not. */
  readonly widen: true | string
  readonly deepen: true | string
  /** The other layers that grow with it. */
  readonly group: readonly string[]
}

export interface InspectedAttention {
  /** What its layers' names have in common: `widen` takes NAME.heads, NAME.key-value-heads and NAME.head-size. */
  readonly name: string
  readonly heads: number | null
  /** Fewer than the heads where groups of these share keys and values. */
  readonly keyValueHeads: number | null
  /** Of queries and keys. */
  readonly headSize: number | null
  /** Of values. */
  readonly valueSize: number | null
  /** For each of the three that `widen` takes: true, or why not. */
  readonly widen: Readonly<Record<'heads' | 'keyValueHeads' | 'headSize', true | string>>
  /** The layers that write queries, keys and values. */
  readonly layers: readonly string[]
}

/** A size that only inference named is not known. */
const unnamed = (dim: Dim): Dim => (typeof dim === 'string' && dim.includes('?') ? null : dim)

/**
 * Layers, their widths, and what can be widened or deepened, or why not. Plain JSON.
 *
 * @param from A model, or what has been solved of it.
 */
export function inspect(from: Model | Solution): Inspection {
  const solution = solutionOf(from)
  const { facts, relations, groups } = solution
  const { model } = facts
  const describe = ({ name, type }: ValueDeclaration): InspectedValue => {
    const info = facts.values.get(name)
    const declared = type.kind === 'tensor' ? type : undefined
    return {
      name,
      dtype: declared?.dtype ?? info?.dtype ?? null,
      shape: declared?.shape ?? info?.shape?.map(unnamed) ?? null,
    }
  }
  const names = new Map<number, readonly string[]>()
  const namesOf = (variable: number): readonly string[] => {
    const known = names.get(variable) ?? groups.layersOf(variable).map((layer) => layer.name)
    names.set(variable, known)
    return known
  }
  const layers = relations.layers.map((layer): InspectedLayer => {
    const [first, ...others] = groups.freeVariables(layer.axis).map(namesOf)
    const members = others.length === 0 ? (first ?? []) : [...new Set([first!, ...others].flat())]
    return {
      name: layer.name,
      ...(layer.module !== undefined && { module: layer.module }),
      op: layer.node.opType,
      width: layer.width,
      widen: groups.refusal(layer) ?? true,
      deepen: deepenRefusal(facts, layer) ?? true,
      group: members.filter((name) => name !== layer.name),
    }
  })
  const classes = classesOf(model)
  const growths = growthHistoryOf(model)
  return {
    inputs: requiredInputs(model.graph).map(describe),
    outputs: model.graph.outputs.map(describe),
    parameters: countParameters(model),
    opset: opsetOf(model),
    ...(classes ? { classes } : {}),
    ...(growths.length > 0 ? { growths } : {}),
    layers,
    attentions: attentionsOf(solution).map((each) => describeAttention(solution, each)),
    ...inspectParameters(model),
  }
}

function describeAttention(solution: Solution, attention: Attention): InspectedAttention {
  const { axes } = solution
  const answer = (measure: Measure) =>
    axesOf(solution, attention, measure).find(({ refusal }) => refusal !== undefined)?.refusal ??
    true
  return {
    name: attention.name,
    heads: axes.sizeOf(attention.heads),
    keyValueHeads: axes.sizeOf(attention.keyValueHeads),
    headSize: axes.sizeOf(attention.headSize),
    valueSize: axes.sizeOf(attention.valueSize),
    widen: {
      heads: answer('heads'),
      keyValueHeads: answer('key-value-heads'),
      headSize: answer('head-size'),
    },
    layers: attention.layers.map(({ name }) => name),
  }
}

function inspectParameters(model: Model): Pick<Inspection, 'trainable' | 'untrained'> {
  const separate = separateConstants(model)
  const { parameters, possible, left } = trainableConstants(separate)
  const { uses } = linksOf(separate.graph)
  return {
    trainable: parameters.map((name) => ({
      name,
      shape: possible.get(name)!.dims,
      readBy: [...new Set((uses.get(name) ?? []).map(({ node }) => nodeLabel(node)))],
    })),
    untrained: left,
  }
}
