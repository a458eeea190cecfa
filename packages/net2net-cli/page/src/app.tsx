import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { CompareView } from './compare/view.tsx'
import { followAddress } from './grow/model.ts'
import { GrowView } from './grow/view.tsx'
import { RunsView } from './runs/view.tsx'
import { addressWith, setParams, tab, tabs, type View, view } from './state.ts'
import { chooseLanguage, type Language, language, languages, t } from './text/text.ts'
import { OwnView } from './train/own/view.tsx'
import { ExperimentView } from './train/view.tsx'
import { Announcer } from './ui/announce.tsx'
import { ThemeButton } from './ui/theme.tsx'

const views: Readonly<Record<View, () => ComponentChildren>> = {
  grow: GrowView,
  compare: CompareView,
  train: ExperimentView,
  'train-own': OwnView,
  runs: RunsView,
}

/**
 * Views that were looked at stay, hidden, so that whoever comes back finds them as they were, at once. Another language takes those
 * that are hidden away: only what is seen is written anew.
 */
function useKeptViews(): { readonly shown: View; readonly kept: readonly View[] } {
  const current = view.value
  // What is chosen is marked at once. Its view, which may take a while to draw, follows when that has been painted.
  const [shown, setShown] = useState(current)
  useEffect(() => setShown(current), [current])
  const visited = useRef<
    { readonly language: Language; readonly views: ReadonlySet<View> } | undefined
  >(undefined)
  const before = visited.current?.language === language.value ? visited.current.views : []
  const kept = new Set([...before, shown])
  visited.current = { language: language.value, views: kept }
  return { shown, kept: [...kept] }
}

export function App() {
  const current = tab.value
  const { shown, kept } = useKeptViews()
  const title = t(tabs.find(({ id }) => id === current)!.label)
  useEffect(followAddress, [])
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
        {kept.map((id) => {
          const Each = views[id]
          return (
            <div key={id} class="view" hidden={id !== shown}>
              <Each />
            </div>
          )
        })}
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
