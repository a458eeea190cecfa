import { describe, expect, test } from 'vitest'
import { type AttributeLike, float } from '../model/attributes.ts'
import { GraphBuilder, modelOf } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { decodeModel } from '../onnx/decode.ts'
import { encodeModel } from '../onnx/encode.ts'
import { randomStream } from '../tensor/random.ts'
import { elementCount, float32, int64, Tensor } from '../tensor/tensor.ts'
import { separateConstants } from './shared-constants.ts'
import { trainableConstants } from './trainable.ts'

const KIND = 'pkg.torch.export.graph_signature.InputSpec.kind'
const FOLDED = 'pkg.onnxscript.optimizer.folded_from'
const SCOPES = 'pkg.torch.onnx.name_scopes'
const CALL = 'pkg.torch.onnx.fx_node'

const random = randomStream(0, 'trainable')
const normal = (...dims: number[]): Tensor =>
  float32(
    dims,
    Float32Array.from({ length: elementCount(dims) }, () => random.normal()),
  )
const filled = (value: number, ...dims: number[]): Tensor =>
  float32(dims, new Float32Array(elementCount(dims)).fill(value))

type Step = readonly [
  op: string,
  inputs: readonly string[],
  output: string,
  attributes?: Readonly<Record<string, AttributeLike>>,
  scopes?: string,
  /** The call of the program, as the exporter notes it. */
  call?: string,
]

/** A model of x, float32 [2, 6, 8], or of token ids; `marks` is metadata by the name of a constant. */
function modelWith(
  constants: Readonly<Record<string, Tensor>>,
  steps: readonly Step[],
  marks: Readonly<Record<string, Readonly<Record<string, string>>>> = {},
): Model {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', ['batch', 6, 8])
  builder.input('ids', 'int64', ['batch', 6])
  for (const [name, tensor] of Object.entries(constants)) builder.initializer(name, tensor)
  for (const [op, inputs, output, attributes = {}] of steps)
    builder.nodeOutputs(op, inputs, attributes, { outputs: [output] })
  builder.output(steps.at(-1)![2], 'float32')
  const model = modelOf(builder.graph())
  const nodes = model.graph.nodes.map((node, i) => {
    const [, , , , scopes, call] = steps[i]!
    if (scopes === undefined) return node
    const notes = new Map([[SCOPES, scopes]])
    return { ...node, metadata: call === undefined ? notes : notes.set(CALL, call) }
  })
  const values = Object.entries(marks).map(([name, entries]) => ({
    name,
    type: { kind: 'tensor' as const, dtype: 'float32' as const, shape: constants[name]!.dims },
    metadata: new Map(Object.entries(entries)),
  }))
  // What exporters note survives a file.
  return decodeModel(encodeModel({ ...model, graph: { ...model.graph, nodes, values } }))
}

const parametersOf = (model: Model) => [...trainableConstants(model).parameters].sort()

