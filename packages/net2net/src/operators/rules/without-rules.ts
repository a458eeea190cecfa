/**
 * Operators that we know but can neither grow through nor differentiate: quantized arithmetic,
 * sequences, detection heads. Everything that touches them keeps its size, for the
 * reason given here, and the rest of the graph stays growable.
 */
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import { dtypeFromCode } from '../../tensor/dtype.ts'
import { none, unsupported } from '../contract/answers.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'

/** A family of operators without rules, for one reason (a verb phrase). */
const without = (
  names: readonly string[],
  reason: string,
  infer: Operator['infer'] = unsupported('its output types are taken from the file'),
  domain = '',
): readonly Operator[] =>
  names.map((name) => ({
    name,
    ...(domain === '' ? {} : { domain }),
    infer,
    axes: unsupported(reason),
    gradient: unsupported(reason),
    scaling: 'none',
    sign: 'unknown',
  }))

/** Nothing flows back through indices and random draws. */
const withoutGradient = (family: readonly Operator[]): readonly Operator[] =>
  family.map((operator) => ({ ...operator, gradient: none }))

/** As many selected boxes as there are: batch, class and box index of each. */
const boxes: InferRule = () => [{ dtype: 'int64', shape: [null, 3] }]

/** uint8 values, and the scale and zero point that were chosen for them. */
const dynamicQuantize: InferRule = (context) => [
  { dtype: 'uint8', shape: context.shape(0) },
  { dtype: 'float32', shape: [] },
  { dtype: 'uint8', shape: [] },
]

const drawn: InferRule = (context) => {
  const code = intAttribute(context.node, 'dtype', undefined)
  const like = context.has(0)
  const dtype = code === undefined ? (like ? context.dtype(0) : 'float32') : dtypeFromCode(code)
  const shape = like ? context.shape(0) : intsAttribute(context.node, 'shape')
  return [{ dtype, shape }]
}

/** Numbers for as many: float32, unless they keep their type. https://onnx.ai/onnx/operators/index_ml.html */
const ofNumbers: InferRule = (context) => {
  const isKept = ['Imputer', 'Binarizer'].includes(context.node.opType)
  return [{ dtype: isKept ? context.dtype(0) : 'float32', shape: context.shape(0) }]
}

/** A new last axis has an entry for each category. */
const oneHot: InferRule = ({ node: { attributes }, shape }) => {
  const categories = attributes.get('cats_int64s') ?? attributes.get('cats_strings')
  const dims = shape(0)
  const isKnown = categories?.type === 'ints' || categories?.type === 'strings'
  return [
    { dtype: 'float32', shape: dims && isKnown ? [...dims, categories.value.length] : undefined },
  ]
}

const QUANTIZED =
  'works on quantized values, for which there is no rule: grow the network from before the quantization'
const SEQUENCES = 'works on sequences or optional values, for which there is no rule yet'
const RANDOM = 'draws random numbers for each element, which copies of a unit would not share'
const FEATURES = 'prepares features, for which there is no rule'
const DETECTION = 'selects boxes, for which there is no rule'

export const withoutRules: readonly Operator[] = [
  ...without(['DynamicQuantizeLinear'], QUANTIZED, dynamicQuantize),
  ...without(['QLinearConv', 'QLinearMatMul', 'ConvInteger', 'MatMulInteger'], QUANTIZED),
  ...without(
    ['QLinearAdd', 'QLinearMul', 'QLinearConcat', 'QLinearSigmoid', 'QLinearLeakyRelu'],
    QUANTIZED,
    undefined,
    'com.microsoft',
  ),
  ...without(
    ['QLinearAveragePool', 'QLinearGlobalAveragePool', 'QLinearSoftmax', 'QGemm'],
    QUANTIZED,
    undefined,
    'com.microsoft',
  ),
  ...without(
    [
      'SequenceEmpty',
      'SequenceConstruct',
      'SequenceInsert',
      'SequenceErase',
      'SequenceAt',
      'SequenceLength',
      'SequenceMap',
      'SplitToSequence',
      'ConcatFromSequence',
      'Optional',
      'OptionalGetElement',
      'OptionalHasElement',
    ],
    SEQUENCES,
  ),
  ...without(['Scaler', 'Normalizer', 'Imputer', 'Binarizer'], FEATURES, ofNumbers, 'ai.onnx.ml'),
  ...without(['OneHotEncoder'], FEATURES, oneHot, 'ai.onnx.ml'),
  ...withoutGradient(without(['NonMaxSuppression'], DETECTION, boxes)),
  ...withoutGradient([
    ...without(['RandomNormal', 'RandomUniform'], RANDOM, drawn),
    ...without(['RandomNormalLike', 'RandomUniformLike', 'Bernoulli'], RANDOM, drawn),
    ...without(['Multinomial'], RANDOM),
  ]),
]
