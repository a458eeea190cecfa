/** The growth as a recipe that can be changed: what is written is grown at once. */
import { useSignal } from '@preact/signals'
import { useEffect, useLayoutEffect } from 'preact/hooks'
import { models } from '../engine/model-client.ts'
import type { Failure, GrowSettings } from '../engine/protocol.ts'
import { settingsOf, stepsOf } from '../engine/steps.ts'
import { t } from '../text/text.ts'
import { FailureNotice, failureFrom } from '../ui/failure.tsx'
import { opening } from './model.ts'
import { change, settings } from './settings.ts'

/** Whoever types is not interrupted by every letter. */
const pause = 350

export function RecipeEditor() {
  const text = useSignal('')
  const failure = useSignal<Failure | undefined>(undefined)
  /** The settings that the text says, or is the text of. */
  const of = useSignal<GrowSettings | undefined>(undefined)
  const current = settings.value
  // Before anybody can type into what has just been drawn.
  useLayoutEffect(() => {
    if (of.peek() === current) return
    of.value = current
    if (stepsOf(current).length === 0) {
      text.value = ''
      return
    }
    const before = text.peek()
    // Whoever has begun to type goes on.
    const isLate = () => of.peek() !== current || text.peek() !== before
    models.growth.ask('recipe', current).then(
      (recipe) => {
        if (recipe === undefined || isLate()) return
        text.value = recipe
        failure.value = undefined
      },
      (error) => {
        if (!isLate()) failure.value = failureFrom(error)
      },
    )
  }, [current])
  useEffect(() => () => clearTimeout(timer), [])
  const read = async (written: string) => {
    const network = opening.peek()
    try {
      const steps = written.trim() === '' ? [] : await models.growth.call('readRecipe', written)
      if (text.peek() !== written || opening.peek() !== network) return
      failure.value = undefined
      change(settingsOf(steps))
      // The text stays as it was written.
      of.value = settings.peek()
    } catch (error) {
      if (text.peek() === written) failure.value = failureFrom(error)
    }
  }
  return (
    <div class="recipe">
      <textarea
        aria-label={t('Recipe')}
        spellcheck={false}
        rows={Math.min(16, Math.max(5, text.value.split('\n').length))}
        placeholder={'steps:\n  - widen: { conv1: x2 }\n  - deepen: [fc1]'}
        value={text}
        aria-invalid={failure.value !== undefined}
        onInput={(event) => {
          const written = event.currentTarget.value
          text.value = written
          clearTimeout(timer)
          timer = setTimeout(() => void read(written), pause)
        }}
      />
      {failure.value === undefined ? null : <FailureNotice failure={failure.value} />}
    </div>
  )
}

let timer: ReturnType<typeof setTimeout> | undefined
