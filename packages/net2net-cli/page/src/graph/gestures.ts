/** Drag, pinch and wheel move a drawing. */
import type { Signal } from '@preact/signals'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { type Viewport, wheelZoom, zoomAt } from './viewport.ts'

export function usePointerGestures(
  svg: { current: SVGSVGElement | null },
  viewport: Signal<Viewport>,
) {
  const pointers = useRef(new Map<number, { x: number; y: number }>())
  // While something is pressed the pane stays where it is; to ask at each move would cost a layout.
  const pane = useRef({ left: 0, top: 0 })
  const look = () => {
    pane.current = svg.current!.getBoundingClientRect()
  }
  const point = (event: MouseEvent) => {
    const { left, top } = pane.current
    return { x: event.clientX - left, y: event.clientY - top }
  }
  useLayoutEffect(() => {
    // Not as a property: only a listener that is not passive may keep the page from scrolling.
    const onWheel = (event: WheelEvent) => {
      event.preventDefault()
      if (pointers.current.size === 0) look()
      const { x, y } = point(event)
      const unit = event.deltaMode === 1 ? 16 : 1
      const view = viewport.value
      viewport.value =
        event.ctrlKey || event.metaKey
          ? zoomAt(view, wheelZoom(event.deltaY * unit), x, y)
          : { ...view, tx: view.tx - event.deltaX * unit, ty: view.ty - event.deltaY * unit }
    }
    const element = svg.current!
    element.addEventListener('wheel', onWheel, { passive: false })
    return () => element.removeEventListener('wheel', onWheel)
  }, [])
  return {
    onPointerDown: (event: PointerEvent) => {
      if (event.button !== 0) return
      if (pointers.current.size === 0) look()
      pointers.current.set(event.pointerId, point(event))
    },
    onPointerMove: (event: PointerEvent) => {
      const before = pointers.current.get(event.pointerId)
      if (before === undefined) return
      const now = point(event)
      const others = [...pointers.current].filter(([id]) => id !== event.pointerId)
      const moved = Math.hypot(now.x - before.x, now.y - before.y)
      // A click that trembles is a click.
      if (others.length === 0 && !svg.current!.hasPointerCapture(event.pointerId)) {
        if (moved < 4) return
        svg.current!.setPointerCapture(event.pointerId)
      }
      pointers.current.set(event.pointerId, now)
      const view = viewport.value
      const other = others[0]?.[1]
      if (other === undefined) {
        viewport.value = {
          ...view,
          tx: view.tx + now.x - before.x,
          ty: view.ty + now.y - before.y,
        }
      } else {
        const spread = (p: { x: number; y: number }) => Math.hypot(p.x - other.x, p.y - other.y)
        const factor = spread(now) / Math.max(1, spread(before))
        viewport.value = zoomAt(view, factor, (now.x + other.x) / 2, (now.y + other.y) / 2)
      }
    },
    onPointerUp: (event: PointerEvent) => pointers.current.delete(event.pointerId),
    onPointerCancel: (event: PointerEvent) => pointers.current.delete(event.pointerId),
    onPointerLeave: (event: PointerEvent) => {
      if (!svg.current!.hasPointerCapture(event.pointerId)) pointers.current.delete(event.pointerId)
    },
  }
}
