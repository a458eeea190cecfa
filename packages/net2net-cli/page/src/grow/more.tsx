/** Growth of other kinds: new classes and tokens, copies of residual blocks, larger kernels, and the way back. */
import { useSignal } from '@preact/signals'
import type { GrowthStep } from 'net2net'
import { useEffect } from 'preact/hooks'
import { models } from '../engine/model-client.ts'
import type { LargerKernel, ModelSummary } from '../engine/protocol.ts'
import { said, t } from '../text/text.ts'
import { failureFrom } from '../ui/failure.tsx'
import { grown, openedBy, regrowing } from './model.ts'
import { change, settings } from './settings.ts'

interface Kind {
  readonly id: string
  readonly label: string
  /** What the field for names says; undefined: there are none to give. */
  readonly names?: string
  readonly usual: (view: ModelSummary) => string
  /** The field for a number, and its usual value; undefined: the worker knows it. */
  readonly number?: { readonly label: string; readonly usual?: number }
  readonly step: (name: string, number: number) => GrowthStep
}

const kinds: readonly Kind[] = [
  {
    id: 'outputs',
    label: 'More classes or values of an output',
    names: 'Output',
    usual: ({ outputs }) =>
      (outputs.find(({ dtype }) => dtype.startsWith('float')) ?? outputs[0])?.name ?? '',
    number: { label: 'How many more', usual: 5 },
    step: (name, by) => ({ extend: { outputs: { [name]: by } } }),
  },
  {
    id: 'inputs',
    label: 'More channels or features of an input',
    names: 'Input',
    usual: ({ inputs }) => inputs[0]?.name ?? '',
    number: { label: 'How many more', usual: 1 },
    step: (name, by) => ({ extend: { inputs: { [name]: by } } }),
  },
  {
    id: 'vocabulary',
    label: 'More tokens',
    usual: () => '',
    number: { label: 'How many more', usual: 100 },
    step: (_, by) => ({ extend: { vocabulary: by } }),
  },
  {
    id: 'positions',
    label: 'More positions',
    usual: () => '',
    number: { label: 'How many more', usual: 64 },
    step: (_, by) => ({ extend: { positions: by } }),
  },
  {
    id: 'repeat',
    label: 'Copy residual blocks',
    names: 'Layers, modules or patterns',
    usual: () => '*',
    step: (names) => ({ repeat: listOf(names) }),
  },
  {
    id: 'kernel',
    label: 'Larger kernels',
    names: 'Layers or patterns',
    usual: () => '*',
    number: { label: 'Size' },
    step: (name, size) => ({ kernel: Object.fromEntries(listOf(name).map((one) => [one, size])) }),
  },
  {
    id: 'factor',
    label: 'Wider by a factor',
    names: 'Layers, heads or patterns',
    usual: () => '*',
    number: { label: 'Factor', usual: 2 },
    step: (name, by) => ({ widen: Object.fromEntries(listOf(name).map((one) => [one, `x${by}`])) }),
  },
  {
    id: 'shrink',
    label: 'Take away what is not needed',
    names: 'Layers or patterns',
    usual: () => '*',
    step: (names) => ({ shrink: listOf(names) }),
  },
]

const listOf = (names: string): readonly string[] =>
  names
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean)

/** What was typed for a network is not for the next one. */
const noneTyped: { readonly name: string | undefined; readonly number: number | undefined } = {
  name: undefined,
  number: undefined,
}

