/** What the page says, in English or in 中文: the English text is the key, and `{0}`, `{1}` … stand for what is filled in. */
import { effect, signal } from '@preact/signals'

export const languages = [
  { id: 'en', name: 'English' },
  { id: 'zh', name: '中文' },
] as const
export type Language = (typeof languages)[number]['id']

const stored = (): Language => {
  try {
    const chosen = languages.find(({ id }) => id === localStorage.getItem('language'))
    if (chosen) return chosen.id
  } catch {
    // A browser that forbids storage forgets the choice.
  }
  return /^zh\b/i.test(navigator.language) ? 'zh' : 'en'
}

export const language = signal<Language>(stored())
/** Texts of the chosen language by the English ones; loaded when somebody wants them. */
const texts = signal<ReadonlyMap<string, string>>(new Map())

effect(() => {
  const chosen = language.value
  document.documentElement.lang = chosen === 'zh' ? 'zh-CN' : 'en'
  if (chosen === 'en') texts.value = new Map()
  else
    void import('./zh.ts').then(({ zh }) => {
      if (language.peek() === chosen) texts.value = new Map(Object.entries(zh))
    })
})

export function chooseLanguage(chosen: Language): void {
  language.value = chosen
  try {
    localStorage.setItem('language', chosen)
  } catch {
    // As above.
  }
}

export function t(text: string, ...values: readonly (string | number)[]): string {
  const found = texts.value.get(text) ?? text
  return values.length === 0
    ? found
    : found.replace(/\{(\d)\}/g, (_, i) => String(values[Number(i)]))
}
