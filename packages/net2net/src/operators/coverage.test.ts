/** Nothing that an operator declares is left untested: a rule without a case fails here. */
import { describe, expect, it } from 'vitest'
import { allCases, caseKey, nodeCases } from '../../testing/all-cases.ts'
import { networkOf } from '../../testing/bench.ts'
import type { Cases } from '../../testing/cases.ts'
import { inputError, Net2NetError } from '../errors.ts'
import { type Dim, type Model, type Node, opsetOf } from '../model/model.ts'
import type { AxesContext } from './contract/axes.ts'
import { type Axis, sizeOf } from './contract/axis.ts'
import { elementsOf } from './helpers/elements.ts'
import { inferModel } from './inference.ts'
import { operatorOf, operators } from './table.ts'

const keyed = operators.map((operator) => ({ key: caseKey(operator), operator }))

/** Layers of which no other of their kind computes the identity. */
const withoutIdentity = new Set(['Gather', 'LSTM', 'GRU', 'RNN'])

describe('every operator', () => {
  it.each(keyed)('$key has a case for each rule that it declares', ({ key, operator }) => {
    const cases: Cases = allCases.get(key) ?? {}
    const growth = cases.growth ?? []
    const { layer } = operator.growth ?? {}
    const declared: readonly (readonly [what: string, declared: boolean, tested: boolean])[] = [
      ['a gradient', typeof operator.gradient === 'function', nodeCases(cases).length > 0],
      ['a growth', typeof operator.axes === 'function', growth.some((each) => !each.deepened)],
      [
        'a deepening',
        layer !== undefined && !withoutIdentity.has(key),
        growth.some((each) => each.deepened),
      ],
    ]
    const missing = declared.filter(([, is, tested]) => is && !tested).map(([what]) => what)
    expect(missing, `${key} lacks ${missing.join(', ')} case`).toEqual([])
  })

  it('is in the table, where there are cases of it', () => {
    const known = new Set(keyed.map(({ key }) => key))
    expect([...allCases.keys()].filter((key) => !known.has(key))).toEqual([])
  })
})

/** The inputs whose axes a node's rule asks for; undefined where the rule gives the node up. */
function askedAxes(model: Model, node: Node): ReadonlySet<number> | undefined {
  const values = inferModel(model)
  const info = (name: string | undefined) => values.get(name ?? '') ?? {}
  const asked = new Set<number>()
  let units = 0
  const unit = (size: Dim): Axis => ({ kind: 'variable', id: units++, size })
  const context: AxesContext = {
    node,
    opset: opsetOf(model, node.domain),
    has: (i) => (node.inputs[i] ?? '') !== '',
    dtype: (i) => info(node.inputs[i]).dtype,
    shape: (i) => info(node.inputs[i]).shape,
    elements: (i) => elementsOf(info(node.inputs[i])),
    constant: (i) => info(node.inputs[i]).constant,
    output: (k) => info(node.outputs[k]),
    isParameter: (i) => info(node.inputs[i]).constant !== undefined,
    axes: (i, rank = 0) => {
      asked.add(i)
      return (info(node.inputs[i]).shape ?? Array<null>(rank).fill(null)).map(unit)
    },
    axisElements: (i) =>
      elementsOf(info(node.inputs[i]))?.map((value) =>
        typeof value === 'number' ? { kind: 'value', value } : { kind: 'unknown' },
      ),
    unit,
    fixed: unit,
    unify: (a) => a,
    contract: (factors) => {
      for (const each of factors) if ('input' in each) asked.add(each.input)
    },
    selectEntry: () => {},
    fix: () => {},
    balanced: () => {},
    slice: (_axis, start, end) => unit(end - start),
    regroup: (_axes, sizes) =>
      sizes.map((size) => unit(typeof size === 'object' && size !== null ? sizeOf(size) : size)),
    sizeElement: () => {},
    sizeAttribute: () => {},
    defaultAttribute: () => {},
    attends: () => {},
    listsPositions: () => {},
    refuse: (reason) => {
      throw inputError(reason)
    },
  }
  const rule = operatorOf(node)?.axes
  if (typeof rule !== 'function') return undefined
  try {
    rule(context)
  } catch (error) {
    if (!(error instanceof Net2NetError)) throw error
    return undefined
  }
  return asked
}

describe('the inputs that an operator reads as numbers', () => {
  const networks = [...allCases.values()].flatMap(({ growth = [] }) => growth.map(networkOf))

  it('are the constants whose axes its rule does not ask for', () => {
    const wrong = new Set<string>()
    for (const model of networks)
      for (const node of model.graph.nodes) {
        const asked = askedAxes(model, node)
        const { numbers = [] } = operatorOf(node)?.reads ?? {}
        node.inputs.forEach((name, i) => {
          if (!asked || !model.graph.initializers.has(name)) return
          if (asked.has(i) === numbers.includes(i)) wrong.add(`${node.opType} ${i}`)
        })
      }
    expect([...wrong].sort()).toEqual([])
  })
})
