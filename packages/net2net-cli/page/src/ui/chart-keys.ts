/** Keys on a chart go over the values as a pointer does: arrows read them, plus and minus zoom, 0 shows all. */
import type { Signal } from '@preact/signals'
import type { Range } from './plot-options.ts'

/** Where values are read. */
export interface Pointed {
  readonly x: number
  /** Whether it lies in the right half. */
  readonly right: boolean
}

interface KeyedChart {
  /** Where there are values, in ascending order. */
  readonly xs: readonly number[]
  readonly whole: Range
  /** The part that is shown; undefined: the whole. */
  readonly zoom: Signal<Range | undefined>
  readonly pointed: Signal<Pointed | undefined>
}

export function onChartKey(event: KeyboardEvent, { xs, whole, zoom, pointed }: KeyedChart): void {
  const [low, high] = zoom.value ?? whole
  const seen = xs.filter((x) => x >= low && x <= high)
  const at = pointed.value ? seen.findLastIndex((x) => x <= pointed.value!.x) : -1
  const go = (to: number) => {
    const x = seen[Math.max(0, Math.min(seen.length - 1, to))]
    pointed.value = x === undefined ? undefined : { x, right: x > (low + high) / 2 }
  }
  const narrow = (factor: number) => {
    const middle = pointed.value?.x ?? (low + high) / 2
    const [first, last] = whole
    const next: Range = [
      Math.max(first, middle - (middle - low) * factor),
      Math.min(last, middle + (high - middle) * factor),
    ]
    zoom.value = next[0] === first && next[1] === last ? undefined : next
  }
  const actions: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => go(at < 0 ? seen.length - 1 : at - 1),
    ArrowRight: () => go(at + 1),
    '+': () => narrow(0.5),
    '-': () => narrow(2),
    '0': () => {
      zoom.value = undefined
    },
    Escape: () => {
      pointed.value = undefined
    },
  }
  const action = actions[event.key]
  if (!action || event.ctrlKey || event.metaKey) return
  event.preventDefault()
  action()
}
