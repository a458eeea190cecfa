/** Grows every layer of a model by itself and measures the difference in ONNX Runtime. */
import { createHash } from 'node:crypto'
import {
  type ComparisonOptions,
  compareSubjects,
  type SignatureComparison,
} from '../../src/check/comparison.ts'
import { Net2NetError } from '../../src/errors.ts'
import { applyPlan, inspect, planDeepen, planWiden } from '../../src/growth/index.ts'
import type { Model } from '../../src/model/model.ts'
import { encodeModel } from '../../src/onnx/encode.ts'
import { nodeRuntime } from '../../src/runtime/onnxruntime.node.ts'
import type { Feeds, Runtime, Session } from '../../src/runtime/runtime.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'

export type Growth =
  | { readonly kind: 'widen'; readonly layer: string; readonly width: string | number }
  | { readonly kind: 'deepen'; readonly layer: string }

/** What became of one growth: a measured difference, or the reason of a refusal. */
export type GrowthResult = Growth & {
  readonly maxAbs?: number
  /** Whether the functions are equal, as `compare` has it. */
  readonly equal?: SignatureComparison['equal']
  /** Whether they are equal within 1e-5, without regard to the teacher's own rounding. */
  readonly within?: boolean
  readonly refusal?: string
  /** Set where the layer cannot have exactly this width, but others. */
  readonly notThisWidth?: boolean
}

/** A model that is compared with many others: it runs once per set of inputs. */
export class Teacher {
  readonly model: Model
  readonly #bytes: Uint8Array
  readonly #sessions = new Map<string, Promise<Session>>()

  constructor(model: Model) {
    this.model = model
    this.#bytes = encodeModel(model)
  }

  async compare(student: Model, options: ComparisonOptions): Promise<SignatureComparison> {
    const runtime: Runtime = {
      ...nodeRuntime,
      createSession: async (source, options) => {
        if (source !== this.#bytes) return nodeRuntime.createSession(source, options)
        const key = JSON.stringify(options ?? {})
        const known = this.#sessions.get(key) ?? nodeRuntime.createSession(source, options)
        this.#sessions.set(key, known)
        return remembering(await known)
      },
    }
    const teacher = { file: this.#bytes, model: this.model }
    return compareSubjects(
      runtime,
      teacher,
      { file: encodeModel(student), model: student },
      options,
    )
  }

  async release(): Promise<void> {
    for (const session of this.#sessions.values()) await (await session).release()
  }
}

const remembered = new WeakMap<Session, Map<string, Record<string, Tensor>>>()

/** The session, with its results kept; releasing it is left to the owner. */
function remembering(session: Session): Session {
  const results = remembered.get(session) ?? new Map<string, Record<string, Tensor>>()
  remembered.set(session, results)
  return {
    inputs: session.inputs,
    outputs: session.outputs,
    release: async () => {},
    run: async (feeds) => {
      const key = keyOf(feeds)
      const known = results.get(key) ?? (await session.run(feeds))
      results.set(key, known)
      return known
    },
  }
}

function keyOf(feeds: Feeds): string {
  const hash = createHash('sha1')
  for (const [name, { dims, data }] of Object.entries(feeds))
    hash
      .update(`${name} ${dims}`)
      .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  return hash.digest('hex')
}

/** Each layer by half, twofold or by one unit in turn, and deepened. */
export function growthsOf(model: Model): readonly Growth[] {
  return inspect(model).layers.flatMap(({ name, width }, i): Growth[] => {
    const widths = ['x1.5', 'x2', ...(width === null ? [] : [width + 1])]
    return [
      { kind: 'widen', layer: name, width: widths[i % widths.length]! },
      { kind: 'deepen', layer: name },
    ]
  })
}

/** Applies one growth alone. Errors other than refusals are thrown on. */
export async function grow(
  teacher: Teacher,
  growth: Growth,
  options: ComparisonOptions = { samples: 2 },
): Promise<GrowthResult> {
  const { model } = teacher
  let student: Model
  try {
    const plan =
      growth.kind === 'widen'
        ? planWiden(model, { [growth.layer]: growth.width })
        : planDeepen(model, [growth.layer])
    student = applyPlan(model, plan)
  } catch (error) {
    if (!(error instanceof Net2NetError)) throw error
    if (error.kind === 'usage' && growth.kind === 'widen' && typeof growth.width === 'number')
      return { ...growth, notThisWidth: true, refusal: error.message }
    if (error.kind !== 'refused') throw error
    return { ...growth, refusal: error.message }
  }
  const { equal, outputs } = await teacher.compare(student, options)
  return {
    ...growth,
    equal,
    within: outputs.every(({ maxRel }) => maxRel <= 1e-5),
    maxAbs: Math.max(...outputs.map(({ maxAbs }) => maxAbs)),
  }
}
