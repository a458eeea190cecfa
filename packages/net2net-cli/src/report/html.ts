import { createHash } from 'node:crypto'
import { style } from './style.ts'

export const escapeHtml = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')

export interface PageOptions {
  /** JavaScript that makes the page more convenient; without it the page shows the same. The page allows no other. */
  readonly script?: string
  /** CSS beside that of all reports. */
  readonly style?: string
  /** Seconds after which a page that somebody serves is loaded again. */
  readonly refresh?: number | undefined
}

/** A page that needs nothing else: no request. `body` is HTML, `title` is text. */
export function page(
  title: string,
  body: string,
  { script, style: more = '', refresh }: PageOptions = {},
): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policyOf(script)}">
<meta name="color-scheme" content="light dark">${
    refresh === undefined ? '' : `\n<meta http-equiv="refresh" content="${refresh}">`
  }
<title>${escapeHtml(title)}</title>
<style>${style}${more}</style>
</head>
<body><main>
${body}
</main>${script ? `<script>${script}</script>` : ''}</body>
</html>
`
}

const policyOf = (script: string | undefined): string => {
  const digest = script && createHash('sha256').update(script).digest('base64')
  return `default-src 'none'; style-src 'unsafe-inline'${digest ? `; script-src 'sha256-${digest}'` : ''}`
}

/** The content security policy that a report asks for, for a server that shows it. */
export const reportPolicy = (html: string): string =>
  policyOf(/<\/main><script>([\s\S]*)<\/script><\/body>/.exec(html)?.[1])
