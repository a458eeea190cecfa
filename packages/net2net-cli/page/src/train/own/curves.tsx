/** The curves of a training, aligned at growth. */
import { smoothed } from '../../../../src/report/smooth.ts'
import { whileShown } from '../../state.ts'
import { t } from '../../text/text.ts'
import { Chart } from '../../ui/chart.tsx'
import { asNumber, asPercent } from '../../ui/chart-formats.ts'
import type { Line } from '../../ui/line.ts'
import { type Arm, arms, ran } from './arms.ts'
import { samplesSeen, settings } from './choices.ts'
import { colourOf, dashOf, titleText } from './look.ts'

/** Points of a curve: more are not drawn. */
const mostPoints = 500

const lines = whileShown(['train-own'], () => {
  const seen = samplesSeen(ran.value ?? settings.value)
  const of = (make: (arm: Arm, at: (step: number) => number) => Pick<Line, 'points' | 'raw'>) =>
    arms.value.map(
      (arm, i): Line => ({
        label: titleText(arm.title),
        colour: colourOf(i),
        dash: dashOf(i),
        ...make(arm, (step) => arm.from + seen(arm.stepsBefore + step) - seen(arm.stepsBefore)),
      }),
    )
  const validation = (figures: (of: Arm) => readonly (readonly [number, number | undefined])[]) =>
    of((arm, at) => ({
      points: figures(arm).flatMap(([step, value]) =>
        value === undefined || !Number.isFinite(value) ? [] : [[at(step), value] as const],
      ),
    })).map((line) => ({ ...line, marks: true }))
  return {
    training: of(({ losses }, at) => {
      const every = Math.max(1, Math.ceil(losses.length / mostPoints))
      const points = (values: readonly number[]) =>
        values.flatMap((value, i) =>
          (i % every === 0 || i === values.length - 1) && Number.isFinite(value)
            ? [[at(i + 1), value] as const]
            : [],
        )
      return { points: points(smoothed(losses)), raw: points(losses) }
    }),
    loss: validation(({ initial, epochs, stepsBefore }) => [
      [0, initial?.valLoss],
      ...epochs.map(({ step, valLoss }) => [step - stepsBefore, valLoss] as const),
    ]),
    accuracy: validation(({ initial, epochs, stepsBefore }) => [
      [0, initial?.valAccuracy],
      ...epochs.map(({ step, valAccuracy }) => [step - stepsBefore, valAccuracy] as const),
    ]),
  }
})

export function Charts() {
  const { training, loss, accuracy } = lines.value
  const { epochs } = ran.value ?? settings.value
  const samples = ran.value?.count ?? settings.value.samples
  const span = [0, epochs * samples] as const
  const hasClasses = arms.value.length === 0 || accuracy.some(({ points }) => points.length > 0)
  const xLabel = t('samples since growth')
  return (
    <section class="charts" aria-label={t('Curves')}>
      <Chart
        title={t('Training loss')}
        lines={training}
        xLabel={xLabel}
        span={span}
        logarithmic
        format={asNumber}
        description={t(
          'Training loss of each network by samples since growth, smoothed, with single steps behind.',
        )}
      />
      <Chart
        title={t('Validation loss')}
        lines={loss}
        xLabel={xLabel}
        span={span}
        logarithmic
        format={asNumber}
        description={t('Validation loss of each network by samples since growth.')}
      />
      {hasClasses ? (
        <Chart
          title={t('Validation accuracy')}
          lines={accuracy}
          xLabel={xLabel}
          span={span}
          format={asPercent}
          description={t('Validation accuracy of each network by samples since growth.')}
        />
      ) : null}
    </section>
  )
}
