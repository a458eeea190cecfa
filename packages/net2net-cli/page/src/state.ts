/** The page's whole state lives in the address after `#`: a link to it is a link to what one sees. */
import { computed, type ReadonlySignal, signal } from '@preact/signals'

/** What the next write puts into the address bar. */
let unwritten: string | undefined

const parse = () => new URLSearchParams(location.hash.slice(1))
const params = signal(parse())
for (const moved of ['hashchange', 'popstate'])
  addEventListener(moved, () => {
    unwritten = undefined
    params.value = parse()
  })

/** One parameter of the address. */
export const param = (name: string, fallback = ''): ReadonlySignal<string> =>
  computed(() => params.value.get(name) || fallback)

export function numberParam(name: string, fallback: number): ReadonlySignal<number> {
  return computed(() => {
    const text = params.value.get(name)
    const value = text === null || text.trim() === '' ? Number.NaN : Number(text)
    return Number.isFinite(value) ? value : fallback
  })
}

/** The whole number within the limits that is nearest: addresses may say anything. */
export const within = (
  value: number,
  { min, max }: { readonly min: number; readonly max: number },
): number => Math.min(max, Math.max(min, Math.round(value)))

/** The address with these parameters set; those that are undefined or '' are left out. */
export function addressWith(changes: Readonly<Record<string, string | undefined>>): string {
  const next = new URLSearchParams(params.value)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === '') next.delete(name)
    else next.set(name, value)
  }
  // Characters that are legal in a fragment stay readable.
  return `#${next.toString().replaceAll('%2C', ',').replaceAll('%3A', ':').replaceAll('%3D', '=')}`
}

/** Changes the address; `push` makes it a step that the browser's Back undoes. */
export function setParams(
  changes: Readonly<Record<string, string | undefined>>,
  { push = false } = {},
): void {
  const address = addressWith(changes)
  params.value = new URLSearchParams(address.slice(1))
  if (push) {
    write()
    history.pushState(null, '', address)
  } else {
    unwritten = address
    if (pace.allows()) write()
    else waiting ??= setTimeout(write, pace.wait)
  }
}

/**
 * Browsers ignore changes of the address that come too fast, as from a slider that is dragged: Chromium takes 200 in
 * ten seconds, Safari 100. After the first few, an address waits for a later one.
 */
const pace = {
  wait: 250,
  start: 0,
  made: 0,
  allows(): boolean {
    const now = performance.now()
    if (now - this.start > 10_000) {
      this.start = now
      this.made = 0
    }
    return ++this.made <= 50
  },
}
let waiting: ReturnType<typeof setTimeout> | undefined

function write(): void {
  clearTimeout(waiting)
  waiting = undefined
  if (unwritten !== undefined) history.replaceState(null, '', unwritten)
  unwritten = undefined
}

/** Names of layers and runs may hold any character: those that separate are escaped. */
export const escapeName = (name: string): string => encodeURIComponent(name)
export const unescapeName = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export type Tab = 'grow' | 'compare' | 'train' | 'runs'
export const tabs: readonly { readonly id: Tab; readonly label: string }[] = [
  { id: 'grow', label: 'Grow' },
  { id: 'compare', label: 'Compare' },
  { id: 'train', label: 'Train' },
  { id: 'runs', label: 'Runs' },
]
const tabParam = param('tab', 'grow')
export const tab = computed<Tab>(() => tabs.find(({ id }) => id === tabParam.value)?.id ?? 'grow')

const trainParam = param('what')
/** What is shown: a tab, of which the one for training has two views. */
export type View = Tab | 'train-own'
export const view = computed<View>(() =>
  tab.value === 'train' && trainParam.value === 'own' ? 'train-own' : tab.value,
)

/**
 * What `compute` gives as long as one of these views is shown, and what it gave last while none is: views that are hidden are not
 * drawn anew.
 */
export function whileShown<T>(views: readonly View[], compute: () => T): ReadonlySignal<T> {
  let last: { readonly value: T } | undefined
  return computed(() => {
    if (last === undefined || views.includes(view.value)) last = { value: compute() }
    return last.value
  })
}
