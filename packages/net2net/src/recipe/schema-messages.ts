/** What a schema finds wrong, in words of ours; schemas that say it themselves are left to it. */
import type { z } from 'zod'

const kinds: Readonly<Record<string, string>> = {
  object: 'a set of named fields',
  record: 'a set of named fields',
  map: 'a set of named fields',
  array: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  null: 'empty',
}
const named = (kind: string) => kinds[kind] ?? kind

/** What is to be said of a field: `must be a number, not text`. */
export function wordsOf(issue: z.core.$ZodIssue): string {
  const { message } = issue
  if (!/^(Invalid|Too|Unrecognized)\b/.test(message)) return message
  switch (issue.code) {
    case 'invalid_type': {
      const received = /received (\w+)$/.exec(message)?.[1] ?? 'undefined'
      const wanted = named(issue.expected)
      return received === 'undefined'
        ? `is missing; it must be ${wanted}`
        : `must be ${wanted}, not ${received === issue.expected ? 'this one' : named(received)}`
    }
    case 'invalid_value': {
      const values = issue.values.map(String)
      return values.length === 1 ? `must be ${values[0]}` : `must be one of ${values.join(', ')}`
    }
    case 'too_small':
      if (issue.origin === 'array' || issue.origin === 'string')
        return issue.minimum === 1 ? 'must not be empty' : `must have at least ${issue.minimum}`
      return `must be ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`
    case 'too_big':
      return `must ${issue.origin === 'array' || issue.origin === 'string' ? 'have' : 'be'} ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}`
    case 'unrecognized_keys': {
      const [key] = issue.keys
      return `has no field "${key}"`
    }
    default:
      return message.charAt(0).toLowerCase() + message.slice(1)
  }
}
