/**
 * Random networks of the supported operators, for tests: a trunk of image operators with branches,
 * and one of several heads. The same seed gives the same network.
 */
import { float } from '../../src/model/attributes.ts'
import { GraphBuilder } from '../../src/model/builder.ts'
import type { Dim, Model } from '../../src/model/model.ts'
import { float32, int64, type LazyTensor } from '../../src/tensor/tensor.ts'
import { Draws } from './draws.ts'

/** A value and its shape without the batch. */
interface Value {
  readonly name: string
  readonly dims: readonly number[]
}

export class NetworkGenerator {
  readonly #draws: Draws
  readonly #builder = new GraphBuilder()
  readonly #symbolic: boolean
  readonly #batch: number
  #count = 0

  constructor(seed: number) {
    this.#draws = new Draws(seed, 'network')
    this.#symbolic = this.#draws.chance(0.5)
    this.#batch = 1 + this.#draws.below(3)
  }

  model(): Model {
    const dims = [1 + this.#draws.below(4), 4 + this.#draws.below(5), 5 + this.#draws.below(5)]
    const batch: Dim = this.#symbolic ? 'batch' : this.#batch
    this.#builder.input('x', 'float32', [batch, ...dims])
    const seen: Value[] = []
    let value: Value = this.#conv({ name: 'x', dims })
    const length = 2 + this.#draws.below(6)
    for (let i = 0; i < length; i++) {
      seen.push(value)
      value = this.#step(value, seen)
    }
    const last = this.#head(value)
    // The last value bears the output's name, sometimes through one more node.
    this.#builder.output(last.name, 'float32', [batch, ...last.dims.map((d) => d)])
    return this.#builder.model('random')
  }

  // ------------------------------------------------------------- pieces

  #normal(dims: readonly number[], deviation: number, mean = 0): LazyTensor {
    const count = dims.reduce((a, b) => a * b, 1)
    return float32(
      dims,
      Array.from({ length: count }, () => mean + deviation * this.#draws.normal()),
    )
  }

  #weight(dims: readonly number[], fanIn: number): string {
    return this.#parameter(this.#normal(dims, 1 / Math.sqrt(fanIn)))
  }

  /** An initializer or a Constant node. */
  #parameter(tensor: LazyTensor, hint = 'w'): string {
    if (this.#draws.chance(0.8)) return this.#builder.constant(tensor, hint)
    return this.#builder.node('Constant', [], { value: tensor })
  }

