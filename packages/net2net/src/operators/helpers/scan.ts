/**
 * Steps along time, one after the other, as the operator Scan: what a gradient computes from step to step.
 * https://onnx.ai/onnx/operators/onnx__Scan.html
 */
import type { Dim } from '../../model/model.ts'
import type { Emitter, GradientContext } from '../contract/gradient.ts'
import type { ValueInfo } from '../contract/infer.ts'

export interface Steps {
  /** Values before the first step; each step gives those of the next. */
  readonly states: readonly string[]
  /** Values [time, …], of which each step takes one entry. */
  readonly sequences: readonly string[]
  /** From the last entry to the first. */
  readonly backwards: boolean
  /** One step. It may read values from outside. */
  readonly step: (
    emitter: Emitter,
    states: readonly string[],
    entries: readonly string[],
  ) => { readonly states: readonly string[]; readonly outputs: readonly string[] }
}

export interface Stepped {
  /** Values after the last step. */
  readonly states: readonly string[]
  /** What the steps gave, [time, …], each at the place of the entries that it took. */
  readonly outputs: readonly string[]
}

export function emitScan(
  context: GradientContext,
  { states, sequences, backwards, step }: Steps,
): Stepped {
  const known = [...states, ...sequences].map((name) => context.info(name))
  const time: Dim = known[states.length]?.shape?.[0] ?? null
  const entries = known.map(
    (info, i): ValueInfo =>
      i < states.length ? bare(info) : { ...bare(info), shape: info.shape?.slice(1) },
  )
  const infos: ValueInfo[] = known.slice(0, states.length).map(bare)
  const body = context.subgraph(entries, (emitter, inputs) => {
    const after = step(emitter, inputs.slice(0, states.length), inputs.slice(states.length))
    for (const name of after.outputs) {
      const { dtype, shape } = emitter.info(name)
      infos.push({ dtype, shape: shape && [time, ...shape] })
    }
    return [...after.states, ...after.outputs]
  })
  const count = infos.length - states.length
  const directions = (length: number) => Array<number>(length).fill(backwards ? 1 : 0)
  const outputs = context.emit(
    'Scan',
    [...states, ...sequences],
    {
      body: { type: 'graph', value: body },
      num_scan_inputs: sequences.length,
      scan_input_directions: directions(sequences.length),
      scan_output_directions: directions(count),
    },
    { outputs: infos.length, infos },
  )
  return { states: outputs.slice(0, states.length), outputs: outputs.slice(states.length) }
}

/** What is known of all values that may stand there, not of one. */
const bare = ({ dtype, shape }: ValueInfo): ValueInfo => ({ dtype, shape })
