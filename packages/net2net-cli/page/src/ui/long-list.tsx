/**
 * A list of which only the rows that are seen, and some around them, are in the document. It lies in the flow of the page, whatever it
 * is that scrolls; a row that has the focus stays, with its neighbours, so that keys go from row to row.
 */
import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks'
import { rowsInView } from './rows-in-view.ts'

/** Pixels above and below what is seen: keys and the wheel find the next rows there. */
const margin = 500
/** What is seen is told in steps of so many pixels. */
const step = 100

interface LongListProps<T> {
  readonly items: readonly T[]
  readonly keyOf: (item: T) => string
  /** Pixels that a row takes as long as it was never measured. */
  readonly usual: number
  readonly attributesOf: (item: T) => Readonly<Record<`data-${string}` | 'class', string>>
  readonly children: (item: T) => ComponentChildren
  /** Told which rows are in the document. */
  readonly onRows: (items: readonly T[]) => void
}

export function LongList<T>(props: LongListProps<T>) {
  const { items, keyOf, usual, attributesOf, children, onRows } = props
  const list = useRef<HTMLUListElement>(null)
  const seen = useSignal({ top: 0, bottom: 2 * margin })
  const focused = useSignal<string | undefined>(undefined)
  const heights = useHeights()
  const { rows, rest } = rowsInView(
    items.map((item) => heights.of(keyOf(item)) ?? usual),
    seen.value,
    focused.value === undefined
      ? undefined
      : items.findIndex((item) => keyOf(item) === focused.value),
  )

  useLayoutEffect(() => {
    const look = () => {
      const box = list.current!.getBoundingClientRect()
      // It is hidden.
      if (box.width === 0) return
      const top = Math.floor((-box.top - margin) / step) * step
      const bottom = Math.ceil((innerHeight - box.top + margin) / step) * step
      const { top: before, bottom: end } = seen.peek()
      if (top !== before || bottom !== end) seen.value = { top, bottom }
    }
    look()
    const options = { capture: true, passive: true }
    document.addEventListener('scroll', look, options)
    addEventListener('resize', look)
    return () => {
      document.removeEventListener('scroll', look, options)
      removeEventListener('resize', look)
    }
  }, [])

  const inView = rows.map(({ index }) => items[index]!)
  useEffect(() => onRows(inView), [inView.map(keyOf).join('\n')])

  return (
    <ul
      ref={list}
      class="long-list"
      style={{ paddingBottom: `${rest}px` }}
      onFocusIn={({ target }) => {
        focused.value = target instanceof Element ? rowAt(target)?.dataset.row : undefined
      }}
      onFocusOut={() => {
        focused.value = undefined
      }}
    >
      {rows.map(({ index, gap }) => {
        const item = items[index]!
        const key = keyOf(item)
        return (
          <Row
            key={key}
            name={key}
            observer={heights.observer}
            place={[index + 1, items.length]}
            gap={gap}
            attributes={attributesOf(item)}
          >
            {children(item)}
          </Row>
        )
      })}
    </ul>
  )
}

const rowAt = (element: Element) => element.closest<HTMLElement>('[data-row]')

/** Heights of rows by their keys, as they turn out. */
function useHeights() {
  const changes = useSignal(0)
  const known = useMemo(() => new Map<string, number>(), [])
  const observer = useMemo(
    () =>
      new ResizeObserver((entries) => {
        let isNew = false
        for (const { target, borderBoxSize } of entries) {
          const { row = '' } = target instanceof HTMLElement ? target.dataset : {}
          const height = borderBoxSize[0]?.blockSize ?? 0
          // What is hidden has none.
          if (height === 0 || known.get(row) === height) continue
          known.set(row, height)
          isNew = true
        }
        if (isNew) changes.value++
      }),
    [],
  )
  useEffect(() => () => observer.disconnect(), [])
  void changes.value
  return { observer, of: (key: string) => known.get(key) }
}

function Row(props: {
  readonly name: string
  readonly observer: ResizeObserver
  readonly place: readonly [number, number]
  readonly gap: number
  readonly attributes: Readonly<Record<string, string>>
  readonly children: ComponentChildren
}) {
  const { name, observer, place, gap, attributes, children } = props
  const item = useRef<HTMLLIElement>(null)
  useLayoutEffect(() => {
    const element = item.current!
    observer.observe(element)
    return () => observer.unobserve(element)
  }, [])
  return (
    <li
      ref={item}
      {...attributes}
      data-row={name}
      aria-posinset={place[0]}
      aria-setsize={place[1]}
      style={{ marginTop: `${gap}px` }}
    >
      {children}
    </li>
  )
}
