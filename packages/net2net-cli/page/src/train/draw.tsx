/** Draw a digit, and see what networks say. */
import { signal, useSignal } from '@preact/signals'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import type { Failure } from '../engine/protocol.ts'
import { t } from '../text/text.ts'
import { FailureNotice, failureFrom } from '../ui/failure.tsx'
import { percent } from '../ui/format.ts'
import { LineKey } from '../ui/key.tsx'
import { colour, colours } from '../ui/theme.tsx'
import { answerer } from './answerer.ts'
import { centred } from './centre.ts'
import type { BuiltIn } from './own/protocol.ts'

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

/** The canvas has so many pixels a side; networks see 28. */
const side = 280

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
  const last = useRef<{ x: number; y: number } | undefined>(undefined)
  /** The canvas on the page, as long as the pen is down: reading either once a move would cost a layout. */
  const held = useRef<{ readonly box: DOMRect; readonly ink: string } | undefined>(undefined)

  const failure = props.failure ?? noImage.value
  const nameOf = (digit: number) =>
    answers.find(({ classes }) => classes !== undefined)?.classes?.[digit] ?? digit
  const context = () => canvas.current!.getContext('2d', { willReadFrequently: true })!
  const clear = () => {
    noImage.value = undefined
    context().clearRect(0, 0, side, side)
    pixels.value = undefined
    label.value = undefined
    onDigit(undefined)
  }
  const read = () => {
    const { data } = context().getImageData(0, 0, side, side)
    const ink = new Float32Array(side * side)
    for (let i = 0; i < ink.length; i++) ink[i] = data[i * 4 + 3]! / 255
    const digit = centred(ink, side)
    pixels.value = digit
    if (digit) onDigit(digit)
  }
  const stroke = (event: PointerEvent) => {
    held.current ??= { box: canvas.current!.getBoundingClientRect(), ink: colour('ink') }
    const { box, ink } = held.current
    const x = ((event.clientX - box.left) / box.width) * side
    const y = ((event.clientY - box.top) / box.height) * side
    const from = last.current ?? { x, y }
    last.current = { x, y }
    const pen = context()
    pen.strokeStyle = ink
    pen.lineWidth = 21
    pen.lineCap = 'round'
    pen.beginPath()
    pen.moveTo(from.x, from.y)
    pen.lineTo(x + 0.01, y)
    pen.stroke()
  }
  const lift = () => {
    last.current = undefined
    held.current = undefined
  }
  const show = async () => {
    const drawn = pixels.peek()
    const index = Math.floor(Math.random() * 1000)
    const chosen = await answerer.call('example', { data, index }).catch((error) => {
      noImage.value = failureFrom(error)
    })
    // Its view is gone, or somebody has begun to draw meanwhile.
    if (!chosen || canvas.current === null || last.current || pixels.peek() !== drawn) return
    clear()
    const pen = context()
    pen.fillStyle = colour('ink')
    chosen.pixels.forEach((ink, i) => {
      pen.globalAlpha = ink
      pen.fillRect((i % 28) * 10, Math.floor(i / 28) * 10, 10, 10)
    })
    pen.globalAlpha = 1
    pixels.value = chosen.pixels
    label.value = chosen.label
    onDigit(chosen.pixels)
  }

  // Whenever an arm has learnt more, ask again.
  useEffect(() => {
    if (pixels.value) onDigit(pixels.value)
  }, [version])
  useLayoutEffect(() => {
    const pen = context()
    if (drawing) pen.putImageData(drawing, 0, 0)
    return () => {
      drawing = pen.getImageData(0, 0, side, side)
    }
  }, [])
  // What was drawn is in the old colours.
  useEffect(() => {
    const pen = context()
    pen.globalCompositeOperation = 'source-in'
    pen.fillStyle = colour('ink')
    pen.fillRect(0, 0, side, side)
    pen.globalCompositeOperation = 'source-over'
  }, [colours.value])

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
          width={side}
          height={side}
          role="img"
          aria-label={
            label.value === undefined
              ? t('Drawing area for a digit. Without a pointer, take a test image.')
              : t('A test image: {0}', nameOf(label.value))
          }
          onPointerDown={(event) => {
            if (label.value !== undefined) clear()
            canvas.current!.setPointerCapture(event.pointerId)
            stroke(event)
          }}
          onPointerMove={(event) => {
            if (last.current) stroke(event)
          }}
          onPointerUp={() => {
            lift()
            read()
          }}
          onPointerCancel={lift}
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
