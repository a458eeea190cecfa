/** What is known of the networks that are trained: signals, which views show and `model.ts` changes. */
import { computed, signal } from '@preact/signals'
import type { LossName } from 'net2net/training'
import type { Failure } from '../../engine/protocol.ts'
import type { ChosenDevice } from '../protocol.ts'
import type { OwnEpoch, OwnSettings } from './protocol.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** What is known of an arm before its worker has begun. */
export interface Place {
  /** In English, or the network's name: `titleText` says it in the page's language. */
  readonly title: string
  /** Samples that its forerunners had seen since the first growth, when it began. */
  readonly from: number
  /** Of the steps of its training, those before it began here. */
  readonly stepsBefore: number
}

export interface Arm extends Place {
  readonly id: number
  readonly threads: number
  readonly parameters?: number
  /** To be made here. */
  readonly steps?: number
  readonly initial?: { readonly valLoss: number; readonly valAccuracy?: number }
  readonly losses: readonly number[]
  readonly epochs: readonly OwnEpoch[]
  readonly phase: 'loading' | 'training' | 'done' | 'failed'
  /** The network before its first step here, and as it is now. */
  readonly start?: Bytes
  readonly model?: Bytes
  readonly speed: number
  readonly failure?: Failure
}

export const arms = signal<readonly Arm[]>([])
export const paused = signal(false)
/** What is trained, and how; undefined before the start. */
export const ran = signal<
  | (OwnSettings & {
      readonly name: string
      readonly loss: LossName | 'auto'
      readonly count?: number
      readonly validation?: number
    })
  | undefined
>(undefined)
export const failure = signal<Failure | undefined>(undefined)
export const notes = signal<readonly string[]>([])
/** Where it is trained, and why; 'measuring' while that is found out. */
export const runsOn = signal<ChosenDevice | 'measuring' | undefined>(undefined)
/** Whether the training outlives the tab; if it does not, why. */
export const keeping = signal<
  | { readonly state: 'unknown' | 'kept' }
  | { readonly state: 'not kept'; readonly isFull: boolean; readonly reason: string }
>({ state: 'unknown' })

export type Phase = 'idle' | 'loading' | 'running' | 'paused' | 'done' | 'failed'
export const phase = computed<Phase>(() => {
  if (arms.value.length === 0) return failure.value ? 'failed' : ran.value ? 'loading' : 'idle'
  if (arms.value.every(({ phase: of }) => of === 'done' || of === 'failed'))
    return arms.value.some(({ phase: of }) => of === 'failed') ? 'failed' : 'done'
  if (paused.value) return 'paused'
  return arms.value.some(({ phase: of }) => of === 'training') ? 'running' : 'loading'
})
/** Whether there is nothing that other settings or data would lose. */
export const isFree = computed(
  () =>
    phase.value === 'idle' ||
    (phase.value === 'failed' && arms.value.every(({ losses }) => losses.length === 0)),
)