describe('marked files', () => {
  const parameter = { [KIND]: 'PARAMETER' }
  const buffer = { [KIND]: 'BUFFER' }

  test('parameters are trained, whatever they look like, and buffers are not', () => {
    const model = modelWith(
      {
        w: normal(8, 8),
        scale: filled(1),
        table: normal(8, 8),
        ones: filled(1, 8),
        eps: filled(2),
      },
      [
        ['MatMul', ['x', 'w'], 'a'],
        ['MatMul', ['a', 'table'], 'b'],
        ['Mul', ['b', 'scale'], 'c'],
        ['Mul', ['c', 'ones'], 'd'],
        ['Add', ['d', 'eps'], 'y'],
      ],
      { w: parameter, scale: parameter, table: buffer },
    )
    expect(parametersOf(model)).toEqual(['scale', 'w'])
  })

  test('what the exporter made of a weight or a bias is trained, and what it made of others is named', () => {
    const model = modelWith(
      { w: normal(8, 8), val_1: normal(8), val_2: normal(6, 6), val_3: filled(0.5) },
      [
        ['MatMul', ['x', 'w'], 'a'],
        ['Mul', ['a', 'val_1'], 'b'],
        ['Transpose', ['b'], 'bt', { perm: [0, 2, 1] }],
        ['MatMul', ['b', 'bt'], 'scores'],
        ['Add', ['scores', 'val_2'], 'c'],
        ['Mul', ['c', 'val_3'], 'd'],
        ['Softmax', ['d'], 'y', { axis: -1 }],
      ],
      {
        w: parameter,
        val_1: { [FOLDED]: "['gn.weight', 'val_0']" },
        val_2: { [FOLDED]: "['attn.biases', 'attn.index']" },
        val_3: { [FOLDED]: "['logit_scale', 'b']" },
      },
    )
    expect(parametersOf(model)).toEqual(['val_1', 'w'])
    const left = new Map(
      trainableConstants(model).left.map(({ name, reason }) => [name, reason] as const),
    )
    expect(left.get('val_2')).toContain('attn.biases')
    expect(left.get('val_3')).toMatch(/from logit_scale$/)
  })

  test('ones and zeros in the place of a scale and a shift stay', () => {
    const model = modelWith(
      { w: normal(8, 8), clone: filled(1, 8), zeros: filled(0, 8), 'n.weight': filled(1, 8) },
      [
        ['MatMul', ['x', 'w'], 'a'],
        ['LayerNormalization', ['a', 'clone', 'zeros'], 'b'],
        ['LayerNormalization', ['b', 'n.weight', 'zeros'], 'y'],
      ],
      { w: parameter },
    )
    // A layer that growth inserted has no marks, and a name of its own.
    expect(parametersOf(model)).toEqual(['n.weight', 'w'])
  })
})

