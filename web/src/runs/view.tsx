import { computed, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { setParams } from '../state.ts'
import { allArmNames, armTitle, defaultArmNames } from '../train/arms.ts'
import { type Curve, lossLines, validationLines } from '../train/curves.ts'
import { ResultTable } from '../train/table.tsx'
import { Chart, type Line } from '../ui/chart.tsx'
import { FailureNotice } from '../ui/failure.tsx'
import { percent } from '../ui/format.ts'
import { ArmKey } from '../ui/key.tsx'
import {
  available,
  choose,
  chosen,
  contents,
  failure,
  folder,
  follow,
  list,
  type RunContent,
  start,
  stopRun,
} from './model.ts'

export function RunsView() {
  useEffect(follow, [])
  if (available.value === false)
    return (
      <div class="page-note stack">
        <h1>Runs</h1>
        <p>
          This page comes from a plain web server. Runs of this machine are shown when it is served
          by the tool itself:
        </p>
        <pre class="command">net2net serve --runs runs</pre>
        <p class="muted">The Train tab runs the experiment in this browser.</p>
      </div>
    )
  return (
    <div class="train runs">
      <h1 class="unseen">Runs</h1>
      <section class="train-settings" aria-label="Runs in the folder">
        <RunList />
        <StartForm />
      </section>
      <div class="train-main runs-main">
        {failure.value === undefined ? null : <FailureNotice failure={failure.value} />}
        <Shown />
      </div>
    </div>
  )
}

const states = { running: 'running', finished: 'finished', stopped: 'stopped' } as const

function RunList() {
  return (
    <div class="pad stack">
      <div>
        <h2>Runs</h2>
        <p class="muted small">in {folder.value}</p>
      </div>
      {list.value.length === 0 ? (
        <p class="muted small">None yet. Start one below, or with net2net mnist.</p>
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
                  {run.id}
                  <span class="muted small">
                    {run.seed === null ? '' : `seed ${run.seed}, `}
                    {run.arms.length} {run.arms.length === 1 ? 'arm' : 'arms'}
                  </span>
                </span>
                <span class={`badge ${run.state === 'running' ? 'widened' : ''}`}>
                  {states[run.state]}
                </span>
              </label>
              {run.ours ? (
                <button type="button" class="small" onClick={() => void stopRun(run.id)}>
                  Stop
                </button>
              ) : null}
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

/** Starts a run in a process of its own, on the whole machine. */
function StartForm() {
  const settings = useSignal({ epochs: 1, trainSize: 6000, testSize: 1000, batchSize: 32, seed: 0 })
  const arms = useSignal<readonly string[]>(defaultArmNames)
  const field = (label: string, key: keyof typeof settings.value, min: number, max: number) => (
    <label class="field">
      <span>{label}</span>
      <input
        type="number"
        min={min}
        max={max}
        step={1}
        value={settings.value[key]}
        onChange={(event) => {
          const value = event.currentTarget.valueAsNumber
          if (Number.isSafeInteger(value) && value >= min && value <= max)
            settings.value = { ...settings.value, [key]: value }
        }}
      />
    </label>
  )
  return (
    <details class="start pad">
      <summary>Start a run</summary>
      <div class="stack">
        <fieldset>
          <legend class="unseen">Arms</legend>
          {allArmNames.map((name) => (
            <label key={name} class="check small">
              <input
                type="checkbox"
                checked={arms.value.includes(name)}
                onChange={(event) => {
                  const on = event.currentTarget.checked
                  arms.value = allArmNames.filter((other) =>
                    other === name ? on : arms.value.includes(other),
                  )
                }}
              />
              <ArmKey arm={name} />
              {armTitle(name)}
            </label>
          ))}
        </fieldset>
        <div class="fields">
          {field('Epochs', 'epochs', 1, 1000)}
          {field('Training images', 'trainSize', 1, 60_000)}
          {field('Test images', 'testSize', 1, 10_000)}
          {field('Batch size', 'batchSize', 1, 4096)}
          {field('Seed', 'seed', 0, 0xffffffff)}
        </div>
        <button
          type="button"
          class="primary"
          disabled={arms.value.length === 0}
          onClick={() => void start({ arms: arms.value, ...settings.value })}
        >
          Start
        </button>
      </div>
    </details>
  )
}

const shown = computed(() =>
  chosen.value.flatMap((id) => {
    const run = contents.value.get(id)
    return run === undefined ? [] : [run]
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

/** The curves of all chosen runs; of several, each line says whose it is. */
function linesOf(make: (curves: readonly Curve[], run: RunContent) => Line[]): Line[] {
  const several = shown.value.length > 1
  return shown.value.flatMap((run) =>
    make(curvesOf(run), run).map((line) =>
      several ? { ...line, label: `${line.label} (${run.id})` } : line,
    ),
  )
}

function Shown() {
  if (shown.value.length === 0)
    return <p class="muted">{available.value ? 'No run is chosen.' : 'Looking …'}</p>
  const teacher = (curves: readonly Curve[]) => curves.find(({ name }) => name === 'teacher')
  return (
    <>
      <section class="charts" aria-label="Curves">
        <Chart
          title="Training loss"
          lines={linesOf((curves) => lossLines(curves, teacher(curves)?.steps.at(-1) ?? 0))}
          xLabel="steps since growth"
          logarithmic
          format={(value) => String(Number(value.toPrecision(2)))}
          description="Training loss of each arm by steps since growth; the teacher's steps lie left of 0."
        />
        <Chart
          title="Validation loss"
          lines={linesOf((curves) =>
            validationLines(curves, 'valLoss', teacher(curves)?.epochs.length ?? 0),
          )}
          xLabel="epochs since growth"
          logarithmic
          format={(value) => String(Number(value.toPrecision(2)))}
          description="Validation loss of each arm by epochs since growth; the numbers are in the tables."
        />
        <Chart
          title="Validation accuracy"
          lines={linesOf((curves) =>
            validationLines(curves, 'valAccuracy', teacher(curves)?.epochs.length ?? 0),
          )}
          xLabel="epochs since growth"
          format={(value) => percent(value, 1)}
          description="Validation accuracy of each arm by epochs since growth."
        />
      </section>
      {shown.value.map((run) => (
        <RunPanel key={run.id} run={run} />
      ))}
    </>
  )
}

function RunPanel({ run }: { run: RunContent }) {
  const arms = run.results?.arms ?? []
  const saved = arms.filter((arm) => arm.epochs.length > 0)
  const chosenArm = useSignal('')
  const name = saved.some((arm) => arm.name === chosenArm.value)
    ? chosenArm.value
    : (saved[0]?.name ?? '')
  const base = `./api/runs/${encodeURIComponent(run.id)}`
  return (
    <section class="panel" aria-label={run.id} data-panel={run.id}>
      <header>
        <h2>{run.id}</h2>
        {saved.length === 0 ? null : (
          <div class="row">
            <select
              aria-label={`A trained network of ${run.id}`}
              value={name}
              onChange={(event) => {
                chosenArm.value = event.currentTarget.value
              }}
            >
              {saved.map((arm) => (
                <option key={arm.name} value={arm.name}>
                  {armTitle(arm.name)}
                </option>
              ))}
            </select>
            <button
              type="button"
              class="small"
              onClick={() =>
                setParams(
                  {
                    tab: 'grow',
                    model: `run:${run.id}:${name}`,
                    widen: undefined,
                    deepen: undefined,
                  },
                  { push: true },
                )
              }
            >
              Grow it
            </button>
            <a class="button small" href={`${base}/models/${encodeURIComponent(name)}`} download>
              Download
            </a>
            <a class="button small" href={`${base}/report`} download="report.html">
              Report
            </a>
          </div>
        )}
      </header>
      {run.message === null ? null : <p class="notice bad">{run.message}</p>}
      {arms.length === 0 ? (
        <p class="pad muted">The first epoch is not done yet.</p>
      ) : (
        <ResultTable
          arms={arms}
          epochs={
            run.results?.settings?.epochs ?? Math.max(...arms.map((arm) => arm.epochs.length))
          }
        />
      )}
      {run.results?.command ? (
        <p class="pad small">
          <code>{run.results.command}</code>
        </p>
      ) : null}
    </section>
  )
}
