/**
 * Inferred shapes, types and elements against the true outputs of the ONNX backend tests (Debian's
 * libonnx-testdata). Each case is asked three ways: with the declared input shapes, with every
 * input dimension replaced by a symbol, and with the small integer inputs known (shapes, axes).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fromBinary } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import type { Dim, Graph, Initializer, Model, Shape } from '../src/model/model.ts'
import { decodeModel } from '../src/onnx/decode.ts'
import { type TensorProto, TensorProtoSchema } from '../src/onnx/onnx_pb.ts'
import { inferModel } from '../src/operators/inference.ts'
import { operatorOf } from '../src/operators/table.ts'
import { dtypeFromCode } from '../src/tensor/dtype.ts'
import { float32, int64 } from '../src/tensor/tensor.ts'

const root = '/usr/share/libonnx-testdata/data'
const suites = ['node', 'simple', 'pytorch-operator', 'pytorch-converted']

interface Case {
  readonly name: string
  readonly model: Model
  /** By value name; undefined for sequences and the like. */
  readonly inputs: ReadonlyMap<string, TensorProto | undefined>
  readonly outputs: ReadonlyMap<string, TensorProto | undefined>
}

const isKnown = (model: Model) =>
  model.graph.nodes.every((node) => typeof operatorOf(node)?.infer === 'function')

function readTensors(folder: string, kind: 'input' | 'output', names: readonly string[]) {
  return new Map(
    names.map((name, i) => {
      const file = `${folder}/${kind}_${i}.pb`
      return [
        name,
        existsSync(file) ? fromBinary(TensorProtoSchema, readFileSync(file)) : undefined,
      ]
    }),
  )
}

function readCases(): { cases: readonly Case[]; unknown: readonly string[] } {
  const cases: Case[] = []
  const unknown: string[] = []
  for (const suite of suites)
    for (const entry of readdirSync(`${root}/${suite}`).sort()) {
      const folder = `${root}/${suite}/${entry}`
      if (!existsSync(`${folder}/test_data_set_0/output_0.pb`)) continue
      const model = decodeModel(readFileSync(`${folder}/model.onnx`))
      const name = `${suite}/${entry}`
      if (!isKnown(model)) {
        unknown.push(name)
        continue
      }
      const { graph } = model
      const isTensor = (value: Graph['inputs'][number]) => value.type.kind === 'tensor'
      if (![...graph.inputs, ...graph.outputs].every(isTensor)) continue
      const names = (values: Graph['inputs']) => values.map((value) => value.name)
      const data = `${folder}/test_data_set_0`
      cases.push({
        name,
        model,
        inputs: readTensors(data, 'input', names(graph.inputs)),
        outputs: readTensors(data, 'output', names(graph.outputs)),
      })
    }
  return { cases, unknown }
}

const dimsOf = (proto: TensorProto) => proto.dims.map(Number)

/** The declared type: the files hold bfloat16 as uint16, since NumPy has no such type. */
function declaredType({ model }: Case, name: string) {
  const type = model.graph.outputs.find((output) => output.name === name)?.type
  return type?.kind === 'tensor' ? type.dtype : undefined
}

/** The elements of an int64 tensor. */
function valuesOf(proto: TensorProto): readonly number[] | undefined {
  const dtype = dtypeFromCode(proto.dataType ?? 0)
  if (dtype !== 'int64') return undefined
  if (proto.int64Data.length > 0) return proto.int64Data.map(Number)
  const bytes = Uint8Array.from(proto.rawData ?? [])
  return Array.from(new BigInt64Array(bytes.buffer), Number)
}

/** The model without anything that declares its intermediate and final types. */
function undeclared(model: Model, change: (graph: Graph) => Graph = (graph) => graph): Model {
  const opaque = model.graph.outputs.map(({ name }) => ({
    name,
    type: { kind: 'opaque' } as const,
  }))
  return { ...model, graph: change({ ...model.graph, outputs: opaque, values: [] }) }
}

/** Every dimension of every fed input becomes a symbol; equal sizes may get different ones. */
function symbolic({ model, inputs }: Case): { model: Model; sizes: ReadonlyMap<string, number> } {
  const sizes = new Map<string, number>()
  const changed = undeclared(model, (graph) => ({
    ...graph,
    inputs: graph.inputs.map((input) => {
      const proto = inputs.get(input.name)
      if (input.type.kind !== 'tensor' || !proto || graph.initializers.has(input.name)) return input
      const shape = dimsOf(proto).map((size, k): Dim => {
        // A size of one stays: broadcasting treats it differently.
        if (size === 1) return 1
        const symbol = `${input.name}.${k}`
        sizes.set(symbol, size)
        return symbol
      })
      return { ...input, type: { ...input.type, shape } }
    }),
  }))
  return { model: changed, sizes }
}