  #op(
    opType: string,
    inputs: readonly string[],
    dims: readonly number[],
    attributes: Parameters<GraphBuilder['node']>[2] = {},
  ): Value {
    const name = `${opType.toLowerCase()}${this.#count++}`
    return { name: this.#builder.node(opType, inputs, attributes, { name }), dims }
  }

  #ints(values: readonly number[]): string {
    return this.#builder.constant(int64(values), 'sizes')
  }

  // ------------------------------------------------------- image operators

  #step(x: Value, seen: readonly Value[]): Value {
    const steps = [
      () => this.#conv(x),
      () => this.#conv(x),
      () => this.#activation(this.#conv(x)),
      () => this.#activation(this.#norm(this.#conv(x))),
      () => this.#activation(x),
      () => this.#norm(x),
      () => this.#pool(x),
      () => this.#perChannel(x),
      () => this.#depthwise(x),
      () => this.#transposedConv(x),
      () => this.#residual(x),
      () => this.#residual(x),
      () => this.#rejoin(x, seen),
      () => this.#concat(x, seen),
      () => this.#dense(x),
      () => this.#gate(x),
      () => this.#squeezeExcite(x),
      () => this.#shuffle(x),
      () => this.#slice(x),
      () => this.#resample(x),
      () => this.#depthToSpace(x),
      () => this.#plain(x),
      () => this.#channelStatistics(x),
      () => this.#sharedConv(x),
      () => this.#bottleneckSplit(x),
    ]
    return this.#draws.pick(steps)()
  }

  #conv(x: Value, filters = 1 + this.#draws.below(6), keepSize = this.#draws.chance(0.6)): Value {
    const [c, h, w] = x.dims as [number, number, number]
    const groups = this.#draws.pick([1, 1, 1, 2, 3].filter((g) => c % g === 0))
    const out = groups * Math.max(1, Math.ceil(filters / groups))
    const k = keepSize ? this.#draws.pick([1, 3]) : this.#draws.pick([1, 2, 3])
    const stride = keepSize ? 1 : this.#draws.pick([1, 2])
    const dilation = k === 3 && !keepSize && Math.min(h, w) >= 6 ? this.#draws.pick([1, 2]) : 1
    const pad = keepSize ? (k - 1) / 2 : this.#draws.pick([0, 1])
    const size = (n: number) => Math.floor((n + 2 * pad - dilation * (k - 1) - 1) / stride) + 1
    if (size(h) < 1 || size(w) < 1) return x
    const inputs = [x.name, this.#weight([out, c / groups, k, k], (c / groups) * k * k)]
    if (this.#draws.chance(0.7)) inputs.push(this.#parameter(this.#normal([out], 0.3), 'b'))
    return this.#op('Conv', inputs, [out, size(h), size(w)], {
      kernel_shape: [k, k],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
      dilations: [dilation, dilation],
      ...(groups > 1 ? { group: groups } : {}),
    })
  }

  #depthwise(x: Value): Value {
    const [c, h, w] = x.dims as [number, number, number]
    const multiplier = this.#draws.pick([1, 1, 2])
    return this.#op(
      'Conv',
      [x.name, this.#weight([c * multiplier, 1, 3, 3], 9)],
      [c * multiplier, h, w],
      { kernel_shape: [3, 3], pads: [1, 1, 1, 1], group: c },
    )
  }

  #transposedConv(x: Value): Value {
    const [c, h, w] = x.dims as [number, number, number]
    if (h > 10 || w > 10) return x
    const groups = this.#draws.pick([1, 1, 2].filter((g) => c % g === 0))
    const perGroup = 1 + this.#draws.below(3)
    const inputs = [x.name, this.#weight([c, perGroup, 2, 2], c / groups)]
    if (this.#draws.chance(0.5))
      inputs.push(this.#parameter(this.#normal([perGroup * groups], 0.3), 'b'))
    return this.#op('ConvTranspose', inputs, [perGroup * groups, 2 * h, 2 * w], {
      kernel_shape: [2, 2],
      strides: [2, 2],
      group: groups,
    })
  }

  #activation(x: Value): Value {
    const c = x.dims[0]!
    const unary = this.#draws.pick([
      'Relu',
      'Relu',
      'Sigmoid',
      'Tanh',
      'Softplus',
      'Erf',
      'HardSwish',
    ])
    return this.#draws.pick([
      () => this.#op(unary, [x.name], x.dims),
      () => this.#op(unary, [x.name], x.dims),
      () => this.#op('LeakyRelu', [x.name], x.dims, { alpha: float(0.1) }),
      () => this.#op('Elu', [x.name], x.dims),
      () => this.#op('HardSigmoid', [x.name], x.dims),
      () => this.#op('Selu', [x.name], x.dims),
      () =>
        this.#op(
          'PRelu',
          [
            x.name,
            this.#parameter(this.#normal([c, ...x.dims.slice(1).map(() => 1)], 0.3), 'slope'),
          ],
          x.dims,
        ),
      () =>
        this.#op(
          'Clip',
          [
            x.name,
            this.#builder.constant(float32([], [0])),
            this.#builder.constant(float32([], [6])),
          ],
          x.dims,
        ),
      () => this.#op('Mul', [x.name, this.#op('Sigmoid', [x.name], x.dims).name], x.dims),
    ])()
  }

  #norm(x: Value): Value {
    const c = x.dims[0]!
    const scale = () => this.#parameter(this.#normal([c], 0.3, 1), 'scale')
    const shift = () => this.#parameter(this.#normal([c], 0.3), 'shift')
    return this.#draws.pick([
      () =>
        this.#op(
          'BatchNormalization',
          [
            x.name,
            scale(),
            shift(),
            shift(),
            this.#builder.constant(
              float32(
                [c],
                Array.from({ length: c }, () => 0.5 + this.#draws.uniform()),
              ),
              'variance',
            ),
          ],
          x.dims,
        ),
      () =>
        this.#op('InstanceNormalization', [x.name, scale(), shift()], x.dims, {
          epsilon: float(0.01),
        }),
    ])()
  }

  #pool(x: Value): Value {
    const [c, h, w] = x.dims as [number, number, number]
    if (h < 4 || w < 4) return x
    const kind = this.#draws.pick(['MaxPool', 'AveragePool'])
    return this.#op(kind, [x.name], [c, Math.floor((h - 2) / 2) + 1, Math.floor((w - 2) / 2) + 1], {
      kernel_shape: [2, 2],
      strides: [2, 2],
    })
  }

  /** Arithmetic with a constant: per channel, scalar, or per element. */
  #perChannel(x: Value): Value {
    const dims = this.#draws.pick([
      [x.dims[0]!, 1, 1],
      [1, x.dims[0]!, 1, 1],
      [],
      [1],
      [...x.dims],
      [1, ...x.dims],
      [x.dims[2]!],
    ])
    const constant = this.#parameter(this.#normal(dims, 0.2, 1), 'factor')
    const opType = this.#draws.pick(['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min'])
    const swapped = opType !== 'Div' && this.#draws.chance(0.3)
    return this.#op(opType, swapped ? [constant, x.name] : [x.name, constant], x.dims)
  }

  #residual(x: Value): Value {
    const branch = this.#conv(this.#activation(this.#conv(x, x.dims[0], true)), x.dims[0]!, true)
    if (String(branch.dims) !== String(x.dims)) return branch
    return this.#op(
      'Add',
      this.#draws.chance(0.5) ? [x.name, branch.name] : [branch.name, x.name],
      x.dims,
    )
  }

  /** Joins an earlier value of the same shape. */
  #rejoin(x: Value, seen: readonly Value[]): Value {
    const twins = seen.filter((other) => String(other.dims) === String(x.dims))
    if (twins.length === 0) return this.#residual(x)
    const twin = this.#draws.pick(twins)
    const opType = this.#draws.pick(['Add', 'Mul', 'Sub', 'Max', 'Min', 'Sum', 'Mean'])
    return this.#op(opType, [x.name, twin.name], x.dims)
  }

  #concat(x: Value, seen: readonly Value[]): Value {
    const twins = seen.filter((other) => String(other.dims.slice(1)) === String(x.dims.slice(1)))
    const others = [...twins, x].slice(-1 - this.#draws.below(3))
    const parts = this.#draws.chance(0.3) ? [x, ...others] : [...others, x]
    const channels = parts.reduce((sum, part) => sum + part.dims[0]!, 0)
    if (channels > 24) return x
    return this.#op(
      'Concat',
      parts.map((part) => part.name),
      [channels, ...x.dims.slice(1)],
      {
        axis: this.#draws.pick([1, -3]),
      },
    )
  }

  /** A small dense block: concat(x, f(x)) twice. */
  #dense(x: Value): Value {
    let value = x
    for (let i = 0; i < 2; i++) {
      const grown = this.#conv(this.#activation(value), 2, true)
      if (String(grown.dims.slice(1)) !== String(value.dims.slice(1))) return value
      value = this.#concat2(value, grown)
    }
    return value
  }

  #concat2(a: Value, b: Value): Value {
    return this.#op('Concat', [a.name, b.name], [a.dims[0]! + b.dims[0]!, ...a.dims.slice(1)], {
      axis: 1,
    })
  }

  /** Gated linear unit: one half times the sigmoid of the other. */
  #gate(x: Value): Value {
    const c = x.dims[0]!
    if (c % 2 !== 0) return this.#activation(x)
    const half = [c / 2, ...x.dims.slice(1)]
    const written = this.#draws.chance(0.5)
    const name = `split${this.#count++}`
    const [a, b] = this.#builder.nodeOutputs(
      'Split',
      written ? [x.name, this.#ints([c / 2, c / 2])] : [x.name],
      { axis: 1, ...(written ? {} : { num_outputs: 2 }) },
      { name, outputs: 2 },
    )
    const sigmoid = this.#op('Sigmoid', [b!], half)
    return this.#op('Mul', [a!, sigmoid.name], half)
  }

  #squeezeExcite(x: Value): Value {
    const c = x.dims[0]!
    const pooled = this.#op('GlobalAveragePool', [x.name], [c, 1, 1])
    const inner = this.#conv(pooled, 3, true)
    const scale = this.#op(
      'Conv',
      [this.#op('Relu', [inner.name], inner.dims).name, this.#weight([c, inner.dims[0]!, 1, 1], 3)],
      [c, 1, 1],
      { kernel_shape: [1, 1] },
    )
    return this.#op('Mul', [x.name, this.#op('Sigmoid', [scale.name], scale.dims).name], x.dims)
  }

  #shuffle(x: Value): Value {
    const [c, h, w] = x.dims as [number, number, number]
    const groups = this.#draws.pick([2, 3, 4])
    if (c % groups !== 0) return this.#activation(x)
    const apart = this.#op(
      'Reshape',
      [x.name, this.#ints([0, groups, c / groups, h, w])],
      [groups, c / groups, h, w],
    )
    const turned = this.#op('Transpose', [apart.name], [c / groups, groups, h, w], {
      perm: [0, 2, 1, 3, 4],
    })
    const target = this.#draws.pick([
      [0, c, h, w],
      [0, -1, h, w],
    ])
    return this.#op('Reshape', [turned.name, this.#ints(target)], x.dims)
  }

  #slice(x: Value): Value {
    const c = x.dims[0]!
    if (c < 3) return this.#activation(x)
    const start = this.#draws.below(c - 1)
    const end = start + 1 + this.#draws.below(c - start - 1)
    const part = this.#op(
      'Slice',
      [x.name, this.#ints([start]), this.#ints([end]), this.#ints([1])],
      [end - start, ...x.dims.slice(1)],
    )
    if (this.#draws.chance(0.6)) return part
    const picked = this.#draws.below(c)
    const index = this.#ints([this.#draws.chance(0.5) ? picked : picked - c])
    const gate = this.#op('Gather', [x.name, index], [1, ...x.dims.slice(1)], { axis: 1 })
    return this.#op('Mul', [part.name, gate.name], part.dims)
  }

  /** Cuts the channels in two, treats one part, joins them again (CSP, ShuffleNet). */
  #bottleneckSplit(x: Value): Value {
    const c = x.dims[0]!
    if (c < 2) return this.#conv(x)
    const at = 1 + this.#draws.below(c - 1)
    const name = `split${this.#count++}`
    const [a, b] = this.#builder.nodeOutputs(
      'Split',
      [x.name, this.#ints([at, c - at])],
      { axis: 1 },
      { name, outputs: 2 },
    )
    const treated = this.#conv({ name: b!, dims: [c - at, ...x.dims.slice(1)] }, 3, true)
    if (String(treated.dims.slice(1)) !== String(x.dims.slice(1))) return treated
    return this.#concat2({ name: a!, dims: [at, ...x.dims.slice(1)] }, treated)
  }

  #resample(x: Value): Value {
    const [c, h, w] = x.dims as [number, number, number]
    if (h > 8 || w > 8 || this.#draws.chance(0.5)) {
      const pads = this.#ints([0, 0, 1, 0, 0, 0, 0, 2])
      const padded = this.#op('Pad', [x.name, pads], [c, h + 1, w + 2])
      // ONNX Runtime 1.30 fails to load some MaxPool nodes directly behind a Pad.
      return this.#op('Neg', [padded.name], padded.dims)
    }
    const scales = this.#builder.constant(float32([4], [1, 1, 2, 2]), 'scales')
    return this.#op('Resize', [x.name, '', scales], [c, 2 * h, 2 * w], { mode: 'nearest' })
  }

  #depthToSpace(x: Value): Value {
    const [c, h, w] = x.dims as [number, number, number]
    if (c % 4 === 0 && h < 8)
      return this.#op('DepthToSpace', [x.name], [c / 4, 2 * h, 2 * w], {
        blocksize: 2,
        mode: this.#draws.pick(['DCR', 'CRD']),
      })
    if (h % 2 === 0 && w % 2 === 0 && c <= 4)
      return this.#op('SpaceToDepth', [x.name], [4 * c, h / 2, w / 2], { blocksize: 2 })
    return this.#plain(x)
  }

  #plain(x: Value): Value {
    return this.#draws.pick([
      () => this.#op('Identity', [x.name], x.dims),
      () => this.#op('Dropout', [x.name], x.dims),
      () => this.#op('Neg', [x.name], x.dims),
      () => this.#op('Abs', [x.name], x.dims),
      () =>
        this.#op('Cast', [this.#op('Cast', [x.name], x.dims, { to: 11 }).name], x.dims, { to: 1 }),
      () =>
        this.#op(
          'Squeeze',
          [this.#op('Unsqueeze', [x.name, this.#ints([2])], []).name, this.#ints([2])],
          x.dims,
        ),
    ])()
  }

  /** Something over the channels: a mean or maximum that is added or multiplied. */
  #channelStatistics(x: Value): Value {
    const dims = [1, ...x.dims.slice(1)]
    const axes = this.#ints([1])
    const opType = this.#draws.pick(['ReduceMean', 'ReduceMax'])
    const reduced = this.#op(opType, [x.name, axes], dims, { keepdims: 1 })
    return this.#op(this.#draws.pick(['Sub', 'Add']), [x.name, reduced.name], x.dims)
  }

  /** Two convolutions with one weight. */
  #sharedConv(x: Value): Value {
    const c = x.dims[0]!
    const weight = this.#builder.constant(this.#normal([c, c, 1, 1], 1 / Math.sqrt(c)), 'shared')
    const conv = (input: Value) =>
      this.#op('Conv', [input.name, weight], x.dims, { kernel_shape: [1, 1] })
    return conv(this.#activation(conv(x)))
  }

  // -------------------------------------------------------------- heads

  #head(x: Value): Value {
    return this.#draws.pick([
      () => this.#classifier(this.#flat(x)),
      () => this.#classifier(this.#flat(x)),
      () => this.#classifier(this.#flatLast(x)),
      () => this.#classifier(this.#pooled(x)),
      () => this.#tokens(x),
      () => this.#conv(x, 2, true),
    ])()
  }

  /** Flattened NCHW, by Flatten or by a Reshape with a constant or computed target. */
  #flat(x: Value): Value {
    const count = x.dims.reduce((a, b) => a * b, 1)
    return this.#draws.pick([
      () => this.#op('Flatten', [x.name], [count]),
      () => this.#op('Reshape', [x.name, this.#ints([0, -1])], [count]),
      () => this.#op('Reshape', [x.name, this.#ints([-1, count])], [count]),
      () => {
        const shape = this.#op('Shape', [x.name], [])
        const index = this.#builder.constant(int64([0]), 'index')
        const batch = this.#op('Gather', [shape.name, index], [])
        const rest = this.#draws.pick([-1, count])
        const target = this.#op('Concat', [batch.name, this.#ints([rest])], [], { axis: 0 })
        return this.#op('Reshape', [x.name, target.name], [count])
      },
    ])()
  }

  #flatLast(x: Value): Value {
    const [c, h, w] = x.dims as [number, number, number]
    const turned = this.#op('Transpose', [x.name], [h, w, c], { perm: [0, 2, 3, 1] })
    return this.#op('Reshape', [turned.name, this.#ints([0, -1])], [c * h * w])
  }

  #pooled(x: Value): Value {
    const c = x.dims[0]!
    return this.#draws.pick([
      () => {
        const kind = this.#draws.pick(['GlobalAveragePool', 'GlobalMaxPool'])
        return this.#op('Flatten', [this.#op(kind, [x.name], [c, 1, 1]).name], [c])
      },
      () => this.#op('ReduceMean', [x.name, this.#ints([2, 3])], [c], { keepdims: 0 }),
    ])()
  }

  #classifier(x: Value): Value {
    let value = x
    for (let i = this.#draws.below(3); i >= 0; i--) {
      const units = 2 + this.#draws.below(6)
      value = this.#linear(value, units)
      if (this.#draws.chance(0.3)) value = this.#layerNorm(value)
      if (this.#draws.chance(0.7)) value = this.#activation1(value)
    }
    const logits = this.#linear(value, 3)
    return this.#draws.chance(0.4)
      ? this.#op('Softmax', [logits.name], logits.dims, { axis: -1 })
      : logits
  }

  #activation1(x: Value): Value {
    const opType = this.#draws.pick(['Relu', 'Relu', 'Tanh', 'Sigmoid', 'Elu', 'Softplus'])
    return this.#op(opType, [x.name], x.dims)
  }

  /** Gemm (both orientations) or MatMul + Add on the last axis. */
  #linear(x: Value, units: number): Value {
    const features = x.dims.at(-1)!
    const dims = [...x.dims.slice(0, -1), units]
    const bias = () => this.#parameter(this.#normal([units], 0.3), 'b')
    if (x.dims.length === 1 && this.#draws.chance(0.6)) {
      const transposed = this.#draws.chance(0.5)
      const weight = this.#weight(transposed ? [units, features] : [features, units], features)
      return this.#op('Gemm', [x.name, weight, bias()], dims, transposed ? { transB: 1 } : {})
    }
    const weight = this.#draws.chance(0.3)
      ? this.#op('Transpose', [this.#weight([units, features], features)], [], { perm: [1, 0] })
          .name
      : this.#weight([features, units], features)
    const product = this.#op('MatMul', [x.name, weight], dims)
    if (this.#draws.chance(0.2)) return product
    return this.#op(
      'Add',
      this.#draws.chance(0.5) ? [product.name, bias()] : [bias(), product.name],
      dims,
    )
  }

  #layerNorm(x: Value): Value {
    const d = x.dims.at(-1)!
    const scale = this.#parameter(this.#normal([d], 0.3, 1), 'scale')
    const shift = this.#parameter(this.#normal([d], 0.3), 'shift')
    return this.#op('LayerNormalization', [x.name, scale, shift], x.dims, {
      axis: -1,
      epsilon: float(0.01),
    })
  }

  /** A transformer block over the pixels as tokens. */
  #tokens(image: Value): Value {
    const [c, h, w] = image.dims as [number, number, number]
    const s = h * w
    const flat = this.#op('Reshape', [image.name, this.#ints([0, c, s])], [c, s])
    const tokens = this.#op('Transpose', [flat.name], [s, c], { perm: [0, 2, 1] })
    const d = 4
    let x = this.#linear(tokens, d)
    if (this.#draws.chance(0.6)) x = this.#attention(x)
    const normed = this.#draws.chance(0.6) ? this.#layerNorm(x) : x
    const inner = this.#activation1(this.#linear(normed, 3 + this.#draws.below(4)))
    x = this.#op('Add', [x.name, this.#linear(inner, d).name], x.dims)
    if (this.#draws.chance(0.4)) x = this.#layerNorm(x)
    const mean = this.#op('ReduceMean', [x.name, this.#ints([1])], [d], { keepdims: 0 })
    return this.#classifier(mean)
  }

  /** Queries, keys and values [heads, tokens, depth], from layers of their own or from one. */
  #projections(x: Value, heads: number, depth: number): readonly [Value, Value, Value] {
    const [s] = x.dims as [number, number]
    const width = heads * depth
    const dims = [heads, s, depth]
    const turned = (flat: string) => {
      const apart = this.#op('Reshape', [flat, this.#ints([0, s, heads, depth])], [])
      return this.#op('Transpose', [apart.name], dims, { perm: [0, 2, 1, 3] })
    }
    const three = <T>(part: (i: number) => T): readonly [T, T, T] => [part(0), part(1), part(2)]
    return this.#draws.pick([
      () => three(() => turned(this.#linear(x, width).name)),
      () => {
        const all = this.#linear(x, 3 * width)
        const sizes = this.#ints([width, width, width])
        const name = `split${this.#count++}`
        const options = { name, outputs: 3 }
        const parts = this.#builder.nodeOutputs('Split', [all.name, sizes], { axis: 2 }, options)
        return three((i) => turned(parts[i]!))
      },
      () => {
        const all = this.#linear(x, 3 * width)
        const apart = this.#op('Reshape', [all.name, this.#ints([0, s, 3, heads, depth])], [])
        const front = this.#op('Transpose', [apart.name], [], { perm: [2, 0, 3, 1, 4] })
        return three((i) =>
          this.#op('Gather', [front.name, this.#builder.constant(int64([i], []))], dims),
        )
      },
    ])()
  }

  /** What is done to queries or keys: what they may be scaled through, and what not. */
  #treated(x: Value): Value {
    const [heads, s, depth] = x.dims as [number, number, number]
    return this.#draws.pick([
      () => x,
      () => x,
      () => this.#op('Relu', [x.name], x.dims),
      () => this.#activation1(x),
      () => this.#layerNorm(x),
      () => this.#op('Mul', [x.name, this.#weight([depth], 1)], x.dims),
      () => this.#op('Add', [x.name, this.#weight([heads, s, depth], 4)], x.dims),
      () => this.#op('Mul', [x.name, this.#op('Sigmoid', [x.name], x.dims).name], x.dims),
      () => this.#rotated(x),
    ])()
  }

  /** Rotary positions, by halves. */
  #rotated(x: Value): Value {
    const [, s, depth] = x.dims as [number, number, number]
    if (depth % 2 !== 0) return x
    const half = depth / 2
    const part = (start: number) => {
      const bounds = [start, start + half, 3].map((at) => this.#ints([at]))
      return this.#op('Slice', [x.name, ...bounds], [...x.dims.slice(0, 2), half])
    }
    const turned = [this.#op('Neg', [part(half).name], []).name, part(0).name]
    const joined = this.#op('Concat', turned, x.dims, { axis: -1 })
    const terms = [x, joined].map(
      ({ name }) => this.#op('Mul', [name, this.#weight([s, depth], 1)], x.dims).name,
    )
    return this.#op('Add', terms, x.dims)
  }

  #attention(x: Value): Value {
    const [s, d] = x.dims as [number, number]
    const heads = this.#draws.pick([1, 2])
    const depth = this.#draws.pick([1, 2, 2, 3])
    const [q, k, v] = this.#projections(x, heads, depth)
    const scaled = this.#op(
      'Mul',
      [
        this.#scores(this.#treated(q), this.#treated(k)).name,
        this.#builder.constant(float32([], [0.7])),
      ],
      [],
    )
    const weights = this.#op('Softmax', [scaled.name], [], { axis: -1 })
    const mixed = this.#op('MatMul', [weights.name, v.name], [])
    const turned = this.#op('Transpose', [mixed.name], [], { perm: [0, 2, 1, 3] })
    const joined = this.#op(
      'Reshape',
      [turned.name, this.#ints([0, s, heads * depth])],
      [s, heads * depth],
    )
    return this.#op('Add', [x.name, this.#linear(joined, d).name], x.dims)
  }

  /** q·k over the depth: MatMul, Einsum, or element by element. */
  #scores(q: Value, k: Value): Value {
    return this.#draws.pick([
      () => {
        const turned = this.#op('Transpose', [k.name], [], { perm: [0, 1, 3, 2] })
        return this.#op('MatMul', [q.name, turned.name], [])
      },
      () => this.#op('Einsum', [q.name, k.name], [], { equation: 'bhid,bhjd->bhij' }),
      () => {
        const rows = this.#op('Unsqueeze', [q.name, this.#ints([3])], [])
        const columns = this.#op('Unsqueeze', [k.name, this.#ints([2])], [])
        const products = this.#op('Mul', [rows.name, columns.name], [])
        return this.#op('ReduceSum', [products.name, this.#ints([4])], [], { keepdims: 0 })
      },
    ])()
  }
}

export const randomNetwork = (seed: number): Model => new NetworkGenerator(seed).model()
