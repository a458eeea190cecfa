import { useEffect } from 'preact/hooks'
import { view } from '../state.ts'
import { t } from '../text/text.ts'
import { type Curve, lossLines, validationLines } from '../train/curves.ts'
import { Chart } from '../ui/chart.tsx'
import { asNumber, asPercent } from '../ui/chart-formats.ts'
import { FailureNotice } from '../ui/failure.tsx'
import type { Line } from '../ui/line.ts'
import { ExplorationPanel } from './exploration.tsx'
import { letterOf } from './letter.tsx'
import { List } from './list.tsx'
import {
  chosen,
  entries,
  failure,
  follow,
  nameOf,
  type ShownRun,
  shownExplorations,
  shownRuns,
  unknown,
} from './model.ts'
import { RunPanel } from './panel.tsx'
import { available, folder, lost } from './server.ts'
import { StartForm } from './start-form.tsx'

export function RunsView() {
  const isShown = view.value === 'runs'
  useEffect(() => (isShown ? follow() : undefined), [isShown])
  return (
    <div class="train runs">
      <h1 class="unseen">{t('Runs')}</h1>
      <section class="train-settings" aria-label={t('Runs and explorations')}>
        <List />
        {available.value === true ? <StartForm /> : null}
        {available.value === false ? <NoServer /> : null}
      </section>
      <div class="train-main runs-main">
        {lost.value ? <FailureNotice failure={silent()} /> : null}
        {failure.value === undefined ? null : <FailureNotice failure={failure.value} />}
        {unknown.value.map((key) => (
          <p key={key} class="notice bad">
            {key.startsWith('browser:')
              ? t(
                  'This browser has no run called {0}: runs are kept where they were made.',
                  nameOf(key),
                )
              : available.value === true
                ? t('There is no run called {0} in {1}.', nameOf(key), folder.value)
                : t(
                    'There is no run called {0}: no net2net serve is behind this page.',
                    nameOf(key),
                  )}
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

const NoServer = () => (
  <div class="pad stack start">
    <p class="muted small">
      {t(
        'This page comes from a plain web server. Runs and explorations of this machine are listed too when the tool itself serves it:',
      )}
    </p>
    <pre class="command">net2net serve</pre>
  </div>
)

/** The curves of all chosen runs; of several, a letter at the end of each line says whose it is. */
function linesOf(make: (curves: readonly Curve[], run: ShownRun) => Line[]): Line[] {
  const all = shownRuns.value
  return all.flatMap((run, i) =>
    make(run.curves, run).map((line) =>
      all.length > 1
        ? {
            ...line,
            label: `${line.label} (${run.title})`,
            end: letterOf(run.key),
            hollow: i % 2 === 1,
          }
        : line,
    ),
  )
}

function Shown() {
  if (shownRuns.value.length + shownExplorations.value.length === 0) {
    if (unknown.value.length > 0) return null
    const waits = available.value === undefined || chosen.value.length > 0
    const isEmpty = !waits && entries.value.length === 0
    return (
      <p class="muted">
        {waits
          ? t('Looking …')
          : isEmpty
            ? t('Here stand the curves, tables and networks of what was trained or explored.')
            : t('No run is chosen.')}
      </p>
    )
  }
  return (
    <>
      {shownRuns.value.some(({ curves }) => curves.length > 0) ? <Charts /> : null}
      {shownExplorations.value.map(({ entry, content }) => (
        <ExplorationPanel key={entry.key} {...{ entry, content }} />
      ))}
      {shownRuns.value.map((run) => (
        <RunPanel key={run.key} run={run} />
      ))}
    </>
  )
}

function Charts() {
  const teacher = (curves: readonly Curve[]) => curves.find(({ name }) => name === 'teacher')
  const accuracy = linesOf((curves) =>
    validationLines(curves, 'valAccuracy', teacher(curves)?.epochs.length ?? 0),
  )
  const isMeasured = shownRuns.value.some(({ curves }) =>
    curves.some(({ epochs }) => epochs.length > 0),
  )
  const hasClasses = !isMeasured || accuracy.some(({ points }) => points.length > 0)
  return (
    <section class="charts" aria-label={t('Curves')}>
      <Chart
        title={t('Training loss')}
        lines={linesOf((curves, { batchSize }) =>
          lossLines(curves, {
            teacherSteps: teacher(curves)?.steps.at(-1) ?? 0,
            batchSize,
          }),
        )}
        xLabel={t('samples since growth')}
        logarithmic
        format={asNumber}
        description={t(
          "Training loss of each arm by samples since growth; the teacher's lie left of 0.",
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
      {hasClasses ? (
        <Chart
          title={t('Validation accuracy')}
          lines={accuracy}
          xLabel={t('epochs since growth')}
          format={asPercent}
          description={t('Validation accuracy of each arm by epochs since growth.')}
        />
      ) : null}
    </section>
  )
}
