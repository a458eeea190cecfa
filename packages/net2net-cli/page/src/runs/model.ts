/** What the Runs tab lists and shows: runs and explorations of the server, and trainings of this browser. */
import { computed, effect, signal } from '@preact/signals'
import type { StepRecord } from '../../../src/runs/run-record.ts'
import type { ExplorationContent, State } from '../../../src/server/api.ts'
import type { Failure } from '../engine/protocol.ts'
import { noGrowth } from '../grow/settings.ts'
import { escapeName, param, setParams, tab, unescapeName } from '../state.ts'
import { t } from '../text/text.ts'
import type { Curve } from '../train/curves.ts'
import { colourOf, dashOf, titleText } from '../train/own/look.ts'
import { goOnWith } from '../train/own/model.ts'
import type { TableArm } from '../train/table.tsx'
import { failureFrom } from '../ui/failure.tsx'
import { forget, keptRuns, read, resumable, stateOf } from './kept-runs.ts'
import type { KeptRun } from './run-store.ts'
import {
  ask,
  available,
  explorationContent,
  explorations,
  followServer,
  type RunContent,
  refresh,
  runContent,
  runs,
} from './server.ts'

export type Kind = 'browser' | 'exploration' | 'run'

export interface Entry {
  readonly kind: Kind
  /** What the address calls it. */
  readonly key: string
  readonly id: string
  readonly title: string
  /** What it is, in few words. */
  readonly facts: string
  readonly state: State
  /** Milliseconds since 1970. */
  readonly changed: number
  /** Stops it, goes on with it, or takes it away. */
  readonly stop?: () => void
  readonly goOn?: () => void
  readonly remove?: () => void
}

/** A run with its curves, wherever it was made. */
export interface ShownRun {
  readonly key: string
  readonly title: string
  readonly state: State
  readonly message: string | null
  readonly arms: readonly (TableArm & { readonly network: string | undefined })[]
  readonly curves: readonly Curve[]
  readonly epochs: number
  readonly batchSize: number
  readonly command: string | undefined
  /** Where its report is, and what it trained. */
  readonly report: string | undefined
}

export const failure = signal<Failure | undefined>(undefined)

/** Runs are called as their folders, which no colon is in. */
const keyOf = (kind: Kind, id: string): string =>
  kind === 'run' ? escapeName(id) : `${kind}:${escapeName(id)}`

const partsOf = (key: string): readonly [Kind, string] => {
  const [, kind, id] = /^(browser|exploration):(.*)$/s.exec(key) ?? []
  return kind === 'browser' || kind === 'exploration'
    ? [kind, unescapeName(id!)]
    : ['run', unescapeName(key)]
}

const seedText = (seed: number | null, arms: number) =>
  `${seed === null ? '' : `${t('seed {0}', seed)}, `}${arms === 1 ? t('1 arm') : t('{0} arms', arms)}`

/** Everything that there is, the newest first. */
export const entries = computed<readonly Entry[]>(() => {
  const all: Entry[] = [
    ...runs.value.map(({ id, state, changed, seed, arms, ours }) => ({
      kind: 'run' as const,
      key: keyOf('run', id),
      id,
      title: id,
      facts: seedText(seed, arms.length),
      state,
      changed,
      ...(ours && { stop: () => void act(() => ask(`runs/${encodeURIComponent(id)}/stop`, {})) }),
    })),
    ...explorations.value.map(({ id, state, changed, networks, bestLoss }) => ({
      kind: 'exploration' as const,
      key: keyOf('exploration', id),
      id,
      title: id,
      facts: `${networks === 1 ? t('1 network') : t('{0} networks', networks)}${
        bestLoss === null ? '' : `, ${t('best loss {0}', bestLoss.toFixed(4))}`
      }`,
      state,
      changed,
    })),
    ...[...(keptRuns.value?.values() ?? [])].map((run) => ({
      kind: 'browser' as const,
      key: keyOf('browser', run.id),
      id: run.id,
      title: titleOf(run),
      facts: seedText(run.seed, run.arms.length),
      state: stateOf(run),
      changed: run.changed,
      ...goingOn(run),
      ...(stateOf(run) !== 'running' && { remove: () => void act(() => forget(run.id)) }),
    })),
  ]
  return all.sort((a, b) => b.changed - a.changed || (a.key < b.key ? -1 : 1))
})

/** A training that was stopped, and of which its state is kept, goes on where it is watched. */
function goingOn(run: KeptRun): Pick<Entry, 'goOn'> {
  if (!resumable.value.includes(run)) return {}
  return {
    goOn() {
      setParams({ tab: 'train', what: 'own' }, { push: true })
      void goOnWith(run)
    },
  }
}

const titleOf = ({ title }: KeptRun): string => title ?? t('The experiment')

/** Whether it is known what there is. */
export const isKnown = computed(() => available.value !== undefined && keptRuns.value !== undefined)

const chosenParam = param('runs')
/** No folder is called so: names that the address lists are escaped. */
const none = ','
/** What is shown where the address says nothing: the newest, and still that when another becomes newer. */
let usual: string | undefined
export const chosen = computed<readonly string[]>(() => {
  const text = chosenParam.value
  if (text !== '') return text.split(',').filter(Boolean)
  if (!isKnown.value) return []
  if (!entries.value.some(({ key }) => key === usual)) usual = entries.value[0]?.key
  return usual === undefined ? [] : [usual]
})

