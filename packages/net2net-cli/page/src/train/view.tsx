import { keepFile } from '../engine/files.ts'
import { noGrowth } from '../grow/settings.ts'
import { setParams, whileShown } from '../state.ts'
import { said, t } from '../text/text.ts'
import { Chart } from '../ui/chart.tsx'
import { asNumber, asPercent } from '../ui/chart-formats.ts'
import { FailureNotice } from '../ui/failure.tsx'
import { figure, percent, seconds } from '../ui/format.ts'
import { ArmKey } from '../ui/key.tsx'
import { NumberField } from '../ui/number-field.tsx'
import { saveAs } from '../ui/save.ts'
import { armTitle } from './arm-names.ts'
import { allArmNames, armDash, armSeries } from './arms.ts'
import { type Curve, lossLines, validationLines } from './curves.ts'
import { DeviceField } from './device-field.tsx'
import { DrawDigit } from './draw.tsx'
import {
  change,
  failure,
  limits,
  modelBytes,
  modelsVersion,
  pause,
  phase,
  planned,
  predict,
  predictions,
  progress,
  ran,
  reset,
  run,
  runs,
  runsOn,
  settings,
  step,
  totalSeconds,
} from './model.ts'
import { ResultTable } from './table.tsx'
import { WhatSwitch } from './what.tsx'

/** The experiment of the paper, on digits. */
export function ExperimentView() {
  return (
    <div class={`train ${phase.value === 'idle' ? 'idle' : ''}`}>
      <h1 class="unseen">{t('Train the experiment')}</h1>
      <Settings />
      <div class="train-main">
        <Status />
        <Charts />
        <Table />
        <Draw />
      </div>
    </div>
  )
}

function Draw() {
  const trained = [...runs.value.values()].filter((run) => run.epochs.length > 0)
  const answers = trained.map(({ arm: { name } }) => ({
    name,
    title: armTitle(name),
    colour: `series-${armSeries(name)}`,
    dash: armDash(name),
    probabilities: predictions.value.find(({ arm }) => arm === name)?.probabilities,
  }))
  return (
    <DrawDigit
      answers={answers}
      whyNone={t('Networks answer here as soon as their first epoch is done.')}
      version={modelsVersion.value}
      onDigit={predict}
    />
  )
}

function Settings() {
  const current = settings.value
  const locked = !['idle', 'done', 'failed'].includes(phase.value)
  const number = (
    label: string,
    key: 'epochs' | 'images' | 'batchSize' | 'teacherRate' | 'studentRate' | 'seed',
    range: { min: number; max?: number; whole?: boolean },
  ) => (
    <NumberField
      label={label}
      {...range}
      disabled={locked}
      value={current[key]}
      onValue={(value) => change({ [key]: value })}
    />
  )
  return (
    <section class="train-settings" aria-label={t('Settings')}>
      <div class="pad stack">
        <WhatSwitch />
        <p class="small muted">
          {t(
            'A teacher learns {0} digits; students grow from it and learn on. Everything happens in this browser.',
            current.images.toLocaleString('en'),
          )}
        </p>
        <fieldset disabled={locked}>
          <legend>{t('Arms')}</legend>
          {allArmNames.map((name) => (
            <label key={name} class="check small">
              <input
                type="checkbox"
                checked={current.arms.includes(name)}
                onChange={(event) =>
                  change({
                    arms: allArmNames.filter((other) =>
                      other === name ? event.currentTarget.checked : current.arms.includes(other),
                    ),
                  })
                }
              />
              <ArmKey arm={name} />
              {armTitle(name)}
            </label>
          ))}
        </fieldset>
        <div class="fields">
          {number(t('Epochs'), 'epochs', limits.epochs)}
          {number(t('Training images'), 'images', limits.images)}
          {number(t('Batch size'), 'batchSize', limits.batchSize)}
          {number(t('Seed'), 'seed', limits.seed)}
          {number(t("Teacher's rate"), 'teacherRate', { min: 0, whole: false })}
          {number(t("Students' rate"), 'studentRate', { min: 0, whole: false })}
          <DeviceField
            value={current.device}
            disabled={locked}
            onValue={(device) => change({ device })}
          />
        </div>
      </div>
    </section>
  )
}

const words = {
  idle: 'Ready.',
  loading: 'Loading the runtime and the images …',
  running: 'Training',
  paused: 'Paused',
  done: 'Done',
  failed: 'Stopped',
} as const

function Status() {
  const now = phase.value
  const { done, total, imagesPerSecond, secondsLeft } = progress.value
  const running = now === 'running' || now === 'loading'
  const empty = settings.value.arms.length === 0
  return (
    <section class="panel status" aria-label={t('Run')}>
      <div class="row">
        {running ? (
          <button type="button" class="primary" onClick={pause} disabled={now === 'loading'}>
            {t('Pause')}
          </button>
        ) : (
          <button type="button" class="primary" onClick={run} disabled={empty}>
            {now === 'paused' ? t('Go on') : now === 'idle' ? t('Run') : t('Run again')}
          </button>
        )}
        <button
          type="button"
          onClick={step}
          // What was trained is lost only to whoever says so.
          disabled={empty || !['idle', 'running', 'paused'].includes(now)}
        >
          {t('Step')}
        </button>
        <button type="button" onClick={reset} disabled={now === 'idle'}>
          {t('Reset')}
        </button>
        <span class="status-text small number" data-phase={now}>
          {now === 'idle' && empty ? t('Choose what to train.') : t(words[now])}
          {now === 'running' && done > 0
            ? `: ${t('step {0} of {1}', done, total)}${imagesPerSecond > 0 ? `, ${t('{0} images/s', Math.round(imagesPerSecond))}` : ''}${
                secondsLeft === undefined ? '' : `, ${t('about {0} left', seconds(secondsLeft))}`
              }`
            : now === 'paused' && done > 0
              ? ` ${t('at step {0} of {1}', done, total)}`
              : ''}
          {now === 'done' && totalSeconds.value !== undefined
            ? ` ${t('in {0}.', seconds(totalSeconds.value))}`
            : ''}
        </span>
      </div>
      <progress aria-label={t('Steps done')} max={total} value={done} />
      <Device />
      {failure.value === undefined ? null : <FailureNotice failure={failure.value} />}
    </section>
  )
}

