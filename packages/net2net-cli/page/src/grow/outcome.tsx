import { useSignal } from '@preact/signals'
import { models } from '../engine/model-client.ts'
import { outputStem } from '../engine/output-name.ts'
import type { Failure } from '../engine/protocol.ts'
import { announce } from '../ui/announce.tsx'
import { FailureNotice, failureFrom } from '../ui/failure.tsx'
import { brief } from '../ui/format.ts'
import { saveAs } from '../ui/save.ts'
import { Verdict } from '../ui/verdict.tsx'
import { commands } from './command.ts'
import { check, grown, opened, regrowing } from './model.ts'
import { settings } from './settings.ts'

/** The measured difference, sizes before and after, and how to take the result along. */
export function Outcome() {
  const failure = useSignal<Failure | undefined>(undefined)
  const showPlan = useSignal(false)
  const copied = useSignal('')
  const before = opened.value?.view
  const after = grown.value?.view
  if (before === undefined) return null
  if (after === undefined) {
    const able = opened.value?.layers.some(({ widen, deepen }) => widen === true || deepen === true)
    return (
      <p class="muted">
        {able
          ? 'Widen a layer, or insert one: the network before and after appear side by side, and the difference of what they compute is measured.'
          : 'This network cannot grow.'}
      </p>
    )
  }
  const current = settings.value
  const command = commands(before.name, current, opened.value ?? {})
  const download = async (what: 'model' | 'recipe') => {
    failure.value = undefined
    try {
      if (what === 'model') {
        const { files } = await models.call('download', undefined)
        for (const { name, bytes } of files) saveAs(name, bytes, 'application/octet-stream')
        announce(`Saved ${files.map(({ name }) => name).join(', ')}.`)
        return
      }
      const recipe = await models.call('recipe', undefined)
      saveAs(`${outputStem(before.name)}.recipe.json`, recipe, 'application/json')
      announce('Saved the recipe.')
    } catch (error) {
      failure.value = failureFrom(error)
    }
  }
  const copy = async () => {
    failure.value = undefined
    try {
      await navigator.clipboard.writeText(command)
      copied.value = command
      announce('The command is copied.')
    } catch {
      // Pages from other machines by plain http have no clipboard, and a user may refuse it.
      failure.value = {
        kind: 'refused',
        message: 'The browser does not let this page copy.',
        hint: 'Select the command, and copy it yourself.',
      }
    }
  }
  return (
    <div class="outcome-grid" aria-busy={regrowing.value}>
      <div class="row facts-row">
        <CheckBadge />
        <Change label="Parameters" before={before.parameters} after={after.parameters} />
        <Change label="Multiply-adds" before={before.multiplyAdds} after={after.multiplyAdds} />
      </div>
      <div class="row actions">
        <button type="button" class="primary" onClick={() => void download('model')}>
          Download model
        </button>
        <button type="button" onClick={() => void download('recipe')}>
          Recipe
        </button>
        <button type="button" class="copy" onClick={() => void copy()}>
          {copied.value === command ? 'Copied' : 'Copy command'}
        </button>
        <button
          type="button"
          aria-expanded={showPlan.value}
          onClick={() => {
            showPlan.value = !showPlan.value
          }}
        >
          Plan
        </button>
      </div>
      <pre class="command">{command}</pre>
      {showPlan.value ? <pre class="command plan">{grown.value!.text}</pre> : null}
      {failure.value === undefined ? null : <FailureNotice failure={failure.value} />}
    </div>
  )
}

function CheckBadge() {
  const state = check.value
  if (regrowing.value)
    return (
      <span class="badge late">
        <span class="spinner" aria-hidden="true" /> growing …
      </span>
    )
  if (state.state === 'running')
    return (
      <span class="badge">
        <span class="spinner" aria-hidden="true" /> measuring …
      </span>
    )
  if (state.state === 'failed') return <FailureNotice failure={state.failure} />
  if (state.state !== 'done') return null
  return <Verdict check={state.check} />
}

function Change({
  label,
  before,
  after,
}: {
  label: string
  before: number | null
  after: number | null
}) {
  if (before === null || after === null) return null
  return (
    <span class="change number">
      <span class="muted">{label}</span> {brief(before)} → <strong>{brief(after)}</strong>{' '}
      <span class="muted small">×{(after / Math.max(1, before)).toFixed(2)}</span>
    </span>
  )
}
