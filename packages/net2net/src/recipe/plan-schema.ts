/** What a plan from a file must look like: checked field by field before anything uses it. */
import { z } from 'zod'
import { type AxisMap, type GrowthPlan, growthChoices } from '../growth/growth-plan.ts'
import { dtypes } from '../tensor/dtype.ts'
import { elementCount, isNumeric, type NumericDType } from '../tensor/tensor.ts'

const size = z.int().nonnegative()
const name = z.string()
const dims = z.array(size)
const use = z.strictObject({ node: name, input: size })

const role = z.enum(['copied', 'split'])

const axisMap: z.ZodType<AxisMap> = z
  .lazy(() =>
    z.union([
      z.strictObject({ units: name, role: role.exactOptional() }),
      z.strictObject({ keep: size }),
      z.strictObject({ sum: z.array(axisMap) }),
      z.strictObject({ product: z.array(axisMap) }),
    ]),
  )
  .meta({ id: 'AxisMap' })

const units = z
  .strictObject({
    id: name,
    members: z.array(name),
    from: size,
    to: size,
    init: z.enum(['net2wider', 'random-pad', 'added']),
    map: z.array(size),
    split: z.array(z.number()),
    merged: z.array(z.int().min(-1)).exactOptional(),
  })
  .refine(({ map, to }) => map.length === to, 'the map must have one entry per new unit')
  .refine(
    ({ split, to }) => split.length === to,
    'there must be one split coefficient per new unit',
  )
  .refine(
    ({ map, from }) => map.every((unit) => unit < from),
    'the map names a unit that is not there',
  )
  .refine(
    ({ merged, from, to }) =>
      !merged || (merged.length === from && merged.every((unit) => unit < to)),
    'there must be one new unit, or -1, per old unit',
  )

const parameter = z.strictObject({
  name,
  to: name,
  uses: z.array(use).exactOptional(),
  before: dims,
  after: dims,
  axes: z.array(z.strictObject({ axis: size, map: axisMap, role })),
  padding: z.number().exactOptional(),
  added: z
    .strictObject({
      start: z.enum(['zero', 'random', 'mean', 'copy', 'values']),
      shift: z.number().exactOptional(),
      read: z.literal('random').exactOptional(),
      values: z.array(z.number()).exactOptional(),
    })
    .exactOptional(),
  factor: z.number().positive().exactOptional(),
  noise: z
    .strictObject({
      kind: z.enum(growthChoices.noise),
      relative: z.number(),
      axis: size.exactOptional(),
      alike: z.literal(true).exactOptional(),
    })
    .exactOptional(),
})

const elementChange = z.strictObject({
  constant: name,
  index: size,
  from: z.int(),
  to: z.int(),
  clone: name.exactOptional(),
  uses: z.array(use).exactOptional(),
})

const attributeChange = z.strictObject({
  node: name,
  attribute: name,
  index: size.exactOptional(),
  from: z.int(),
  to: z.int(),
})

const pinnedNumber = z
  .strictObject({
    value: name,
    to: name,
    uses: z.array(use).exactOptional(),
    dtype: z.enum(
      Object.keys(dtypes).filter((dtype) => isNumeric(dtype as keyof typeof dtypes)) as [
        NumericDType,
        ...NumericDType[],
      ],
    ),
    dims,
    elements: z.array(z.number()),
  })
  .refine(
    ({ dims, elements }) => elementCount(dims) === elements.length,
    'there must be as many elements as the dimensions say',
  )

const positions = z.strictObject({
  name,
  to: name,
  uses: z.array(use).exactOptional(),
  before: dims,
  after: dims,
})

const fill = z.union([
  z.strictObject({ kind: z.literal('constant'), value: z.number() }),
  z.strictObject({
    kind: z.literal('identity'),
    axes: z.tuple([size, size]).readonly(),
    at: z.record(z.string(), size).exactOptional(),
    wrap: z.boolean().exactOptional(),
  }),
  z.strictObject({ kind: z.literal('values'), values: z.array(z.number()) }),
  z.strictObject({ kind: z.literal('normal'), mean: z.number(), deviation: z.number() }),
  z.strictObject({ kind: z.literal('uniform'), limit: z.number() }),
])

