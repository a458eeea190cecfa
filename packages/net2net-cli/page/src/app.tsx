import { useEffect, useState } from 'preact/hooks'
import { CompareView } from './compare/view.tsx'
import { GrowView } from './grow/view.tsx'
import { RunsView } from './runs/view.tsx'
import { addressWith, setParams, tab, tabs } from './state.ts'
import { chooseLanguage, language, languages, t } from './text/text.ts'
import { TrainView } from './train/tab.tsx'
import { Announcer } from './ui/announce.tsx'
import { ThemeButton } from './ui/theme.tsx'

const views = { grow: GrowView, compare: CompareView, train: TrainView, runs: RunsView }

export function App() {
  const current = tab.value
  // What is chosen is marked at once. Its view, which may take a while to draw, follows when that has been painted.
  const [drawn, setDrawn] = useState(current)
  useEffect(() => setDrawn(current), [current])
  const View = views[drawn]
  const title = t(tabs.find(({ id }) => id === current)!.label)
  useEffect(() => {
    document.title = `${title} · net2net`
  }, [title])
  return (
    <>
      <button type="button" class="skip" onClick={skipToMain}>
        {t('Skip to the content')}
      </button>
      <header class="top">
        <a class="brand" href={addressWith({ tab: 'grow' })} aria-label="net2net">
          <Mark />
          <span>net2net</span>
        </a>
        <nav aria-label={t('Views')}>
          {tabs.map(({ id, label }) => (
            <a
              key={id}
              href={addressWith({ tab: id })}
              aria-current={id === current ? 'page' : undefined}
              onClick={(event) => {
                if (event.metaKey || event.ctrlKey || event.shiftKey) return
                event.preventDefault()
                setParams({ tab: id }, { push: true })
              }}
            >
              {t(label)}
            </a>
          ))}
        </nav>
        <LanguageButton />
        <ThemeButton />
      </header>
      <main id="main" tabIndex={-1}>
        <View />
      </main>
      <Announcer />
    </>
  )
}

/** Offers the other language in its own words. */
function LanguageButton() {
  const other = languages.find(({ id }) => id !== language.value)!
  return (
    <button
      type="button"
      class="quiet small language"
      lang={other.id}
      onClick={() => chooseLanguage(other.id)}
    >
      {other.name}
    </button>
  )
}

/** A link to #main would overwrite the page's state, which is what stands after `#`. */
const skipToMain = () => document.getElementById('main')?.focus()

/** The mark: two units become three. */
function Mark() {
  return (
    <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
      <g stroke="currentColor" stroke-width="1.3" opacity=".45">
        <path d="M6 8 18 4M6 8l12 8M6 16 18 4M6 16h12" />
      </g>
      <path d="m6 16 12 5" stroke="var(--inserted)" stroke-width="1.3" />
      <g fill="currentColor">
        <circle cx="6" cy="8" r="2.2" />
        <circle cx="6" cy="16" r="2.2" />
        <circle cx="18" cy="4" r="2.2" />
        <circle cx="18" cy="13" r="2.2" />
      </g>
      <circle cx="18" cy="21" r="2.2" fill="var(--inserted)" />
    </svg>
  )
}