export function MoreGrowth({ view }: { view: ModelSummary }) {
  const id = useSignal('outputs')
  const isOpen = useSignal(false)
  const typed = useSignal({ ...noneTyped, of: 0 })
  const kind = kinds.find((candidate) => candidate.id === id.value)!
  const { name, number } = typed.value.of === openedBy.value ? typed.value : noneTyped
  const type = (next: Partial<typeof noneTyped>) => {
    const [before, of] = [typed.peek(), openedBy.peek()]
    typed.value = { ...(before.of === of ? before : noneTyped), ...next, of }
  }
  const [namesHeld, numberHeld] = [useHeld(), useHeld()]
  const kernel = useLargerKernel(id.value === 'kernel', listOf(name ?? ''))
  const names = name ?? kernel?.names.join(', ') ?? kind.usual(view)
  const by = number ?? kind.number?.usual ?? kernel?.size
  const isComplete =
    (kind.names === undefined || names.trim() !== '') &&
    (kind.number === undefined || by !== undefined)
  const { more, seed } = settings.value
  const add = () => {
    // The seed is written down, so that what stands before changes nothing.
    const step = { ...kind.step(names, by ?? 0), seed: seed + more.length }
    change({ more: [...more, step] })
    // The next kernel is proposed for what has grown.
    if (kind.id === 'kernel') type({ number: undefined })
    numberHeld.release()
  }
  return (
    <details
      class="more-growth pad"
      open={isOpen.value || more.length > 0}
      onToggle={(event) => {
        isOpen.value = event.currentTarget.open
      }}
    >
      <summary>{t('Other growth')}</summary>
      <div class="stack">
        {more.length === 0 ? null : (
          <ol class="steps">
            {more.map((step, i) => (
              <li key={`${i} ${stepText(step)}`}>
                <code>{stepText(step)}</code>
                <button
                  type="button"
                  class="icon quiet small"
                  aria-label={t('Remove {0}', stepText(step))}
                  onClick={() => change({ more: more.filter((_, k) => k !== i) })}
                >
                  ×
                </button>
              </li>
            ))}
          </ol>
        )}
        <form
          class="fields"
          onSubmit={(event) => {
            event.preventDefault()
            add()
          }}
        >
          <label class="field">
            <span>{t('Kind of growth')}</span>
            <select
              value={id}
              onChange={(event) => {
                id.value = event.currentTarget.value
                type(noneTyped)
                namesHeld.release()
                numberHeld.release()
              }}
            >
              {kinds.map(({ id: each, label }) => (
                <option key={each} value={each}>
                  {t(label)}
                </option>
              ))}
            </select>
          </label>
          {kind.names === undefined ? null : (
            <label class="field">
              <span>{t(kind.names)}</span>
              <input
                type="text"
                {...namesHeld.field(names)}
                onInput={(event) => {
                  namesHeld.hold(event)
                  type({ name: event.currentTarget.value })
                }}
              />
            </label>
          )}
          {kind.number === undefined ? null : (
            <label class="field">
              <span>{t(kind.number.label)}</span>
              <input
                type="number"
                min={kernel?.size ?? 1}
                step={kind.id === 'factor' ? 'any' : kernel?.size === undefined ? 1 : 2}
                {...numberHeld.field(`${by ?? ''}`)}
                onInput={(event) => {
                  numberHeld.hold(event)
                  const { valueAsNumber } = event.currentTarget
                  if (!Number.isNaN(valueAsNumber)) type({ number: valueAsNumber })
                }}
              />
            </label>
          )}
          <button type="submit" disabled={!isComplete}>
            {t('Add this growth')}
          </button>
        </form>
        {kernel?.reason === undefined || number !== undefined ? null : (
          <p class="muted small" data-why="kernel">
            {said(kernel.reason)}
          </p>
        )}
      </div>
    </details>
  )
}

/** What a field shows while somebody is in it: a proposal that arrives in between must not change what is being typed. */
function useHeld() {
  const held = useSignal<string | undefined>(undefined)
  const hold = (event: { readonly currentTarget: HTMLInputElement }) => {
    held.value = event.currentTarget.value
  }
  const release = () => {
    held.value = undefined
  }
  return {
    hold,
    release,
    field: (value: string) => ({ value: held.value ?? value, onFocus: hold, onBlur: release }),
  }
}

/** The next larger kernel of these layers of what is shown, as soon as the worker has told. */
function useLargerKernel(isWanted: boolean, names: readonly string[]): LargerKernel | undefined {
  const found = useSignal<LargerKernel | undefined>(undefined)
  const of = `${openedBy.value} ${grown.value?.number} ${regrowing.value}`
  useEffect(() => {
    let isCurrent = true
    found.value = undefined
    if (isWanted && !regrowing.peek())
      models.growth.call('largerKernel', names).then(
        (answer) => {
          if (isCurrent) found.value = answer
        },
        (error) => {
          const { kind, message } = failureFrom(error)
          if (isCurrent && kind !== 'interrupted') found.value = { names, reason: message }
        },
      )
    return () => {
      isCurrent = false
    }
  }, [isWanted, names.join(), of])
  return isWanted ? found.value : undefined
}

/** A step in few words: as the recipe says it, without what is usual. */
export function stepText(step: GrowthStep): string {
  const { seed: _, plan: __, ...rest } = step
  return JSON.stringify(rest).replaceAll(/["{}]/g, ' ').replaceAll(/\s+/g, ' ').trim()
}
