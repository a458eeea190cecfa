import { type ReadonlySignal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'

/** Whether an element is seen, or nearly: not where it is scrolled out of sight, or in a view that is hidden. */
export function useInSight(element: { readonly current: Element | null }): ReadonlySignal<boolean> {
  const isInSight = useSignal(false)
  useEffect(() => {
    const observer = new IntersectionObserver(
      (entries) => {
        isInSight.value = entries.at(-1)!.isIntersecting
      },
      { rootMargin: '200px' },
    )
    observer.observe(element.current!)
    return () => observer.disconnect()
  }, [])
  return isInSight
}