describe('files without marks', () => {
  test('weights, biases, scales and tables of positions are trained; masks and scalars are not', () => {
    const mask = float32(
      [6, 6],
      Array.from({ length: 36 }, (_, i) => (i % 6 > i / 6 ? -1e9 : 0)),
    )
    const sines = float32(
      [1, 6, 8],
      Array.from({ length: 48 }, (_, i) => {
        const angle = Math.floor(i / 8) / 10 ** ((i % 8) >> 1)
        return i % 2 ? Math.cos(angle) : Math.sin(angle)
      }),
    )
    const model = modelWith(
      {
        embedding: normal(20, 8),
        positions: normal(1, 6, 8),
        sines,
        mask,
        w: normal(8, 8),
        bias: normal(8),
        scale: filled(1, 8),
        temperature: filled(0.3),
        'onnx::Mul_1': normal(8),
        half: filled(0.5, 1),
      },
      [
        ['Gather', ['embedding', 'ids'], 'e'],
        ['Add', ['e', 'positions'], 'p'],
        ['Add', ['p', 'sines'], 's'],
        ['MatMul', ['s', 'w'], 'q'],
        ['Transpose', ['q'], 'k', { perm: [0, 2, 1] }],
        ['MatMul', ['q', 'k'], 'scores'],
        ['Mul', ['scores', 'half'], 'halved'],
        ['Add', ['halved', 'mask'], 'masked'],
        ['Softmax', ['masked'], 'a', { axis: -1 }],
        ['MatMul', ['a', 'q'], 'v'],
        ['Mul', ['v', 'scale'], 'm'],
        ['Mul', ['m', 'onnx::Mul_1'], 'n'],
        ['Add', ['n', 'bias'], 'o'],
        ['Mul', ['o', 'temperature'], 'y'],
      ],
    )
    expect(parametersOf(model)).toEqual(['bias', 'embedding', 'positions', 'scale', 'w'])
    const left = trainableConstants(model).left.map(({ name }) => name)
    expect(left).toContain('temperature')
    expect(left).not.toContain('mask')
  })

  test('what TensorFlow names as read from a variable is trained, whatever it looks like', () => {
    const names = [
      'value/add/ReadVariableOp:0',
      'mix/ReadVariableOp_1:0',
      't/ReadVariableOp/resource:0',
    ]
    const parametersWith = ([bias, scale, factor]: readonly string[]) =>
      parametersOf(
        modelWith(
          {
            w: normal(8, 8),
            [bias!]: normal(2, 4),
            [scale!]: normal(6, 2, 4),
            [factor!]: filled(0.3),
            sizes: int64([0, 0, 2, 4]),
          },
          [
            ['MatMul', ['x', 'w'], 'h'],
            ['Reshape', ['h', 'sizes'], 'heads'],
            ['Add', ['heads', bias!], 'a'],
            ['Mul', ['a', scale!], 's'],
            ['Mul', ['s', factor!], 'y'],
          ],
        ),
      )
    expect(parametersWith(names)).toEqual([...names, 'w'].sort())
    expect(parametersWith(['bias', 'scale', 'factor'])).toEqual(['w'])
  })

  test('a table of relative positions and a temperature per head are trained; what the exporter made of them is named', () => {
    const scored = (constants: Readonly<Record<string, Tensor>>, steps: readonly Step[]) =>
      modelWith({ w: normal(8, 8), ...constants }, [
        ['MatMul', ['x', 'w'], 'q'],
        ['Transpose', ['q'], 'k', { perm: [0, 2, 1] }],
        ['MatMul', ['q', 'k'], 'scores'],
        ...steps,
        ['Softmax', ['all'], 'a', { axis: -1 }],
        ['MatMul', ['a', 'q'], 'y'],
      ])
    const places = int64(Array.from({ length: 36 }, (_, i) => 5 + (i % 6) - Math.floor(i / 6)))
    const own = scored({ table: normal(1, 11), zeros: filled(0, 2, 12), heat: filled(1, 6, 1) }, [
      ['Mul', ['scores', 'heat'], 'scaled'],
      ['Constant', [], 'places', { value: new Tensor('int64', [6, 6], places.data) }],
      ['Constant', [], 'zero', { value_int: 0 }],
      ['Gather', ['table', 'places'], 'biases', { axis: 1 }],
      ['Add', ['scaled', 'biases'], 'biased'],
      ['Gather', ['zeros', 'places'], 'others', { axis: 1 }],
      ['Gather', ['others', 'zero'], 'other'],
      ['Add', ['biased', 'other'], 'all'],
    ])
    expect(parametersOf(own)).toEqual(['heat', 'table', 'w', 'zeros'])
    const made = scored({ 'onnx::Add_1': normal(1, 6, 6) }, [
      ['Add', ['scores', 'onnx::Add_1'], 'all'],
    ])
    expect(parametersOf(made)).toEqual(['w'])
    expect(trainableConstants(made).left).toEqual([
      { name: 'onnx::Add_1', reason: 'the exporter named it, so it may be a fixed constant' },
    ])
  })

  test('what is repeated or cut to sizes of the input is trained, and so is a table at positions up to a size', () => {
    const model = modelWith(
      {
        token: normal(1, 1, 8),
        joint: normal(24, 8),
        table: normal(20, 8),
        w: normal(8, 8),
        zeros: filled(0, 1, 1, 8),
      },
      [
        ['Shape', ['x'], 'sizes'],
        ['Constant', [], 'first', { value_ints: [0] }],
        ['Constant', [], 'last', { value_ints: [2] }],
        ['Constant', [], 'none', { value_int: 0 }],
        ['Constant', [], 'step', { value_int: 1 }],
        ['Gather', ['sizes', 'first'], 'n'],
        ['Gather', ['sizes', 'last'], 'width'],
        ['Constant', [], 'one', { value_ints: [1] }],
        ['Concat', ['n', 'one', 'width'], 'target', { axis: 0 }],
        ['Expand', ['token', 'target'], 'tokens'],
        ['Expand', ['zeros', 'target'], 'nothing'],
        ['MatMul', ['x', 'w'], 'h'],
        ['Concat', ['tokens', 'nothing', 'h'], 'all', { axis: 1 }],
        ['Slice', ['joint', 'first', 'width', 'first'], 'part'],
        ['MatMul', ['all', 'part'], 'p'],
        ['Squeeze', ['width'], 'count'],
        ['Range', ['none', 'count', 'step'], 'places'],
        ['Gather', ['table', 'places'], 'here'],
        ['Add', ['p', 'here'], 'y'],
      ],
    )
    expect(parametersOf(model)).toEqual(['joint', 'table', 'token', 'w'])
  })

  test('the bias of a layer is trained before a softmax, too; what is added to scores of attention is not', () => {
    const numbers = { bias: normal(6), distances: normal(6), temperature: filled(0.3) }
    const model = modelWith({ w: normal(8, 6), ...numbers }, [
      ['MatMul', ['x', 'w'], 'product'],
      ['Mul', ['product', 'temperature'], 'scaled'],
      ['Add', ['scaled', 'bias'], 'logits'],
      ['Softmax', ['logits'], 'a'],
      ['Transpose', ['a'], 'b', { perm: [0, 2, 1] }],
      ['MatMul', ['a', 'b'], 'scores'],
      ['Add', ['scores', 'distances'], 'biased'],
      ['LogSoftmax', ['biased'], 'y'],
    ])
    expect(parametersOf(model)).toEqual(['bias', 'w'])
  })

  test('the bias of a layer with one unit is trained; a number without an axis, or beside others, is not', () => {
    const numbers = { bias: filled(0.3, 1), shift: filled(0.4), first: filled(0.5, 1, 1) }
    const model = modelWith({ v: normal(8, 6), w: normal(6, 1), ...numbers }, [
      ['MatMul', ['x', 'v'], 'several'],
      ['Add', ['several', 'first'], 'a'],
      ['MatMul', ['a', 'w'], 'one'],
      ['Add', ['one', 'bias'], 'b'],
      ['Add', ['b', 'shift'], 'y'],
    ])
    expect(parametersOf(model)).toEqual(['bias', 'v', 'w'])
    expect(trainableConstants(model).left.map(({ name }) => name)).toEqual(['shift', 'first'])
  })

  test('the bias of a sum of layers is trained before a gate', () => {
    const model = modelWith({ v: normal(8, 6), w: normal(8, 6), bias: normal(6) }, [
      ['MatMul', ['x', 'v'], 'first'],
      ['MatMul', ['x', 'w'], 'second'],
      ['Add', ['first', 'second'], 'sum'],
      ['Add', ['sum', 'bias'], 'logits'],
      ['Sigmoid', ['logits'], 'y'],
    ])
    expect(parametersOf(model)).toEqual(['bias', 'v', 'w'])
  })

  test('the state that a recurrence begins with is trained if its numbers differ, and named if not', () => {
    const cell = (state: string): Step => [
      'RNN',
      ['x', 'w', 'r', '', '', state],
      'y',
      { hidden_size: 8 },
    ]
    const weights = { w: normal(1, 8, 8), r: normal(1, 8, 8) }
    const sizes: Step = ['Shape', ['x'], 'size', { start: 1, end: 2 }]
    const repeated: Step = ['Expand', ['state', 'target'], 'states']
    const target: Step = ['Concat', ['one', 'size', 'one'], 'target', { axis: 0 }]
    const learned = (state: Tensor, marks = {}) =>
      trainableConstants(
        modelWith(
          { ...weights, state, one: int64([1]) },
          [sizes, target, repeated, cell('states')],
          marks,
        ),
      )
    expect([...learned(normal(1, 1, 8)).parameters].sort()).toEqual(['r', 'state', 'w'])
    const fixed = learned(filled(0, 1, 1, 8))
    expect([...fixed.parameters].sort()).toEqual(['r', 'w'])
    expect(fixed.left.map(({ name }) => name)).toEqual(['state'])
    const marks = {
      w: { [KIND]: 'PARAMETER' },
      r: { [KIND]: 'PARAMETER' },
      state: { [FOLDED]: "['start']" },
    }
    const marked = learned(normal(1, 1, 8), marks)
    expect([...marked.parameters].sort()).toEqual(['r', 'w'])
    expect(marked.left).toEqual([{ name: 'state', reason: 'the exporter computed it from start' }])
  })

  test('the scale and the shift behind a normalization without any are trained, whatever they are called', () => {
    const numbers = {
      w: normal(8, 6),
      'onnx::ones': filled(1, 6),
      'onnx::zeros': filled(0, 6),
      'onnx::Mul_7': normal(6),
      'onnx::Add_8': normal(6),
      'onnx::Mul_9': normal(6),
    }
    const model = modelWith(numbers, [
      ['MatMul', ['x', 'w'], 'product'],
      ['Transpose', ['product'], 'moved', { perm: [0, 2, 1] }],
      ['InstanceNormalization', ['moved', 'onnx::ones', 'onnx::zeros'], 'normed'],
      ['Transpose', ['normed'], 'back', { perm: [0, 2, 1] }],
      ['Mul', ['back', 'onnx::Mul_7'], 'scaled'],
      ['Add', ['scaled', 'onnx::Add_8'], 'shifted'],
      ['Relu', ['shifted'], 'h'],
      ['Mul', ['h', 'onnx::Mul_9'], 'y'],
    ])
    const { parameters, left } = trainableConstants(model)
    expect([...parameters].sort()).toEqual(['onnx::Add_8', 'onnx::Mul_7', 'w'])
    expect(left.map(({ name }) => name)).toEqual(['onnx::Mul_9'])
  })

  test('what standardizes the input stays, and so do grids and frequencies', () => {
    const model = modelWith(
      {
        mean: normal(8),
        std: normal(8),
        frequencies: normal(1, 4),
        w: normal(8, 4),
        last: int64([-1]),
      },
      [
        ['Sub', ['x', 'mean'], 'a'],
        ['Mul', ['a', 'std'], 'b'],
        ['MatMul', ['b', 'w'], 'c'],
        ['Cast', ['ids'], 'i', { to: 1 }],
        ['Unsqueeze', ['i', 'last'], 'j'],
        ['MatMul', ['j', 'frequencies'], 'angles'],
        ['Cos', ['angles'], 'cos'],
        ['Mul', ['c', 'cos'], 'y'],
      ],
    )
    expect(parametersOf(model)).toEqual(['w'])
  })

  test('what a weight is computed from is trained, and running statistics are not', () => {
    const model = modelWith(
      {
        v: normal(8, 8),
        g: normal(8),
        scale: normal(6),
        shift: normal(6),
        mean: normal(6),
        variance: filled(1, 6),
      },
      [
        ['Mul', ['v', 'g'], 'w'],
        ['MatMul', ['x', 'w'], 'a'],
        [
          'BatchNormalization',
          ['a', 'scale', 'shift', 'mean', 'variance'],
          'y',
          { epsilon: float(1e-5) },
        ],
      ],
    )
    expect(parametersOf(model)).toEqual(['g', 'scale', 'shift', 'v'])
  })
})

