import { type Signal, useSignal } from '@preact/signals'
import { models } from '../engine/model-client.ts'
import { outputStem } from '../engine/output-name.ts'
import type { Failure, ModelSummary } from '../engine/protocol.ts'
import { t } from '../text/text.ts'
import { announce } from '../ui/announce.tsx'
import { FailureNotice, failureFrom } from '../ui/failure.tsx'
import { count } from '../ui/format.ts'
import { saveAs } from '../ui/save.ts'
import { Verdict } from '../ui/verdict.tsx'
import { commands, fetchSample } from './command.ts'
import { canUndo, undo } from './history.ts'
import {
  cancelCheck,
  cancelGrowth,
  check,
  checkInputs,
  forgetInputs,
  growFailure,
  grown,
  modelParam,
  opened,
  regrowing,
  unwritable,
  useInputs,
} from './model.ts'
import { Plan } from './plan.tsx'
import { RecipeEditor } from './recipe.tsx'
import { settings } from './settings.ts'
import { TrainIt } from './train-it.tsx'

type Shown = 'command' | 'recipe' | 'plan'

type ShownSignal = Signal<Shown>

/** What has come of the growth, or why nothing has. */
export function Outcome() {
  const shown = useSignal<Shown>('command')
  const before = opened.value?.view
  const after = grown.value?.view
  if (before === undefined) return null
  if (after !== undefined) return <Result {...{ before, after, shown }} />
  return growFailure.value === undefined ? (
    <NothingYet shown={shown} />
  ) : (
    <Refusal failure={growFailure.value} shown={shown} />
  )
}

/** Nothing was asked for yet, or it is being grown. */
function NothingYet({ shown }: { readonly shown: ShownSignal }) {
  const able = opened.value?.layers.some(({ widen, deepen }) => widen === true || deepen === true)
  const hint = able
    ? t(
        'Widen a layer, or insert one: the network before and after appear side by side, and the difference of what they compute is measured.',
      )
    : t('This network cannot grow.')
  return (
    <div class="outcome-grid">
      <p class="muted">{regrowing.value ? t('Growing …') : hint}</p>
      <div class="row actions">
        {regrowing.value ? (
          <button type="button" onClick={() => void cancelGrowth()}>
            {t('Cancel')}
          </button>
        ) : null}
        <TrainIt />
        <Toggle id="recipe" label={t('Recipe')} shown={shown} />
      </div>
      {shown.value === 'recipe' ? <RecipeEditor /> : null}
    </div>
  )
}

function Refusal({ failure, shown }: { readonly failure: Failure; readonly shown: ShownSignal }) {
  return (
    <div class="outcome-grid">
      <FailureNotice failure={failure} />
      <div class="row actions">
        <button type="button" disabled={!canUndo.value} onClick={undo}>
          {t('Undo')}
        </button>
        <Toggle id="recipe" label={t('Recipe')} shown={shown} />
      </div>
      {shown.value === 'recipe' ? <RecipeEditor /> : null}
    </div>
  )
}

/** The measured difference, sizes before and after, and how to take the result along. */
function Result(props: {
  readonly before: ModelSummary
  readonly after: ModelSummary
  readonly shown: ShownSignal
}) {
  const { before, after, shown } = props
  const failure = useSignal<Failure | undefined>(undefined)
  const copied = useSignal('')
  const current = settings.value
  const [kind, sample = ''] = modelParam.value.split(':')
  const command = [
    ...(kind === 'sample' ? [fetchSample(sample)] : []),
    commands(before.name, current, opened.value ?? {}),
  ].join('\n')
  const download = async () => {
    failure.value = undefined
    try {
      const { files } = await models.growth.call('download', undefined)
      for (const { name, bytes } of files) saveAs(name, bytes, 'application/octet-stream')
      announce(t('Saved {0}.', files.map(({ name }) => name).join(', ')))
    } catch (error) {
      failure.value = failureFrom(error)
    }
  }
  const saveRecipe = async () => {
    failure.value = undefined
    try {
      const recipe = await models.growth.call('recipe', current)
      saveAs(`${outputStem(before.name)}.recipe.yaml`, recipe, 'application/yaml')
      announce(t('Saved the recipe.'))
    } catch (error) {
      failure.value = failureFrom(error)
    }
  }
  const copy = async () => {
    failure.value = undefined
    try {
      await navigator.clipboard.writeText(command)
      copied.value = command
      announce(t('The command is copied.'))
    } catch {
      // Pages from other machines by plain http have no clipboard, and a user may refuse it.
      failure.value = {
        kind: 'refused',
        message: t('The browser does not let this page copy.'),
        hint: t('Select the command, and copy it yourself.'),
      }
    }
  }
  return (
    <div class="outcome-grid" aria-busy={regrowing.value}>
      <div class="row facts-row">
        <CheckBadge />
        <Change label={t('Parameters')} before={before.parameters} after={after.parameters} />
        <Change
          label={t('Multiply-adds')}
          before={before.multiplyAdds}
          after={after.multiplyAdds}
        />
      </div>
      <div class="row actions">
        <TrainIt />
        <button type="button" onClick={() => void download()}>
          {t('Download model')}
        </button>
        <button type="button" class="copy" onClick={() => void copy()}>
          {copied.value === command ? t('Copied') : t('Copy command')}
        </button>
        <Toggle id="command" label={t('Command')} shown={shown} />
        <Toggle id="recipe" label={t('Recipe')} shown={shown} />
        <Toggle id="plan" label={t('Plan')} shown={shown} />
      </div>
      {shown.value === 'command' ? <pre class="command">{command}</pre> : null}
      {shown.value === 'recipe' ? (
        <div class="stack">
          <RecipeEditor />
          <div class="row">
            <button type="button" class="small" onClick={() => void saveRecipe()}>
              {t('Save the recipe')}
            </button>
          </div>
        </div>
      ) : null}
      {shown.value === 'plan' ? <Plan of={grown.value!.number} /> : null}
      {failure.value === undefined ? null : <FailureNotice failure={failure.value} />}
      {unwritable.value === undefined || failure.value !== undefined ? null : (
        <Unwritable failure={unwritable.value} />
      )}
    </div>
  )
}

