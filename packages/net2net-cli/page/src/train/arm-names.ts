/** What arms are called, in the page's language. */
import { t } from '../text/text.ts'
import { armTitle as english } from './arms.ts'

export const armTitle = (name: string): string => t(english(name))
