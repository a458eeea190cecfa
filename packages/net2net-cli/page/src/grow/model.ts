/** What the Grow tab shows: the opened model, its growth, the check. */
import { batch, computed, effect, signal } from '@preact/signals'
import { Checker, inputFiles, isInputFile } from '../engine/checker.ts'
import { latest } from '../engine/client.ts'
import { models } from '../engine/model-client.ts'
import type {
  Check,
  Failure,
  GrownModel,
  GrowSettings,
  InputFile,
  OpenedModel,
  Source,
} from '../engine/protocol.ts'
import {
  missingSource,
  modelsAmong,
  sameFile,
  sourceFromFiles,
  sourceOf,
} from '../engine/sources.ts'
import { param, setParams, view } from '../state.ts'
import { t } from '../text/text.ts'
import { isDataFile, useFiles } from '../train/own/choices.ts'
import { announce } from '../ui/announce.tsx'
import { failureFrom } from '../ui/failure.tsx'
import { tiny } from '../ui/format.ts'
import { verdictOf } from '../ui/verdict.tsx'
import { change, clear, growing, noGrowth, settings } from './settings.ts'

export const modelParam = param('model', 'sample:teacher')

export const opened = signal<OpenedModel | undefined>(undefined)
/** Counts openings: a new number is a new drawing. */
export const opening = signal(0)
/** The opening that `opened` came from. */
export const openedBy = signal(0)
export const openFailure = signal<Failure | undefined>(undefined)
export const busy = signal(false)

/** Numbered, since one growth may be drawn in several ways. */
export type Grown = GrownModel & { readonly number: number }
export const grown = signal<Grown | undefined>(undefined)
let growths = 0
/** The settings are ahead of what is shown. */
export const regrowing = signal(false)
export const growFailure = signal<Failure | undefined>(undefined)
export type CheckState =
  | { readonly state: 'none' | 'running' }
  | { readonly state: 'done'; readonly check: Check }
  | { readonly state: 'failed'; readonly failure: Failure }
/** Why what is shown cannot be written in the format that the network came in. */
export const unwritable = signal<Failure | undefined>(undefined)
export const check = signal<CheckState>({ state: 'none' })

/** The node that the details speak of, by its key in the drawing. */
export const selected = signal<string | undefined>(undefined)

let shown: string | undefined
/** What is open, to be opened once more where its worker was ended. */
let openSource: Source | undefined
/** The settings whose growth is shown. */
let shownSettings: GrowSettings | undefined

/** The user's own inputs for the check; none: random ones. */
export const checkInputs = signal<readonly InputFile[]>([])

/** Counts what was to be opened: a file that takes long to read does not replace what was chosen after it. */
let wishes = 0

/** Opens what was dropped; the settings of another model make no sense for it. */
export async function openFiles(files: readonly File[]): Promise<void> {
  if (files.every(({ name }) => isInputFile(name))) return useInputs(files)
  if (files.every(({ name }) => isDataFile(name))) return takeData(files)
  const { models: found, data } = modelsAmong(files)
  const wish = ++wishes
  let file: Awaited<ReturnType<typeof sourceFromFiles>>
  try {
    file = await sourceFromFiles(found[0]!, data)
  } catch (error) {
    if (wish === wishes) openFailure.value = failureFrom(error)
    return
  }
  if (wish !== wishes) return
  const { name, source } = file
  // The very file that a link asks for grows as the link says, whatever it is called here.
  if (sameFile(name, modelParam.peek())) shown = modelParam.peek()
  else {
    shown = name
    setParams({ model: name, ...noGrowth }, { push: true })
  }
  await open(source)
}

/** Says that dropped data were taken as such. */
export const dataNote = signal<string | undefined>(undefined)

async function takeData(files: readonly File[]): Promise<void> {
  await useFiles(files)
  const names = files.map(({ name }) => name).join(', ')
  dataNote.value = t('{0} is what networks are trained and measured on from now on.', names)
  announce(dataNote.value)
}

