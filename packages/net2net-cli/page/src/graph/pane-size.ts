import type { Signal } from '@preact/signals'
import { useLayoutEffect, useState } from 'preact/hooks'
import type { Size, Viewport } from './viewport.ts'

/**
 * The size of a pane. When it changes, what was in the middle stays in the middle: of panes in step, the one that leads moves the
 * drawing.
 */
export function usePaneSize(
  svg: { readonly current: SVGSVGElement | null },
  viewport: Signal<Viewport>,
  leads: boolean,
): Size {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 })
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect
      // While its tab is hidden, it stays as it was.
      if (width === 0 || height === 0) return
      setSize((before) => {
        if (before.width === width && before.height === height) return before
        if (leads && before.width > 0) {
          const view = viewport.peek()
          viewport.value = { ...view, tx: view.tx + (width - before.width) / 2 }
        }
        return { width, height }
      })
    })
    observer.observe(svg.current!)
    return () => observer.disconnect()
  }, [])
  return size
}
