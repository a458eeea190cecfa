/** Trains the network of the Grow tab and what grew from it, side by side. */
import { useEffect } from 'preact/hooks'
import { opened, openFiles } from '../../grow/model.ts'
import { read } from '../../runs/kept-runs.ts'
import { view } from '../../state.ts'
import { said, t } from '../../text/text.ts'
import { announce } from '../../ui/announce.tsx'
import { DropArea } from '../../ui/drop.tsx'
import { FailureNotice } from '../../ui/failure.tsx'
import { seconds } from '../../ui/format.ts'
import { arms, failure, isFree, keeping, notes, phase, ran, runsOn } from './arms.ts'
import { settings, useFiles } from './choices.ts'
import { Charts } from './curves.tsx'
import { OwnDrawing } from './drawing.tsx'
import { KeptList } from './kept-list.tsx'
import { goOn, pause, reset, start } from './model.ts'
import { Settings } from './settings.tsx'
import { Table } from './table.tsx'

/** Data are taken for the training, and networks for what is trained, as long as nothing is. */
function take(dropped: readonly File[]): void {
  const isNetwork = dropped.some(({ name }) => /\.(onnx|keras|h5|hdf5)$/i.test(name))
  if (!isFree.peek()) {
    const note = t('A training is there: reset it before you give it other files.')
    notes.value = [...new Set([...notes.peek(), note])]
    announce(note)
    return
  }
  if (phase.peek() !== 'idle') reset()
  void (isNetwork ? openFiles(dropped) : useFiles(dropped))
}

export function OwnView() {
  const isShown = view.value === 'train-own'
  useEffect(() => {
    if (isShown) void read()
  }, [isShown])
  return (
    <DropArea class={`train own ${phase.value === 'idle' ? 'idle' : ''}`} onFiles={take}>
      <h1 class="unseen">{t('Train your network')}</h1>
      <Settings />
      <div class="train-main">
        <Status />
        <Charts />
        <Table />
        <OwnDrawing />
      </div>
    </DropArea>
  )
}

const words = {
  idle: 'Ready.',
  loading: 'Loading the runtime and the data …',
  running: 'Training',
  paused: 'Stopped',
  done: 'Done',
  failed: 'Failed',
} as const

function Status() {
  const now = phase.value
  const { epochs, batchSize } = ran.value ?? settings.value
  const samples = ran.value?.count ?? settings.value.samples
  const perEpoch = Math.ceil(samples / batchSize)
  const done = arms.value.reduce((sum, arm) => sum + arm.losses.length, 0)
  const total = arms.value.reduce((sum, { steps = perEpoch * epochs }) => sum + steps, 0)
  const speed = arms.value.reduce((sum, arm) => sum + arm.speed, 0)
  const left = speed > 0 ? ((total - done) * batchSize) / speed : undefined
  return (
    <section class="panel status" aria-label={t('Training')}>
      <div class="row">
        {now === 'idle' || now === 'done' || now === 'failed' ? (
          <button
            type="button"
            class="primary"
            disabled={opened.value === undefined}
            onClick={() => void start()}
          >
            {now === 'idle' ? t('Start') : t('Start anew')}
          </button>
        ) : now === 'paused' ? (
          <button type="button" class="primary" onClick={goOn}>
            {t('Go on')}
          </button>
        ) : (
          <button type="button" class="primary" onClick={pause}>
            {t('Stop')}
          </button>
        )}
        <button type="button" disabled={now === 'idle'} onClick={reset}>
          {t('Reset')}
        </button>
        <span class="status-text small number" data-phase={now}>
          {t(words[now])}
          {now === 'running'
            ? `: ${t('step {0} of {1}', done, total)}${speed > 0 ? `, ${t('{0} samples/s', Math.round(speed))}` : ''}${left === undefined ? '' : `, ${t('about {0} left', seconds(left))}`}`
            : now === 'paused'
              ? ` ${t('at step {0} of {1}', done, total)}`
              : ''}
        </span>
      </div>
      <progress aria-label={t('Steps done')} max={Math.max(1, total)} value={done} />
      <Device />
      {keeping.value.state === 'not kept' ? (
        <p class="small" data-kept="no">
          {keeping.value.isFull
            ? t(
                'This browser has no room left to keep the training: it ends with this tab. Forget a kept training, or download what is trained.',
              )
            : t(
                'This browser keeps nothing ({0}): the training ends with this tab.',
                keeping.value.reason,
              )}
        </p>
      ) : keeping.value.state === 'kept' && now !== 'done' ? (
        <p class="small muted" data-kept="yes">
          {t('Kept in this browser: it can go on after the tab was closed.')}
        </p>
      ) : null}
      {failure.value === undefined ? null : <FailureNotice failure={failure.value} />}
      {notes.value.map((note) => (
        <p key={note} class="small muted">
          {said(note)}
        </p>
      ))}
      {now === 'idle' ? <KeptList /> : null}
    </section>
  )
}

function Device() {
  const chosen = runsOn.value
  if (chosen === undefined) return null
  const isMeasuring = chosen === 'measuring'
  return (
    <p class="small muted" data-device={isMeasuring ? undefined : chosen.device}>
      {isMeasuring ? t('Finding out which device is faster …') : said(chosen.reason)}
    </p>
  )
}