describe('constants that an exporter merged', () => {
  const norms: readonly Step[] = [
    ['Identity', ['n1.weight'], 'n2.weight'],
    ['LayerNormalization', ['x', 'n1.weight', 'n1.bias'], 'a'],
    ['LayerNormalization', ['a', 'n2.weight', 'n1.bias'], 'y'],
  ]

  test('those that share through an Identity are apart, under the names that it gave', () => {
    const model = modelWith({ 'n1.weight': filled(1, 8), 'n1.bias': filled(0, 8) }, norms)
    const separate = separateConstants(model)
    expect(parametersOf(separate)).toEqual(['n1.bias', 'n1.weight', 'n2.weight'])
    expect(separate.graph.nodes.length).toBe(2)
  })

  test('a variable that is read by Identities alone is one', () => {
    const model = modelWith({ variable: normal(8, 8) }, [
      ['Identity', ['variable'], 'read1'],
      ['Identity', ['variable'], 'read2'],
      ['MatMul', ['x', 'read1'], 'a'],
      ['MatMul', ['a', 'read2'], 'y'],
    ])
    expect(parametersOf(separateConstants(model))).toEqual(['variable'])
  })

  test('a copy that a marked program makes of a buffer or of a parameter is what that is', () => {
    const mark = (kind: string) => ({ [KIND]: kind })
    const model = modelWith(
      { v: normal(8, 1), w: normal(8, 8) },
      [
        ['Identity', ['v'], 'clone'],
        ['Identity', ['w'], 'clone_1'],
        ['MatMul', ['w', 'clone'], 'norm'],
        ['Div', ['clone_1', 'norm'], 'weight'],
        ['MatMul', ['x', 'weight'], 'y'],
      ],
      { v: mark('BUFFER'), w: mark('PARAMETER') },
    )
    const separate = separateConstants(model)
    expect(parametersOf(separate)).toEqual(['w'])
    expect(separate.graph.nodes.map(({ inputs }) => inputs)).toEqual([
      ['w', 'v'],
      ['w', 'norm'],
      ['x', 'weight'],
    ])
  })

  const merged = (tensor: Tensor, modules: readonly [string, string]) =>
    separateConstants(
      modelWith({ 'a.weight': tensor, 'a.bias': normal(8) }, [
        [
          'LayerNormalization',
          ['x', 'a.weight', 'a.bias'],
          'h',
          {},
          `['', '${modules[0]}', 'norm']`,
        ],
        [
          'LayerNormalization',
          ['h', 'a.weight', 'a.bias'],
          'y',
          {},
          `['', '${modules[1]}', 'norm_1']`,
        ],
      ]),
    )

  test('fresh numbers of several modules are those of each', () => {
    expect(parametersOf(merged(filled(1, 8), ['a', 'b']))).toEqual([
      'a.bias',
      'a.weight',
      'b.weight',
    ])
  })

  test('copies in a list are apart, and what the user shares stays one', () => {
    expect(parametersOf(merged(normal(8), ['l.0.a', 'l.1.a'])).length).toBe(4)
    expect(parametersOf(merged(normal(8), ['a', 'b']))).toEqual(['a.bias', 'a.weight'])
    expect(parametersOf(merged(filled(1, 8), ['a', 'a']))).toEqual(['a.bias', 'a.weight'])
  })

  /** Two scales that were one constant: what each node's call says that it reads. */
  const scales = (first: readonly [string, string], second: readonly [string, string]) => {
    const step = (
      input: string,
      output: string,
      [module, noted]: readonly [string, string],
    ): Step => [
      'Mul',
      [input, 'blocks.0.gamma_1'],
      output,
      {},
      `['', '${module}', 'mul']`,
      `%mul : [num_users=1] = call_function[target=torch.ops.aten.mul.Tensor](args = (%p_${noted}, %${input}), kwargs = {})`,
    ]
    return parametersOf(
      separateConstants(
        modelWith(
          { 'blocks.0.gamma_1': filled(0.1, 8) },
          [step('x', 'h', first), step('h', 'y', second)],
          { 'blocks.0.gamma_1': { [KIND]: 'PARAMETER' } },
        ),
      ),
    )
  }

  test('fresh numbers that one module knows under two names are two', () => {
    expect(scales(['blocks.0', 'blocks_0_gamma_1'], ['blocks.0', 'blocks_0_gamma_2'])).toEqual([
      'blocks.0.gamma_1',
      'blocks.0.gamma_2',
    ])
    expect(scales(['blocks.0', 'blocks_0_gamma_1'], ['blocks.1', 'blocks_1_gamma_2'])).toEqual([
      'blocks.0.gamma_1',
      'blocks.1.gamma_2',
    ])
    expect(scales(['blocks.0', 'blocks_0_gamma_1'], ['blocks.0', 'blocks_0_gamma_1'])).toEqual([
      'blocks.0.gamma_1',
    ])
  })

  test('fresh numbers that the user shares between modules are one', () => {
    expect(scales(['blocks.0', 'blocks_0_gamma_1'], ['blocks.1', 'blocks_0_gamma_1'])).toEqual([
      'blocks.0.gamma_1',
    ])
  })

  test('an embedding and a head that is its transpose are one', () => {
    const table = normal(20, 8)
    const head = float32(
      [8, 20],
      Array.from({ length: 160 }, (_, i) => Number(table.data[(i % 20) * 8 + Math.floor(i / 20)])),
    )
    const tied = modelWith({ 'onnx::MatMul_7': head, 'table.weight': table }, [
      ['Gather', ['table.weight', 'ids'], 'a'],
      ['MatMul', ['a', 'onnx::MatMul_7'], 'y'],
    ])
    const separate = separateConstants(tied)
    expect(parametersOf(separate)).toEqual(['table.weight'])
    expect(separate.graph.nodes[0]!.outputs).toEqual(['onnx::MatMul_7'])
    const apart = modelWith({ head: normal(8, 20), table }, [
      ['Gather', ['table', 'ids'], 'a'],
      ['MatMul', ['a', 'head'], 'y'],
    ])
    expect(separateConstants(apart)).toBe(apart)
  })
})
