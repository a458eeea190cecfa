/** Draw a digit, and see what networks say. */
import { signal, useSignal } from '@preact/signals'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import type { Failure } from '../engine/protocol.ts'
import { t } from '../text/text.ts'
import { FailureNotice, failureFrom } from '../ui/failure.tsx'
import { percent } from '../ui/format.ts'
import { LineKey } from '../ui/key.tsx'
import { colours } from '../ui/theme.tsx'
import { answerer } from './answerer.ts'
import { centred } from './centre.ts'
import type { BuiltIn } from './own/protocol.ts'
import { Sheet, sheetSide } from './sheet.ts'

export interface DrawnAnswer {
  readonly name: string
  readonly title: string
  /** Name of a colour variable, and the dash of the network's lines. */
  readonly colour: string
  readonly dash: readonly number[]
  /** Undefined as long as it has not answered. */
  readonly probabilities: readonly number[] | undefined
  /** What the network calls its classes; undefined: by their numbers. */
  readonly classes?: readonly string[] | undefined
}

// Whoever comes back from another tab finds the digit again.
/** Ink, 0 to 1, at the canvas's resolution divided by ten. */
const pixels = signal<Float32Array | undefined>(undefined)
const label = signal<number | undefined>(undefined)
let drawing: ImageData | undefined

export function DrawDigit(props: {
  /** Who answers; nobody yet: why. */
  readonly answers: readonly DrawnAnswer[]
  readonly whyNone: string
  /** Asks all networks; undefined: there is nothing to see. */
  readonly onDigit: (pixels: Float32Array | undefined) => void
  /** Changes whenever networks have learnt more. */
  readonly version: unknown
  /** Where test images are from. */
  readonly data?: BuiltIn
  /** Why nobody answers what was drawn. */
  readonly failure?: Failure | undefined
}) {
  const { answers, whyNone, onDigit, version, data = 'mnist' } = props
  const noImage = useSignal<Failure | undefined>(undefined)
  const canvas = useRef<HTMLCanvasElement>(null)
  const sheet = useRef<Sheet | undefined>(undefined)
  const onSheet = () => {
    sheet.current ??= new Sheet(canvas.current!)
    return sheet.current
  }

  const failure = props.failure ?? noImage.value
  const nameOf = (digit: number) =>
    answers.find(({ classes }) => classes !== undefined)?.classes?.[digit] ?? digit
  const clear = () => {
    noImage.value = undefined
    onSheet().clear()
    pixels.value = undefined
    label.value = undefined
    onDigit(undefined)
  }
  const read = () => {
    const digit = centred(onSheet().ink(), sheetSide)
    pixels.value = digit
    if (digit) onDigit(digit)
  }
  const show = async () => {
    const drawn = pixels.peek()
    const index = Math.floor(Math.random() * 1000)
    const chosen = await answerer.call('example', { data, index }).catch((error) => {
      noImage.value = failureFrom(error)
    })
    // Its view is gone, or somebody has begun to draw meanwhile.
    if (!chosen || canvas.current === null) return
    if (onSheet().isPenDown || pixels.peek() !== drawn) return
    clear()
    onSheet().show(chosen.pixels)
    pixels.value = chosen.pixels
    label.value = chosen.label
    onDigit(chosen.pixels)
  }

  // Whenever an arm has learnt more, ask again.
  useEffect(() => {
    if (pixels.value) onDigit(pixels.value)
  }, [version])
  useLayoutEffect(() => {
    const own = onSheet()
    if (drawing) own.picture = drawing
    return () => {
      drawing = own.picture
    }
  }, [])
  // What was drawn is in the old colours.
  useEffect(() => onSheet().recolour(), [colours.value])

  return (
    <section class="panel draw" aria-label={t('Draw a digit')}>
      <header>
        <h2>{t('Draw a digit')}</h2>
        <div class="row">
          <button type="button" class="small" onClick={() => void show()}>
            {t('A test image')}
          </button>
          <button type="button" class="small" onClick={clear}>
            {t('Clear')}
          </button>
        </div>
      </header>
      <div class="body draw-body">
        <canvas
          ref={canvas}
          width={sheetSide}
          height={sheetSide}
          role="img"
          aria-label={
            label.value === undefined
              ? t('Drawing area for a digit. Without a pointer, take a test image.')
              : t('A test image: {0}', nameOf(label.value))
          }
          onPointerDown={(event) => {
            if (label.value !== undefined) clear()
            canvas.current!.setPointerCapture(event.pointerId)
            onSheet().stroke(event)
          }}
          onPointerMove={(event) => {
            if (onSheet().isPenDown) onSheet().stroke(event)
          }}
          onPointerUp={() => {
            onSheet().lift()
            read()
          }}
          onPointerCancel={() => onSheet().lift()}
        />
        {answers.length > 0 ? (
          <Answers answers={answers} label={label.value} />
        ) : (
          <p class="muted small">{whyNone}</p>
        )}
        {failure === undefined ? null : <FailureNotice failure={failure} />}
      </div>
    </section>
  )
}

function Answers(props: { answers: readonly DrawnAnswer[]; label: number | undefined }) {
  const { answers, label } = props
  if (answers.every(({ probabilities }) => probabilities === undefined))
    return <p class="muted small">{t('Draw, or take an image of the test set.')}</p>
  return (
    <ul class="answers" aria-live="polite">
      {answers.map(({ name, title, colour: of, dash, probabilities = [], classes }) => {
        const most = Math.max(...probabilities)
        const best = probabilities.indexOf(most)
        return (
          <li key={name} data-answer={name}>
            <span class="answer-name small">
              <LineKey colour={of} dash={dash} /> {title}
            </span>
            <span class="bars" aria-hidden="true">
              {probabilities.map((p, digit) => (
                <span
                  key={digit}
                  class={digit === best ? 'best' : ''}
                  style={{ height: `${Math.max(8, 100 * p)}%` }}
                />
              ))}
            </span>
            {best < 0 ? null : (
              <span class={`answer number ${label !== undefined && label !== best ? 'wrong' : ''}`}>
                {classes?.[best] ?? best}
                <span class="muted small"> {percent(most, 0)}</span>
              </span>
            )}
          </li>
        )
      })}
    </ul>
  )
}