export function openSample(id: string): void {
  setParams({ model: `sample:${id}`, ...noGrowth }, { push: true })
}

async function openNamed(name: string): Promise<void> {
  const source = await sourceOf(name)
  // Meanwhile another one.
  if (shown === name) await open(source)
}

async function open(source: Source | undefined): Promise<void> {
  stopCheck()
  batch(() => {
    busy.value = true
    openFailure.value = undefined
    growFailure.value = undefined
    grown.value = undefined
    regrowing.value = false
    check.value = { state: 'none' }
    checkInputs.value = []
    selected.value = undefined
    dataNote.value = undefined
  })
  openSource = source
  shownSettings = undefined
  const number = opening.peek() + 1
  opening.value = number
  try {
    if (source === undefined)
      throw missingSource(
        modelParam.peek(),
        t(
          'Open that file here, and it grows as the link says; or choose one of the sample networks.',
        ),
      )
    const model = await models.growth.call('open', source)
    if (opening.peek() !== number) return
    batch(() => {
      opened.value = model
      openedBy.value = number
    })
    announce(t('{0}: {1} nodes.', model.view.name, model.view.nodes))
  } catch (error) {
    if (opening.peek() !== number) return
    batch(() => {
      opened.value = undefined
      openFailure.value = error instanceof Error ? failureFrom(error) : (error as Failure)
    })
  } finally {
    if (opening.peek() === number) busy.value = false
  }
}

/** Ends the reading of a file. */
export function cancelOpening(): void {
  if (!busy.peek()) return
  opening.value = opening.peek() + 1
  models.growth.stop()
  batch(() => {
    busy.value = false
    opened.value = undefined
    openFailure.value = {
      kind: 'interrupted',
      message: t('Opening was cancelled.'),
      hint: t('Open a file, or choose one of the sample networks.'),
    }
  })
}

/** Ends a growth that takes too long, and goes back to what was shown before. */
export async function cancelGrowth(): Promise<void> {
  if (!regrowing.peek() || openSource === undefined) return
  const before = shownSettings
  models.growth.stop()
  const number = opening.peek() + 1
  batch(() => {
    opening.value = number
    openedBy.value = number
    regrowing.value = false
  })
  const reopening = models.growth.ask('open', openSource)
  if (before === undefined) clear()
  else change(before)
  announce(t('Cancelled.'))
  await reopening
}

/** Compares on these files, of which each has inputs: .npz, .npy, pictures. */
export async function useInputs(files: readonly File[]): Promise<void> {
  const of = opening.peek()
  const wish = ++inputWishes
  // Meanwhile another network, or other inputs.
  const isLate = () => opening.peek() !== of || wish !== inputWishes
  try {
    const inputs = await inputFiles(files)
    if (isLate()) return
    checkInputs.value = inputs
    const result = grown.peek()
    dataNote.value =
      result === undefined
        ? t('What has grown will be compared on {0}.', files.map(({ name }) => name).join(', '))
        : undefined
    if (result === undefined) return
    check.value = { state: 'running' }
    await runCheck(result)
  } catch (error) {
    if (!isLate()) check.value = { state: 'failed', failure: failureFrom(error) }
  }
}
let inputWishes = 0

/** Random inputs again. */
export function forgetInputs(): void {
  inputWishes++
  checkInputs.value = []
  const result = grown.peek()
  if (result === undefined) return
  check.value = { state: 'running' }
  void runCheck(result)
}

export function cancelCheck(): void {
  stopCheck()
  check.value = { state: 'none' }
}

/** Draws blocks of a large network as their nodes. */
export async function expand(blocks: readonly string[] | 'all' | 'none'): Promise<void> {
  const [before, after] = [opened.peek(), grown.peek()]
  const drawing = await models.growth.ask('expand', { of: 'growth', blocks })
  if (drawing === undefined) return
  if (after !== undefined && grown.peek() === after) grown.value = { ...after, drawing }
  else if (before !== undefined && opened.peek() === before) opened.value = { ...before, drawing }
}