export function choose(key: string, on: boolean): void {
  failure.value = undefined
  const others = chosen.peek().filter((other) => other !== key)
  setParams({ runs: (on ? [...others, key] : others).join(',') || none })
}

/** Keys of chosen runs and explorations that do not exist. */
export const unknown = computed<readonly string[]>(() =>
  isKnown.value
    ? chosen.value.filter((key) => !entries.value.some((entry) => entry.key === key))
    : [],
)
export const nameOf = (key: string): string => partsOf(key)[1]

async function act(what: () => Promise<unknown>): Promise<void> {
  try {
    await what()
  } catch (error) {
    failure.value = failureFrom(error)
  }
}

const runContents = signal<ReadonlyMap<string, RunContent>>(new Map())
export const explorationContents = signal<ReadonlyMap<string, ExplorationContent>>(new Map())

/** When what is here of runs and explorations was changed last. */
const versions = new Map<string, number>()

/** Follows what there is, and what is chosen of it, while the tab is shown. */
export function follow(): () => void {
  const stopServer = followServer()
  void read()
  const load = ({ kind, key, id, changed }: Entry) =>
    act(async () => {
      versions.set(key, changed)
      /** Newer content was asked for meanwhile; answers may come in another order. */
      const isOld = () => versions.get(key) !== changed
      if (kind === 'run') {
        const content = await runContent(id)
        if (isOld()) return
        runContents.value = new Map([...runContents.peek(), [key, content]])
      } else {
        const content = await explorationContent(id)
        if (isOld()) return
        explorationContents.value = new Map([...explorationContents.peek(), [key, content]])
      }
    })
  const stop = effect(() => {
    if (tab.value !== 'runs') return
    for (const entry of entries.value)
      if (
        entry.kind !== 'browser' &&
        chosen.value.includes(entry.key) &&
        versions.get(entry.key) !== entry.changed
      )
        void load(entry)
  })
  return () => {
    stop()
    stopServer()
  }
}

/** The chosen runs, as far as they are here. */
export const shownRuns = computed<readonly ShownRun[]>(() =>
  chosen.value.flatMap((key) => {
    if (unknown.value.includes(key)) return []
    const [kind, id] = partsOf(key)
    const content = kind === 'run' ? runContents.value.get(key) : undefined
    const kept = kind === 'browser' ? keptRuns.value?.get(id) : undefined
    return content ? [fromServer(key, content)] : kept ? [fromBrowser(key, kept)] : []
  }),
)

export const shownExplorations = computed(() =>
  chosen.value.flatMap((key) => {
    const content = explorationContents.value.get(key)
    const entry = entries.value.find((each) => each.key === key)
    return content && entry ? [{ entry, content }] : []
  }),
)

const curveOf = (
  arm: TableArm & { readonly initial?: Curve['initial'] | undefined },
  steps: readonly StepRecord[],
): Curve => {
  const own = steps.filter((step) => step.arm === arm.name)
  return {
    name: arm.name,
    steps: own.map(({ step }) => step),
    losses: own.map(({ loss }) => loss),
    epochs: arm.epochs,
    ...(arm.initial && { initial: arm.initial }),
  }
}

function fromServer(key: string, { id, state, message, results, steps }: RunContent): ShownRun {
  const arms = results?.arms ?? []
  const { settings, command } = results ?? {}
  return {
    key,
    title: id,
    state,
    message,
    arms: arms.map((arm) => ({
      ...arm,
      network: arm.epochs.length > 0 ? `run:${id}:${arm.name}` : undefined,
    })),
    curves: arms.map((arm) => curveOf(arm, steps)),
    epochs: settings?.epochs ?? Math.max(0, ...arms.map((arm) => arm.epochs.length)),
    batchSize: settings?.batchSize ?? 1,
    command,
    report: arms.length > 0 ? `./api/runs/${encodeURIComponent(id)}/report` : undefined,
  }
}

function fromBrowser(key: string, run: KeptRun): ShownRun {
  const { id, arms, steps, epochs, batchSize } = run
  const looks = arms.map(({ title }, i) =>
    title === undefined
      ? undefined
      : { label: titleText(title), colour: colourOf(i), dash: dashOf(i) },
  )
  return {
    key,
    title: titleOf(run),
    state: stateOf(run),
    message: null,
    arms: arms.map(({ name, hasModel, ...arm }, i) => ({
      ...arm,
      name,
      look: looks[i],
      network: hasModel ? `browser:${id}:${name}` : undefined,
    })),
    curves: arms.map((arm, i) => ({
      ...curveOf(arm, steps),
      look: looks[i],
      epochsBefore: arm.epochsBefore,
    })),
    epochs,
    batchSize,
    command: undefined,
    report: undefined,
  }
}

/** Opens a network of a run or an exploration on the Grow tab. */
export const growIt = (network: string): void =>
  setParams({ tab: 'grow', model: network, ...noGrowth }, { push: true })

export interface StartSettings {
  readonly arms: readonly string[]
  readonly epochs: number
  readonly trainSize: number
  readonly testSize: number
  readonly batchSize: number
  readonly seed: number
}

export const start = (settings: StartSettings): Promise<void> =>
  act(async () => {
    failure.value = undefined
    const { id } = await ask<{ id: string }>('runs', settings)
    await refresh()
    setParams({ runs: keyOf('run', id) })
  })
