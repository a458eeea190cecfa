/** The whole drawing in a corner, and which part of it is seen: press or drag to go elsewhere. */
import { type Signal, useSignalEffect } from '@preact/signals'
import { useLayoutEffect, useRef } from 'preact/hooks'
import type { Side } from '../engine/diff.ts'
import type { Drawing, DrawnNode } from '../engine/drawing.ts'
import { t } from '../text/text.ts'
import { colours } from '../ui/theme.tsx'
import type { Price } from './card.tsx'
import { drawSmall } from './small.ts'
import type { Size, Viewport } from './viewport.ts'

const most = { width: 150, height: 200 }

export function Overview(props: {
  readonly drawing: Drawing
  readonly side: Side
  readonly viewport: Signal<Viewport>
  readonly price: ((node: DrawnNode, side: Side) => Price | undefined) | undefined
  readonly pane: Size
}) {
  const { drawing, side, viewport, pane, price } = props
  const canvas = useRef<HTMLCanvasElement>(null)
  const frame = useRef<HTMLDivElement>(null)
  // A long chain would be a thread: the two directions have scales of their own.
  const scale = Math.min(most.width / drawing.width, most.height / drawing.height)
  const size = {
    width: Math.max(64, drawing.width * scale),
    height: Math.max(64, drawing.height * scale),
  }
  const [kx, ky] = [size.width / drawing.width, size.height / drawing.height]
  const scheme = colours.value
  useLayoutEffect(() => {
    drawSmall(
      canvas.current!,
      size,
      { drawing, side, price },
      { kx, ky, tx: 0, ty: 0 },
      { edges: false },
    )
  }, [drawing, side, price, scheme])
  const place = () => {
    const { k, tx, ty } = viewport.value
    const element = frame.current
    if (element === null) return
    const [left, top] = [Math.max(0, (-tx / k) * kx), Math.max(0, (-ty / k) * ky)]
    const right = Math.min(size.width, ((pane.width - tx) / k) * kx)
    const bottom = Math.min(size.height, ((pane.height - ty) / k) * ky)
    element.style.transform = `translate(${left}px, ${top}px)`
    element.style.width = `${Math.max(4, right - left)}px`
    element.style.height = `${Math.max(4, bottom - top)}px`
  }
  useSignalEffect(place)
  useLayoutEffect(place, [drawing, pane.width, pane.height])
  const go = (event: PointerEvent) => {
    const { left, top } = canvas.current!.getBoundingClientRect()
    const { k } = viewport.peek()
    viewport.value = {
      k,
      tx: pane.width / 2 - ((event.clientX - left) / kx) * k,
      ty: pane.height / 2 - ((event.clientY - top) / ky) * k,
    }
  }
  return (
    <div
      class="overview"
      style={{ width: `${size.width}px`, height: `${size.height}px` }}
      role="img"
      aria-label={t('Overview of the whole graph; keys move the graph itself.')}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId)
        go(event)
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) go(event)
      }}
    >
      <canvas ref={canvas} style={{ width: `${size.width}px`, height: `${size.height}px` }} />
      <div ref={frame} class="overview-frame" />
    </div>
  )
}