const attributeValue = z.union([
  z.number(),
  z.array(z.number()),
  z.string(),
  z.strictObject({ type: z.literal('float'), value: z.number() }),
  z.strictObject({ type: z.literal('floats'), value: z.array(z.number()) }),
])

const dtype = z.enum(Object.keys(dtypes) as [keyof typeof dtypes, ...(keyof typeof dtypes)[]])

const insertion = z.strictObject({
  after: name,
  name,
  value: name,
  source: name,
  init: z.enum(growthChoices.deepenInit),
  dtype,
  names: z.record(z.string(), z.string()),
  layer: z.strictObject({
    nodes: z.array(
      z.strictObject({
        opType: name,
        inputs: z.array(name),
        outputs: z.array(name),
        attributes: z.record(z.string(), attributeValue),
      }),
    ),
    parameters: z.array(z.strictObject({ name, dims, identity: fill, random: fill })),
  }),
})

const floatChange = z.strictObject({
  node: name,
  attribute: name,
  from: z.number(),
  to: z.number(),
})

const declaredAxis = z.strictObject({
  kind: z.enum(['input', 'output']),
  name,
  axis: size,
  from: size,
  to: size,
  why: name.exactOptional(),
})

const repetition = z.strictObject({
  blocks: z.array(name),
  mark: name,
  value: name,
  source: name,
  input: name,
  nodes: z.array(z.strictObject({ node: name, name })),
  values: z.record(name, name),
  parameters: z.array(
    z.strictObject({
      name,
      to: name,
      dims,
      start: z.enum(['copied', 'zero']),
      uses: z.array(use),
    }),
  ),
  gates: z.array(z.strictObject({ use, name, value: name, dims, dtype })),
})

const removal = z.strictObject({ name, nodes: z.array(name), from: name, to: name })

const kernelChange = z.strictObject({
  name,
  to: name,
  uses: z.array(use).exactOptional(),
  before: dims,
  border: dims,
  layers: z.array(
    z.strictObject({
      node: name,
      name,
      attributes: z.record(name, z.array(z.int()).nullable()),
    }),
  ),
})

const adapter = z.strictObject({
  layers: z.array(name),
  weight: name,
  uses: z.array(use),
  dims,
  dtype,
  rank: size,
  scale: z.number(),
  left: name,
  right: name,
  zero: z.enum(['left', 'right']),
  names: z.strictObject({ product: name, scaled: name, shaped: name, sum: name }),
})

/** A growth plan as JSON. */
export const planSchema = z
  .strictObject({
    version: z.union([z.literal(2), z.literal(3)]),
    seed: z.number(),
    units: z.array(units),
    parameters: z.array(parameter),
    copied: z.array(z.strictObject({ outputs: z.record(name, name), uses: z.array(use) })),
    integers: z.array(z.union([elementChange, attributeChange])),
    pinned: z.array(pinnedNumber),
    positions: z.array(positions),
    inserted: z.array(insertion),
    declared: z.array(declaredAxis).exactOptional(),
    floats: z.array(floatChange).exactOptional(),
    classes: z.array(name).exactOptional(),
    repeated: z.array(repetition).exactOptional(),
    removed: z.array(removal).exactOptional(),
    kernels: z.array(kernelChange).exactOptional(),
    adapters: z.array(adapter).exactOptional(),
  })
  .meta({ id: 'GrowthPlan', description: 'What a growth does to a model, as it was planned.' })

/** Plans from `planWiden` and `planDeepen` fit the schema, and what fits it is a plan. @public to the compiler alone */
export const asPlan = (plan: z.infer<typeof planSchema>): GrowthPlan => plan
