/** Trains the pieces of an arm, one after the other. What is done is kept: whoever kills it loses at most some steps. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  applyPlan,
  countParameters,
  decodeModel,
  encodeModel,
  type GrowthPlan,
  type Model,
  planStep,
} from 'net2net'
import {
  CheckpointFolder,
  fingerprintOf,
  readCheckpoint,
  writeCheckpoint,
} from 'net2net/checkpoints'
import type { SampleSet } from 'net2net/data'
import { writeWhole } from 'net2net/files'
import { carryState } from 'net2net/growing'
import {
  adamw,
  evaluate,
  softmaxCrossEntropy,
  type TrainingState,
  train,
  warmUp,
  warmupStableDecay,
} from 'net2net/training'
import { lockFolder } from '../../packages/net2net-cli/src/processes/folder-lock.ts'
import {
  type Arm,
  batchSize,
  costOf,
  type Piece,
  piecesOf,
  shape,
  warmUpSequences,
} from './arms.ts'
import { transformer } from './network.ts'

/** What decides a training. */
export interface Job {
  readonly arm: Arm
  readonly seed: number
  readonly rate: number
  /** Multiply-adds of the whole. */
  readonly compute: number
  /** What the networks at its ends are measured on. */
  readonly measuredOn: 'validation' | 'test'
}

export interface Data {
  readonly vocabulary: number
  readonly train: SampleSet
  readonly validation: SampleSet
  readonly test: SampleSet
}

/** What is known of a training: numbers in order of time. */
export interface Outcome {
  readonly parameters: number
  /** Mean training loss over some steps each, at a constant rate. */
  readonly curve: readonly { readonly compute: number; readonly loss: number }[]
  /** How far apart the losses right before and right after a growth were. */
  readonly jumps: readonly number[]
  readonly ends: readonly End[]
}

/** A network whose rate has decayed. */
export interface End {
  readonly share: number
  readonly compute: number
  /** Of training, from the first step of the trunk. */
  readonly cpuSeconds: number
  readonly steps: number
  readonly loss: number
}

/** What a piece adds to the outcome, beside its state. */
interface Record {
  readonly compute: number
  readonly cpuSeconds: number
  /** Of a decayed network. */
  readonly loss?: number
  readonly curve: Outcome['curve']
  readonly jump?: number
}

interface Done {
  readonly model: Model
  readonly state: TrainingState
  readonly record: Record
}

const loss = softmaxCrossEntropy({ axis: -1 })
const session = { threads: 1 }
const checkpointSteps = 100
const curveSteps = 20

export const nameOf = ({ arm, seed, rate, measuredOn }: Job): string =>
  `${measuredOn}-${arm.name}-${rate}-${seed}`

const fileOf = (job: Job, folder: string): string => join(folder, `${nameOf(job)}.json`)

/** What is known from an earlier call, or from another process; undefined where the training is not finished. */
export function known(job: Job, folder: string): Outcome | undefined {
  const file = fileOf(job, folder)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Outcome) : undefined
}

/** Trains one of the jobs that are not finished and that no other process trains. @returns whether there was one */
export async function trainAny(jobs: readonly Job[], data: Data, folder: string): Promise<boolean> {
  for (const job of jobs) {
    if (known(job, folder)) continue
    const place = join(folder, nameOf(job))
    mkdirSync(place, { recursive: true })
    let unlock: (() => void) | undefined
    try {
      unlock = lockFolder(place, 'a training of this study')
    } catch {
      // Another process trains it.
      continue
    }
    try {
      // It may just have been finished.
      if (!known(job, folder)) await finish(job, data, folder, place)
    } finally {
      unlock()
    }
    rmSync(place, { recursive: true, force: true })
    return true
  }
  return false
}

async function finish(job: Job, data: Data, folder: string, place: string): Promise<void> {
  const pieces = piecesOf(job.arm, job.compute, (depth) =>
    costOf(depth, data.vocabulary, job.arm.batch),
  )
  const done = new Map<string, Done>()
  for (const piece of pieces) done.set(piece.name, await trainPiece(job, piece, done, data, place))
  const all = pieces.map((piece) => ({ piece, ...done.get(piece.name)! }))
  const outcome: Outcome = {
    parameters: countParameters(all.at(-1)!.model),
    curve: all.flatMap(({ piece, record }) => (piece.end === undefined ? record.curve : [])),
    jumps: all.flatMap(({ record }) => record.jump ?? []),
    ends: all.flatMap(({ piece, record, state }) =>
      piece.end === undefined
        ? []
        : {
            share: piece.end,
            compute: record.compute,
            cpuSeconds: record.cpuSeconds,
            steps: state.step,
            loss: record.loss!,
          },
    ),
  }
  await writeWhole(fileOf(job, folder), `${JSON.stringify(outcome)}\n`, { force: true })
}