function Device() {
  const chosen = runsOn.value
  if (chosen === undefined) return null
  const measuring = chosen === 'measuring'
  return (
    <p class="small muted" data-device={measuring ? undefined : chosen.device}>
      {measuring ? t('Finding out which device is faster …') : said(chosen.reason)}
    </p>
  )
}

const curves = whileShown(['train'], (): readonly Curve[] =>
  [...runs.value.values()].map(({ arm, steps, losses, epochs }) => ({
    name: arm.name,
    steps,
    losses,
    epochs,
    ...(arm.initial ? { initial: arm.initial } : {}),
  })),
)

function Charts() {
  const { epochs, arms, images, batchSize } = ran.value ?? settings.value
  const { stepsPerEpoch } = planned.value
  const stepsInView = Math.ceil(images / batchSize)
  // The teacher lies left of the moment of growth, its students right of it.
  const taught = planned.value.arms.length > 0 ? planned.value.arms : arms
  const alone = taught.length === 1 && taught[0] === 'teacher'
  const around = (length: number) => [1 - length, alone ? 0 : length] as const
  const shown = curves.value
  const steps = lossLines(shown, { teacherSteps: epochs * stepsPerEpoch, batchSize })
  const loss = validationLines(shown, 'valLoss', epochs)
  const accuracy = validationLines(shown, 'valAccuracy', epochs)
  return (
    <section class="charts" aria-label={t('Curves')}>
      <Chart
        title={t('Training loss')}
        lines={steps}
        xLabel={t('images since growth')}
        span={around(epochs * stepsInView * batchSize)}
        logarithmic
        format={asNumber}
        description={t(
          "Training loss of each arm by images since growth, smoothed, with single steps behind; the teacher's lie left of 0.",
        )}
      />
      <Chart
        title={t('Validation loss')}
        lines={loss}
        xLabel={t('epochs since growth')}
        span={around(epochs)}
        logarithmic
        format={asNumber}
        description={`${t('Validation loss of each arm by epochs since growth.')} ${summary('valLoss')}`}
      />
      <Chart
        title={t('Validation accuracy')}
        lines={accuracy}
        xLabel={t('epochs since growth')}
        span={around(epochs)}
        format={asPercent}
        description={`${t('Validation accuracy of each arm by epochs since growth.')} ${summary('valAccuracy')}`}
      />
    </section>
  )
}

const summary = (key: 'valLoss' | 'valAccuracy') =>
  curves.value
    .filter((curve) => curve.epochs.length > 0)
    .map((curve) => {
      const value = curve.epochs.at(-1)![key]
      return `${armTitle(curve.name)}: ${key === 'valLoss' ? figure(value) : percent(value)}.`
    })
    .join(' ')

function Table() {
  const arms = [...runs.value.values()].map((run) => ({ ...run.arm, epochs: run.epochs }))
  const { epochs, arms: wanted } = ran.value ?? settings.value
  const waiting = (planned.value.arms.length > 0 ? planned.value.arms : wanted).filter(
    (name) => !runs.value.has(name),
  )
  const trained = arms.filter((arm) => arm.epochs.length > 0)
  return (
    <section class="panel" aria-label={t('Table')}>
      <header>
        <h2>{t('Validation loss after each epoch')}</h2>
        {trained.length === 0 ? null : <TakeAlong arms={trained.map((arm) => arm.name)} />}
      </header>
      <ResultTable arms={arms} waiting={waiting} epochs={epochs} />
    </section>
  )
}

/** A trained network as a file, or on to the Grow tab. */
function TakeAlong({ arms }: { arms: readonly string[] }) {
  let select: HTMLSelectElement | null = null
  const chosen = () => select?.value ?? arms[0]!
  const download = async () => {
    const bytes = await modelBytes(chosen())
    if (bytes) saveAs(`${chosen()}.onnx`, bytes, 'application/octet-stream')
  }
  const grow = async () => {
    const name = `${chosen()}.onnx`
    const bytes = await modelBytes(chosen())
    if (!bytes) return
    const key = await keepFile({ name, bytes })
    setParams({ tab: 'grow', model: `file:${key}:${name}`, ...noGrowth }, { push: true })
  }
  return (
    <div class="row">
      <select
        aria-label={t('A trained network')}
        ref={(element) => {
          select = element
        }}
      >
        {arms.map((name) => (
          <option key={name} value={name}>
            {armTitle(name)}
          </option>
        ))}
      </select>
      <button type="button" class="small" onClick={() => void download()}>
        {t('Download')}
      </button>
      <button type="button" class="small" onClick={() => void grow()}>
        {t('Grow it')}
      </button>
    </div>
  )
}
