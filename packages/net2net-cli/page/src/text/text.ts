/** What the page says, in English or in 中文: the English text is the key, and `{0}`, `{1}` … stand for what is filled in. */
import { batch, effect, signal } from '@preact/signals'
import { planTranslator, translator } from './translator.ts'

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
/** Heads and cells of the tables of a plan. */
const planTexts = signal<ReturnType<typeof planTranslator> | undefined>(undefined)
/** Sentences that the library or a worker has made, in the chosen language. */
const translate = signal((sentence: string) => sentence)

effect(() => {
  const chosen = language.value
  document.documentElement.lang = chosen === 'zh' ? 'zh-CN' : 'en'
  if (chosen === 'en')
    batch(() => {
      texts.value = new Map()
      planTexts.value = undefined
      translate.value = (sentence) => sentence
    })
  else
    void Promise.all([
      import('./zh.ts'),
      import('./zh-library/index.ts'),
      import('./zh-plan.ts'),
    ]).then(
      ([{ zh }, { zhLibrary }, { planHeads, planCells }]) => {
        if (language.peek() !== chosen) return
        batch(() => {
          texts.value = new Map(Object.entries(zh))
          translate.value = translator(zhLibrary)
          planTexts.value = planTranslator(planHeads, planCells, translate.peek())
        })
      },
      // They could not be loaded: the page says that it is in English.
      () => {
        if (language.peek() === chosen) language.value = 'en'
      },
    )
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

/** What the library or a worker says: a sentence in English, with names and numbers filled in already. */
export const said = (sentence: string): string => translate.value(sentence)

/** The head of a column of a plan, and a cell in the column with that head. */
export const planHead = (head: string): string => planTexts.value?.head(head) ?? head
export const planCell = (head: string, cell: string | number): string =>
  planTexts.value?.cell(head, String(cell)) ?? String(cell)
