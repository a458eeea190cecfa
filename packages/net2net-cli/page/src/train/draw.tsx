/** Draw a digit, and see what every trained network says. */
import { signal } from '@preact/signals'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { percent } from '../ui/format.ts'
import { ArmKey } from '../ui/key.tsx'
import { colour, colours } from '../ui/theme.tsx'
import { armTitle } from './arms.ts'
import { centred } from './centre.ts'
import { example, modelsVersion, predict, predictions, runs } from './model.ts'

/** The canvas has so many pixels a side; networks see 28. */
const side = 280

// Whoever comes back from another tab finds the digit again.
/** Ink, 0 to 1, at the canvas's resolution divided by ten. */
const pixels = signal<Float32Array | undefined>(undefined)
const label = signal<number | undefined>(undefined)
let drawing: ImageData | undefined

export function DrawDigit() {
  const canvas = useRef<HTMLCanvasElement>(null)
  const last = useRef<{ x: number; y: number } | undefined>(undefined)
  const trained = [...runs.value.values()].some((run) => run.epochs.length > 0)

  const context = () => canvas.current!.getContext('2d', { willReadFrequently: true })!
  const clear = () => {
    context().clearRect(0, 0, side, side)
    pixels.value = undefined
    label.value = undefined
    predictions.value = []
  }
  const read = () => {
    const { data } = context().getImageData(0, 0, side, side)
    const ink = Float32Array.from({ length: side * side }, (_, i) => data[i * 4 + 3]! / 255)
    const digit = centred(ink, side)
    pixels.value = digit
    if (digit) predict(digit)
  }
  const stroke = (event: PointerEvent) => {
    const box = canvas.current!.getBoundingClientRect()
    const x = ((event.clientX - box.left) / box.width) * side
    const y = ((event.clientY - box.top) / box.height) * side
    const from = last.current ?? { x, y }
    last.current = { x, y }
    const pen = context()
    pen.strokeStyle = colour('ink')
    pen.lineWidth = 21
    pen.lineCap = 'round'
    pen.beginPath()
    pen.moveTo(from.x, from.y)
    pen.lineTo(x + 0.01, y)
    pen.stroke()
  }
  const show = async () => {
    const chosen = await example(Math.floor(Math.random() * 1000))
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
    predict(chosen.pixels)
  }

  // Whenever an arm has learnt more, ask again.
  useEffect(() => {
    if (pixels.value) predict(pixels.value)
  }, [modelsVersion.value])
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
    <section class="panel draw" aria-label="Draw a digit">
      <header>
        <h2>Draw a digit</h2>
        <div class="row">
          <button type="button" class="small" onClick={() => void show()}>
            A test image
          </button>
          <button type="button" class="small" onClick={clear}>
            Clear
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
              ? 'Drawing area for a digit. Without a pointer, take a test image.'
              : `A test image of a ${label.value}`
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
            last.current = undefined
            read()
          }}
          onPointerCancel={() => {
            last.current = undefined
          }}
        />
        {trained ? (
          <Answers label={label.value} />
        ) : (
          <p class="muted small">Networks answer here as soon as their first epoch is done.</p>
        )}
      </div>
    </section>
  )
}

function Answers({ label }: { label: number | undefined }) {
  if (predictions.value.length === 0)
    return <p class="muted small">Draw, or take an image of the test set.</p>
  return (
    <ul class="answers" aria-live="polite">
      {predictions.value.map(({ arm, probabilities }) => {
        const best = probabilities.indexOf(Math.max(...probabilities))
        return (
          <li key={arm}>
            <span class="answer-name small">
              <ArmKey arm={arm} /> {armTitle(arm)}
            </span>
            <span class="bars" aria-hidden="true">
              {probabilities.map((p, digit) => (
                <span
                  key={digit}
                  class={digit === best ? 'best' : ''}
                  style={{ height: `${Math.max(2, p * 26)}px` }}
                />
              ))}
            </span>
            <span class={`answer number ${label !== undefined && label !== best ? 'wrong' : ''}`}>
              {best}
              <span class="muted small"> {percent(probabilities[best]!, 0)}</span>
            </span>
          </li>
        )
      })}
    </ul>
  )
}
