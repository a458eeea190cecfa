import { computed } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { t } from '../text/text.ts'
import { type Curve, lossLines, validationLines } from '../train/curves.ts'
import { Chart } from '../ui/chart.tsx'
import { asNumber, asPercent } from '../ui/chart-formats.ts'
import { FailureNotice } from '../ui/failure.tsx'
import type { Line } from '../ui/line.ts'
import { Explorations } from './explorations.tsx'
import { letterOf, RunLetter } from './letter.tsx'
import {
  available,
  choose,
  chosen,
  contents,
  failure,
  folder,
  follow,
  list,
  lost,
  type RunContent,
  stopRun,
  unknown,
} from './model.ts'
import { RunPanel } from './panel.tsx'
import { StartForm } from './start-form.tsx'

export function RunsView() {
  useEffect(follow, [])
  if (available.value === false)
    return (
      <div class="page-note stack">
        <h1>{t('Runs')}</h1>
        <p>
          {t(
            'This page comes from a plain web server. Runs of this machine are shown when it is served by the tool itself:',
          )}
        </p>
        <pre class="command">net2net serve</pre>
        <p class="muted">{t('The Train tab runs the experiment in this browser.')}</p>
      </div>
    )
  return (
    <div class="train runs">
      <h1 class="unseen">{t('Runs')}</h1>
      <section class="train-settings" aria-label={t('Runs in the folder')}>
        <RunList />
        <Explorations />
        <StartForm />
      </section>
      <div class="train-main runs-main">
        {lost.value ? <FailureNotice failure={silent()} /> : null}
        {failure.value === undefined ? null : <FailureNotice failure={failure.value} />}
        {unknown.value.map((id) => (
          <p key={id} class="notice bad">
            {t('There is no run called {0} in {1}.', id, folder.value)}
          </p>
        ))}
        <Shown />
      </div>
    </div>
  )
}

const silent = () =>
  ({
    kind: 'input',
    message: t('The server answers no more: what stands here may be out of date.'),
    hint: t('It is tried again and again. Does net2net serve still run?'),
  }) as const

const states = { running: 'running', finished: 'finished', stopped: 'stopped' } as const

function RunList() {
  return (
    <div class="pad stack">
      <div>
        <h2>{t('Runs')}</h2>
        <p class="muted small">{t('in {0}', folder.value)}</p>
      </div>
      {list.value.length === 0 ? (
        <p class="muted small">{t('None yet. Start one below, or with net2net mnist.')}</p>
      ) : (
        <ul class="run-list">
          {list.value.map((run) => (
            <li key={run.id} data-run={run.id}>
              <label class="check">
                <input
                  type="checkbox"
                  checked={chosen.value.includes(run.id)}
                  onChange={(event) => choose(run.id, event.currentTarget.checked)}
                />
                <span class="run-name">
                  <span>
                    <RunLetter id={run.id} /> {run.id}
                  </span>
                  <span class="muted small">
                    {run.seed === null ? '' : `${t('seed {0}', run.seed)}, `}
                    {t('{0} arms', run.arms.length)}
                  </span>
                </span>
                <span class={`badge ${run.state === 'running' ? 'widened' : ''}`}>
                  {t(states[run.state])}
                </span>
              </label>
              {run.ours ? (
                <button type="button" class="small" onClick={() => void stopRun(run.id)}>
                  {t('Stop')}
                </button>
              ) : null}
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

const shown = computed(() =>
  chosen.value.flatMap((id) => {
    const run = contents.value.get(id)
    return run === undefined || unknown.value.includes(id) ? [] : [run]
  }),
)

function curvesOf(run: RunContent): Curve[] {
  return (run.results?.arms ?? []).map((arm) => {
    const own = run.steps.filter((step) => step.arm === arm.name)
    return {
      name: arm.name,
      student: arm.initial !== undefined,
      steps: own.map((step) => step.step),
      losses: own.map((step) => step.loss),
      epochs: arm.epochs,
      ...(arm.initial ? { initial: arm.initial } : {}),
    }
  })
}

/** The curves of all chosen runs; of several, a letter at the end of each line says whose it is. */
function linesOf(make: (curves: readonly Curve[], run: RunContent) => Line[]): Line[] {
  const several = shown.value.length > 1
  return shown.value.flatMap((run) =>
    make(curvesOf(run), run).map((line) =>
      several
        ? {
            ...line,
            label: `${line.label} (${run.id})`,
            end: letterOf(run.id),
            hollow: shown.value.indexOf(run) % 2 === 1,
          }
        : line,
    ),
  )
}

function Shown() {
  if (shown.value.length === 0) {
    if (unknown.value.length > 0) return null
    const waits = available.value === undefined || chosen.value.length > 0
    return <p class="muted">{waits ? t('Looking …') : t('No run is chosen.')}</p>
  }
  const teacher = (curves: readonly Curve[]) => curves.find(({ name }) => name === 'teacher')
  return (
    <>
      <section class="charts" aria-label={t('Curves')}>
        <Chart
          title={t('Training loss')}
          lines={linesOf((curves, run) =>
            lossLines(curves, {
              teacherSteps: teacher(curves)?.steps.at(-1) ?? 0,
              batchSize: run.results?.settings?.batchSize ?? 1,
            }),
          )}
          xLabel={t('images since growth')}
          logarithmic
          format={asNumber}
          description={t(
            "Training loss of each arm by images since growth; the teacher's lie left of 0.",
          )}
        />
        <Chart
          title={t('Validation loss')}
          lines={linesOf((curves) =>
            validationLines(curves, 'valLoss', teacher(curves)?.epochs.length ?? 0),
          )}
          xLabel={t('epochs since growth')}
          logarithmic
          format={asNumber}
          description={t(
            'Validation loss of each arm by epochs since growth; the numbers are in the tables.',
          )}
        />
        <Chart
          title={t('Validation accuracy')}
          lines={linesOf((curves) =>
            validationLines(curves, 'valAccuracy', teacher(curves)?.epochs.length ?? 0),
          )}
          xLabel={t('epochs since growth')}
          format={asPercent}
          description={t('Validation accuracy of each arm by epochs since growth.')}
        />
      </section>
      {shown.value.map((run) => (
        <RunPanel key={run.id} run={run} />
      ))}
    </>
  )
}
