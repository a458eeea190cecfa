import { describe, expect, it } from 'vitest'
import { operatorOf, operators } from './table.ts'

/** The operators that a growth tool for real models must know. */
const required = `
  Conv ConvTranspose Gemm MatMul
  Add Sub Mul Div Max Min Mean Sum Mod
  Relu LeakyRelu PRelu Elu Selu Celu ThresholdedRelu Sigmoid HardSigmoid HardSwish Tanh Softplus
  Softsign Mish Gelu Erf Clip Exp Log Sqrt Reciprocal Pow Neg Abs Sign Floor Ceil Round Sin Cos Tan
  IsNaN Not Equal Greater Less GreaterOrEqual LessOrEqual And Or Xor Where
  BatchNormalization LayerNormalization InstanceNormalization GroupNormalization
  MaxPool AveragePool GlobalAveragePool GlobalMaxPool
  Flatten Reshape Transpose Squeeze Unsqueeze Concat Split Slice Gather GatherElements GatherND
  Pad Resize Upsample DepthToSpace SpaceToDepth Tile Expand
  Dropout Identity Cast CastLike Constant ConstantOfShape Shape Size Range
  ScatterElements ScatterND OneHot CumSum Trilu EyeLike NonZero
  ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum
  ReduceLogSumExp ReduceSumSquare Softmax LogSoftmax ArgMax ArgMin TopK
  LSTM GRU RNN If Loop Scan
  QuantizeLinear DequantizeLinear QLinearConv QLinearMatMul ConvInteger MatMulInteger
  DynamicQuantizeLinear SequenceConstruct SequenceAt Optional NonMaxSuppression RoiAlign
  RandomNormal RandomUniform RandomNormalLike RandomUniformLike`
  .trim()
  .split(/\s+/)

describe('the table of operators', () => {
  it.each(required)('knows %s', (opType) => {
    expect(operatorOf({ domain: '', opType })?.name).toBe(opType)
    expect(operatorOf({ domain: 'ai.onnx', opType })).toBe(operatorOf({ domain: '', opType }))
  })

  it('names every operator once', () => {
    const names = operators.map(({ domain = '', name }) => `${domain}:${name}`)
    expect(new Set(names).size).toBe(names.length)
  })

  it('gives every refusal a reason that a sentence can end with', () => {
    for (const { name, infer, axes, gradient } of operators)
      for (const answer of [infer, axes, gradient])
        if (typeof answer === 'object')
          expect(answer.unsupported, name).toMatch(/^[a-z].{10,}[^.]$/)
  })

  it('does not know operators of other domains', () => {
    expect(operatorOf({ domain: 'com.example', opType: 'Conv' })).toBeUndefined()
  })
})
