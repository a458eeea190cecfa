/** The page's whole state lives in the address after `#`: a link to it is a link to what one sees. */
import { computed, type ReadonlySignal, signal } from '@preact/signals'

const parse = () => new URLSearchParams(location.hash.slice(1))
const params = signal(parse())
addEventListener('hashchange', () => {
  params.value = parse()
})
addEventListener('popstate', () => {
  params.value = parse()
})

/** One parameter of the address. */
export const param = (name: string, fallback = ''): ReadonlySignal<string> =>
  computed(() => params.value.get(name) ?? fallback)

export function numberParam(name: string, fallback: number): ReadonlySignal<number> {
  return computed(() => {
    const text = params.value.get(name)
    const value = text === null || text.trim() === '' ? Number.NaN : Number(text)
    return Number.isFinite(value) ? value : fallback
  })
}

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
  if (push) history.pushState(null, '', address)
  else history.replaceState(null, '', address)
  params.value = parse()
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