/** Why the result cannot be downloaded. */
function Unwritable({ failure }: { readonly failure: Failure }) {
  const weights = opened.value?.weights
  return (
    <div data-unwritable>
      <p class="small">
        {t('What has grown cannot be downloaded in the files that it came from:')}{' '}
        {weights === undefined
          ? ''
          : t('(Opened without {0}, the network can be downloaded alone.)', weights)}
      </p>
      <FailureNotice failure={failure} />
    </div>
  )
}

function Toggle(props: {
  readonly id: Shown
  readonly label: string
  readonly shown: ShownSignal
}) {
  const { id, label, shown } = props
  return (
    <button
      type="button"
      aria-expanded={shown.value === id}
      onClick={() => {
        shown.value = shown.value === id ? 'command' : id
      }}
    >
      {label}
    </button>
  )
}

function CheckBadge() {
  const state = check.value
  if (regrowing.value)
    return (
      <span class="row late">
        <span class="badge">
          <span class="spinner" aria-hidden="true" /> {t('growing …')}
        </span>
        <button type="button" class="small" onClick={() => void cancelGrowth()}>
          {t('Cancel')}
        </button>
      </span>
    )
  if (state.state === 'running')
    return (
      <span class="row">
        <span class="badge">
          <span class="spinner" aria-hidden="true" /> {t('measuring …')}
        </span>
        <button type="button" class="small late" onClick={cancelCheck}>
          {t('Cancel')}
        </button>
      </span>
    )
  return (
    <span class="row">
      {state.state === 'failed' ? <FailureNotice failure={state.failure} /> : null}
      {state.state === 'done' ? <Verdict check={state.check} /> : null}
      <OwnInputs />
      {state.state === 'done' && state.check.aside?.length ? (
        <span class="muted small" role="status" data-aside>
          {t(
            'No inputs of the network, and left aside: {0}. Drop data with targets on the Train tab to train on them.',
            state.check.aside.join(', '),
          )}
        </span>
      ) : null}
    </span>
  )
}

/** Compares on what the user gives instead of random numbers. */
function OwnInputs() {
  let input: HTMLInputElement | null = null
  const own = checkInputs.value
  return (
    <>
      <button
        type="button"
        class="small quiet"
        title={t('Compare on .npz or .npy files, or on pictures, instead of random inputs.')}
        onClick={() => input?.click()}
      >
        {own.length === 0 ? t('Own inputs…') : t('On {0}', own.map(({ name }) => name).join(', '))}
      </button>
      {own.length === 0 ? null : (
        <button type="button" class="small quiet" onClick={forgetInputs}>
          {t('Random inputs')}
        </button>
      )}
      <input
        ref={(element) => {
          input = element
        }}
        type="file"
        multiple
        hidden
        accept=".npz,.npy,.png,.jpg,.jpeg,.webp,.bmp,.gif"
        aria-label={t('Inputs to compare on')}
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])]
          if (files.length > 0) void useInputs(files)
          event.currentTarget.value = ''
        }}
      />
    </>
  )
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
      <span class="muted">{label}</span> {count(before)} → <strong>{count(after)}</strong>{' '}
      <span class="muted small">×{(after / Math.max(1, before)).toFixed(2)}</span>
    </span>
  )
}
