/** Drawn digits, and what each network says of them: before its first step here, and now. */
import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { models } from '../../engine/model-client.ts'
import type { Failure } from '../../engine/protocol.ts'
import { grown, opened, openedBy } from '../../grow/model.ts'
import { view } from '../../state.ts'
import { t } from '../../text/text.ts'
import { failureFrom } from '../../ui/failure.tsx'
import type { Answer } from '../answer-methods.ts'
import { answerer } from '../answerer.ts'
import { DrawDigit, type DrawnAnswer } from '../draw.tsx'
import { arms, ran } from './arms.ts'
import { settings } from './choices.ts'
import { colourOf, dashOf, titleText } from './look.ts'

/** Names of networks that take digits, and what is kept under each. */
const kept = new Map<string, unknown>()
const takes = signal<ReadonlySet<string>>(new Set())
const answers = signal<readonly Answer[]>([])
/** The networks of the Grow tab that were kept last. */
let asked: string | undefined
let digit: Float32Array | undefined
/** Why the networks do not answer. */
const failure = signal<Failure | undefined>(undefined)
/** Changes when there are other networks to ask. */
const version = signal(0)

async function keep(name: string, model: Uint8Array<ArrayBuffer>): Promise<void> {
  if (kept.get(name) === model) return
  kept.set(name, model)
  const { output } = ran.peek() ?? settings.peek()
  const fits = await answerer.call('keep', { name, model, output }).catch(() => false)
  // Meanwhile another network has this name, or none.
  if (kept.get(name) !== model) return
  const next = new Set(takes.peek())
  if (fits) next.add(name)
  else next.delete(name)
  takes.value = next
  version.value++
}

async function ask(pixels: Float32Array | undefined): Promise<void> {
  digit = pixels
  failure.value = undefined
  if (pixels === undefined) {
    answers.value = []
    return
  }
  try {
    const found = await answerer.call('answer', pixels)
    if (digit === pixels) answers.value = found
  } catch (error) {
    if (digit === pixels) failure.value = failureFrom(error)
  }
}

/** Before the start, the networks of the Grow tab answer, as long as it has no others. */
async function keepOpened(of: string): Promise<void> {
  const networks = await models.growth.call('networks', undefined).catch(() => [])
  for (const [i, model] of networks.entries()) if (asked === of) await keep(`${i} start`, model)
}

export function OwnDrawing() {
  const trained = arms.value
  const [before, after] = [opened.value, grown.value]
  const pair = after ? 2 : before ? 1 : 0
  const isShown = view.value === 'train-own'
  const networks = `${openedBy.value} ${after?.number}`
  useEffect(() => {
    if (trained.length > 0) asked = undefined
    if (!isShown || trained.length > 0 || before === undefined || asked === networks) return
    asked = networks
    answerer.call('forget', undefined).catch(() => undefined)
    kept.clear()
    takes.value = new Set()
    void keepOpened(networks)
  }, [isShown, networks, before === undefined, trained.length === 0])
  const bytes = trained.flatMap(({ start, model }) => [start, model])
  useEffect(() => {
    trained.forEach(({ start, model, epochs }, i) => {
      if (start) void keep(`${i} start`, start)
      if (model && epochs.length > 0) void keep(`${i} now`, model)
    })
  }, bytes)
  const titles =
    trained.length > 0
      ? trained.map(({ title }) => titleText(title))
      : [t('as it was'), t('grown')].slice(0, pair)
  const rows = titles.flatMap((title, i): readonly DrawnAnswer[] =>
    (['start', 'now'] as const).flatMap((moment) => {
      const name = `${i} ${moment}`
      if (!takes.value.has(name)) return []
      const { probabilities, classes } = answers.value.find((answer) => answer.name === name) ?? {}
      const when = moment === 'now' ? t('trained') : trained.length > 0 ? t('at its start') : ''
      return [
        {
          name,
          title: when === '' ? title : `${title}, ${when}`,
          colour: colourOf(i),
          dash: dashOf(i),
          probabilities,
          classes,
        },
      ]
    }),
  )
  const { data } = ran.value ?? settings.value
  // A network of tables has nothing to see.
  if (takes.value.size === 0) return null
  return (
    <DrawDigit
      answers={rows}
      whyNone={t('This network takes no pictures of 28×28 pixels.')}
      version={version.value}
      failure={failure.value}
      {...(data !== 'files' && { data })}
      onDigit={(pixels) => void ask(pixels)}
    />
  )
}