async function trainPiece(
  job: Job,
  piece: Piece,
  done: ReadonlyMap<string, Done>,
  data: Data,
  place: string,
): Promise<Done> {
  const file = join(place, `${piece.name}.checkpoint`)
  if (existsSync(file)) {
    const { state, extra, attachments } = await readCheckpoint(file)
    const model = decodeModel(attachments!.get('network.onnx')!)
    return { model, state, record: extra as Record }
  }
  const before = piece.after === undefined ? undefined : done.get(piece.after)!
  const options = optionsOf(job, piece, data)
  const folder = new CheckpointFolder(join(place, piece.name), {
    fingerprint: fingerprintOf({ ...job, piece }),
    keep: 1,
  })
  const { checkpoint } = await folder.latest()
  const cost = costOf(piece.depth, data.vocabulary, job.arm.batch)
  const progress = (checkpoint?.extra as Progress | undefined) ?? {
    cpuSeconds: before?.record.cpuSeconds ?? 0,
    curve: [],
  }
  const curve = [...progress.curve]
  const compute = (step: number) =>
    (before?.record.compute ?? 0) + (step - (before?.state.step ?? 0)) * cost
  const began = process.cpuUsage()
  const cpuSeconds = () => progress.cpuSeconds + secondsOf(process.cpuUsage(began))

  const { vocabulary } = data
  const start = before
    ? startOf(before, piece, data, options)
    : {
        model: transformer({ ...shape, vocabulary, depth: piece.depth }, job.seed),
        state: undefined,
      }
  let sum = 0
  const training = train(start.model, data.train, {
    ...options,
    resume: checkpoint?.state ?? start.state,
    onStep({ step, loss }) {
      sum += loss / curveSteps
      if (step % curveSteps > 0) return
      curve.push({ compute: compute(step), loss: sum })
      sum = 0
    },
    checkpoint: {
      everySteps: checkpointSteps,
      async save(state) {
        if (state.step % curveSteps > 0) return
        const extra: Progress = { cpuSeconds: cpuSeconds(), curve }
        await folder.save(state, { extra })
      },
    },
  })
  for await (const _ of training);
  const { model, state } = training
  const seconds = cpuSeconds()

  const measured = async (network: Model) =>
    (await evaluate(network, data[job.measuredOn], { loss, session })).loss
  const record: Record = {
    compute: compute(state.step),
    cpuSeconds: seconds,
    curve,
    ...(piece.end === undefined ? {} : { loss: await measured(model) }),
    ...(before && piece.doublings > 0
      ? { jump: Math.abs((await measured(start.model)) - (await measured(before.model))) }
      : {}),
  }
  const attachments = new Map([['network.onnx', encodeModel(model)]])
  await writeCheckpoint(file, { fingerprint: '', state, extra: record, attachments })
  await folder.clear()
  process.stderr.write(
    `${nameOf(job)} ${piece.name}: step ${state.step}, ${seconds.toFixed(0)} s${record.loss === undefined ? '' : `, loss ${record.loss.toFixed(4)}`}\n`,
  )
  return { model, state, record }
}

interface Progress {
  readonly cpuSeconds: number
  readonly curve: Outcome['curve']
}

const secondsOf = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1e6

function optionsOf({ arm, seed, rate }: Job, { until, decaySteps }: Piece, { train }: Data) {
  const { batch = batchSize } = arm
  const epochs = until / (train.length / batch)
  const warmUpSteps = warmUpSequences / batch
  const next =
    decaySteps === 0 ? rate : warmupStableDecay(rate, epochs, { decay: decaySteps / until })
  return {
    loss,
    optimizer: adamw({ learningRate: warmUp(warmUpSteps, next), beta2: 0.95, weightDecay: 0.1 }),
    decayOnly: 'matrices',
    clipNorm: 1,
    batchSize: batch,
    epochs: Math.ceil(epochs),
    untilStep: until,
    seed,
    session,
  } as const
}

/** Where a piece begins: the network and its state so far, with all blocks repeated as often as the piece says. */
function startOf(
  before: Done,
  { doublings }: Piece,
  { train: samples }: Data,
  options: ReturnType<typeof optionsOf>,
): { readonly model: Model; readonly state: TrainingState } {
  if (doublings === 0) return before
  const plans: GrowthPlan[] = []
  let deeper = before.model
  for (let i = 0; i < doublings; i++) {
    const plan = planStep(deeper, { repeat: 'h.*' })
    plans.push(plan)
    deeper = applyPlan(deeper, plan)
  }
  const training = train(before.model, samples, { ...options, resume: before.state })
  return carryState(training, plans, options)
}
