/** A canvas on which a pen draws a digit. Networks see its ink: how opaque each pixel is. */
import { colour } from '../ui/theme.tsx'

/** The canvas has so many pixels a side; networks see 28. */
export const sheetSide = 280
/** Pixels of the canvas for one of a network's. */
const zoom = sheetSide / 28
const penWidth = 21

export class Sheet {
  readonly #canvas: HTMLCanvasElement
  readonly #context: CanvasRenderingContext2D
  /** Where the pen is, as long as it is down. */
  #pen: { readonly x: number; readonly y: number } | undefined
  /** The canvas on the page, as long as the pen is down: reading either once a move would cost a layout. */
  #held: { readonly box: DOMRect; readonly ink: string } | undefined

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas
    this.#context = canvas.getContext('2d', { willReadFrequently: true })!
  }

  get isPenDown(): boolean {
    return this.#pen !== undefined
  }

  /** The pen goes on to where a pointer is. */
  stroke(event: PointerEvent): void {
    this.#held ??= { box: this.#canvas.getBoundingClientRect(), ink: colour('ink') }
    const { box, ink } = this.#held
    const x = ((event.clientX - box.left) / box.width) * sheetSide
    const y = ((event.clientY - box.top) / box.height) * sheetSide
    const from = this.#pen ?? { x, y }
    this.#pen = { x, y }
    const context = this.#context
    context.strokeStyle = ink
    context.lineWidth = penWidth
    context.lineCap = 'round'
    context.beginPath()
    context.moveTo(from.x, from.y)
    context.lineTo(x + 0.01, y)
    context.stroke()
  }

  lift(): void {
    this.#pen = undefined
    this.#held = undefined
  }

  clear(): void {
    this.#context.clearRect(0, 0, sheetSide, sheetSide)
  }

  /** From 0 to 1, row by row. */
  ink(): Float32Array {
    const { data } = this.picture
    const ink = new Float32Array(sheetSide ** 2)
    for (let i = 0; i < ink.length; i++) ink[i] = data[i * 4 + 3]! / 255
    return ink
  }

  /** Draws an image of 28 × 28 pixels. */
  show(pixels: Float32Array): void {
    const context = this.#context
    context.fillStyle = colour('ink')
    pixels.forEach((ink, i) => {
      context.globalAlpha = ink
      context.fillRect((i % 28) * zoom, Math.floor(i / 28) * zoom, zoom, zoom)
    })
    context.globalAlpha = 1
  }

  /** Gives all ink the colour that ink has now. */
  recolour(): void {
    const context = this.#context
    context.globalCompositeOperation = 'source-in'
    context.fillStyle = colour('ink')
    context.fillRect(0, 0, sheetSide, sheetSide)
    context.globalCompositeOperation = 'source-over'
  }

  get picture(): ImageData {
    return this.#context.getImageData(0, 0, sheetSide, sheetSide)
  }
  set picture(picture: ImageData) {
    this.#context.putImageData(picture, 0, 0)
  }
}