const grow = latest((wanted: GrowSettings) => models.growth.call('grow', wanted))
const checker = new Checker('growth')
let checkTimer: ReturnType<typeof setTimeout> | undefined

async function regrow(): Promise<void> {
  const number = opening.peek()
  const current = settings.peek()
  regrowing.value = true
  try {
    const answer = await grow(current)
    if (answer === undefined) return
    // Meanwhile another model, or other settings.
    if (opening.peek() !== number || settings.peek() !== current) {
      if (!growing.peek()) void forgetGrowth()
      return
    }
    const result = { ...answer, number: ++growths }
    batch(() => {
      grown.value = result
      unwritable.value = undefined
      regrowing.value = false
      growFailure.value = undefined
      check.value = { state: 'running' }
    })
    shownSettings = current
    clearTimeout(checkTimer)
    checkTimer = setTimeout(() => {
      void runCheck(result)
      void askForRefusal(result)
    }, 250)
  } catch (error) {
    if (opening.peek() !== number || settings.peek() !== current) return
    batch(() => {
      grown.value = undefined
      regrowing.value = false
      growFailure.value = failureFrom(error)
      check.value = { state: 'none' }
    })
  }
}

function stopCheck(): void {
  clearTimeout(checkTimer)
  checker.stop()
}

async function runCheck(of: Grown): Promise<void> {
  try {
    const result = await checker.check(checkInputs.peek())
    // The same growth may be drawn otherwise by now.
    if (result === undefined || grown.peek()?.number !== of.number) return
    check.value = { state: 'done', check: result }
    const worst = Math.max(0, ...result.outputs.map((output) => output.maxAbs))
    announce(t('Checked: {0}, largest difference {1}.', verdictOf(result).words, tiny(worst)))
  } catch (error) {
    if (grown.peek()?.number === of.number)
      check.value = { state: 'failed', failure: failureFrom(error) }
  }
}

/** Whether the network's own file, and what came beside it, can follow: nobody should learn it from a download alone. */
async function askForRefusal(of: Grown): Promise<void> {
  try {
    await models.growth.call('mustBeWritable', undefined)
  } catch (error) {
    const failure = failureFrom(error)
    if (grown.peek()?.number === of.number && failure.kind !== 'interrupted')
      unwritable.value = failure
  }
}

/** The Train tab trains what the Grow tab shows. */
const isShown = computed(() => view.value === 'grow' || view.value === 'train-own')
/** What was grown last, to be grown anew only when something else is wanted. */
let followed: { readonly settings: GrowSettings; readonly opening: number } | undefined

/** Opens and grows what the address says, as long as that is looked at. */
export function followAddress(): void {
  effect(() => {
    const name = modelParam.value
    if (!isShown.value || name === shown) return
    shown = name
    wishes++
    void openNamed(name)
  })
  effect(() => {
    const wanted = { settings: settings.value, opening: openedBy.peek() }
    if (opened.value === undefined || !isShown.value) return
    if (followed?.settings === wanted.settings && followed.opening === wanted.opening) return
    followed = wanted
    if (growing.value) void regrow()
    else takeBack()
  })
}

/** Shows the network alone, as it was opened. */
function takeBack(): void {
  stopCheck()
  const had = grown.peek() !== undefined || regrowing.peek()
  batch(() => {
    grown.value = undefined
    regrowing.value = false
    growFailure.value = undefined
    check.value = { state: 'none' }
  })
  if (had) void forgetGrowth()
}

async function forgetGrowth(): Promise<void> {
  const number = openedBy.peek()
  const drawing = await models.growth.ask('forgetGrowth', undefined)
  const model = opened.peek()
  if (
    drawing !== undefined &&
    model !== undefined &&
    openedBy.peek() === number &&
    grown.peek() === undefined
  )
    opened.value = { ...model, drawing }
}

/** Shows a layer in the graph. */
export async function selectLayer(name: string): Promise<void> {
  const found = await models.growth.ask('locate', { of: 'growth', node: { name } })
  if (found !== undefined) selected.value = found.key
}