const floatsOf = (proto: TensorProto) =>
  proto.floatData.length > 0
    ? proto.floatData
    : Array.from(new Float32Array(Uint8Array.from(proto.rawData ?? []).buffer))

/** int64 inputs, and the scales of Resize, become initializers, as in exported models. */
function withKnownIntegers({ model, inputs }: Case): Model {
  return undeclared(model, (graph) => {
    const initializers = new Map<string, Initializer>(graph.initializers)
    for (const [name, proto] of inputs) {
      const values = proto && valuesOf(proto)
      if (values) initializers.set(name, { tensor: int64(values, dimsOf(proto)) })
      if (proto && name === 'scales')
        initializers.set(name, { tensor: float32(dimsOf(proto), floatsOf(proto)) })
    }
    return { ...graph, initializers }
  })
}

/** A symbol, or a product such as `8*batch`. Declared shapes have no symbols of their own. */
const sizeOfSymbol = (symbol: string, sizes?: ReadonlyMap<string, number>) =>
  symbol.split('*').reduce((product, factor) => product * (sizes?.get(factor) ?? Number(factor)), 1)

function expectAgreement(
  found: Shape | undefined,
  truth: readonly number[],
  sizes?: ReadonlyMap<string, number>,
) {
  if (found === undefined) return
  expect(found.length, 'rank').toBe(truth.length)
  const values = found.map((dim, k) =>
    dim === null ? truth[k] : typeof dim === 'string' ? sizeOfSymbol(dim, sizes) : dim,
  )
  expect(values).toEqual(truth)
}

/** Outputs whose shape depends on values that are computed when the graph runs. */
const dependsOnData = new Set([
  'NonZero',
  'NonMaxSuppression',
  'Range',
  'ConstantOfShape',
  'OneHot',
  'Loop',
  'Unique',
  'Compress',
])

/** A diagonal, `ii`: the rule leaves it open. */
const leftOpen = new Set(['node/test_einsum_batch_diagonal'])

const available = existsSync(root)
const { cases, unknown } = available ? readCases() : { cases: [], unknown: [] }

const byOperator = new Map<string, Case[]>()
for (const each of cases) {
  const types = new Set(each.model.graph.nodes.map((node) => node.opType))
  const key = types.size === 1 ? [...types][0]! : 'several operators'
  byOperator.set(key, [...(byOperator.get(key) ?? []), each])
}
const table = [...byOperator].sort(([a], [b]) => (a < b ? -1 : 1))

describe.skipIf(!available)(
  `inference on ${cases.length} ONNX backend cases (${unknown.length} more use operators without an infer rule)`,
  () => {
    it.each(table.map(([key, list]) => ({ key, list, count: list.length })))(
      '$key ($count cases)',
      ({ list }) => {
        for (const each of list) {
          const { model, sizes } = symbolic(each)
          const views = [
            { what: 'declared inputs', values: inferModel(undeclared(each.model)) },
            { what: 'symbolic inputs', values: inferModel(model), sizes },
            { what: 'known integers', values: inferModel(withKnownIntegers(each)) },
          ]
          for (const { what, values, sizes: symbols } of views)
            for (const [name, proto] of each.outputs) {
              if (!proto || name === '') continue
              const info = values.get(name)
              const where = `${each.name}, ${what}, output ${name}`
              expect(info?.dtype, where).toBe(declaredType(each, name))
              try {
                expectAgreement(info?.shape, dimsOf(proto), symbols)
              } catch (cause) {
                throw new Error(`${where}: inferred [${info?.shape}], true [${dimsOf(proto)}]`, {
                  cause,
                })
              }
              const truth = info?.elements && valuesOf(proto)
              if (truth)
                expect(
                  info.elements!.map((e, k) =>
                    typeof e === 'string' ? sizeOfSymbol(e, symbols) : (e ?? truth[k]),
                  ),
                  `elements of ${where}`,
                ).toEqual(truth)
              const complete = info?.shape?.every((dim) => typeof dim === 'number') ?? false
              const free =
                leftOpen.has(each.name) ||
                each.model.graph.nodes.some((node) => dependsOnData.has(node.opType))
              if (what === 'known integers' && !free && each.name.startsWith('node/'))
                expect(complete, `${where}: [${info?.shape}] is complete`).toBe(true)
            }
        }
      },
    )

    it('covers the supported part of the suite', () => {
      expect(cases.length).toBeGreaterThan(800)
    })
  },
)
