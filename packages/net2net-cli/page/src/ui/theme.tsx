import { effect, signal } from '@preact/signals'
import { t } from '../text/text.ts'

type Theme = 'auto' | 'light' | 'dark'
const order: readonly Theme[] = ['auto', 'light', 'dark']
const names: Record<Theme, string> = { auto: 'as the system', light: 'light', dark: 'dark' }

const stored = (): Theme => {
  try {
    return order.find((theme) => theme === localStorage.getItem('theme')) ?? 'auto'
  } catch {
    return 'auto'
  }
}
export const theme = signal<Theme>(stored())
const systemDark = matchMedia('(prefers-color-scheme: dark)')
/** Counts changes of the colours, for what draws on a canvas. */
export const colours = signal(0)
systemDark.addEventListener('change', () => colours.value++)

effect(() => {
  const chosen = theme.value
  if (chosen === 'auto') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = chosen
  try {
    localStorage.setItem('theme', chosen)
  } catch {
    // A browser that forbids storage forgets the choice.
  }
  colours.value = colours.peek() + 1
})

/** Takes a colour on, because a variable itself says `light-dark(…)`. */
const probe = document.createElement('span')
probe.hidden = true

/** The value of a colour variable of the style sheet, as `rgb(…)`. */
export function colour(name: string, opacity = 1): string {
  if (!probe.isConnected) document.body.append(probe)
  probe.style.color = `var(--${name})`
  const { color } = getComputedStyle(probe)
  return opacity === 1 ? color : color.replace(/^rgb\((.*)\)$/, `rgba($1, ${opacity})`)
}

export function ThemeButton() {
  const next = order[(order.indexOf(theme.value) + 1) % order.length]!
  return (
    <button
      type="button"
      class="quiet icon"
      title={t('Colours: {0}. Switch to {1}.', t(names[theme.value]), t(names[next]))}
      aria-label={t('Colours: {0}. Switch to {1}.', t(names[theme.value]), t(names[next]))}
      onClick={() => {
        theme.value = next
      }}
    >
      <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
        <circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-width="1.5" />
        {theme.value === 'dark' ? (
          <circle cx="10" cy="10" r="7" fill="currentColor" />
        ) : theme.value === 'auto' ? (
          <path d="M10 3a7 7 0 0 1 0 14z" fill="currentColor" />
        ) : null}
      </svg>
    </button>
  )
}
