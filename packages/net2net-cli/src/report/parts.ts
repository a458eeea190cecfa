/** Parts that reports are made of. */
import type { Chart } from './charts.ts'
import { escapeHtml } from './html.ts'

export function section(title: string, note: string, content: string): string {
  const remark = note === '' ? '' : `<p class="note">${escapeHtml(note)}</p>`
  return `<section><h2>${escapeHtml(title)}</h2>${remark}${content}</section>`
}

/** Vega's own labels inside the drawing are for its interactive view: one label for the whole. */
export function figure({ title, description, svg }: Chart, caption = title): string {
  const bare = svg
    .replace(/ (aria-[a-z]+|role)="[^"]*"/g, '')
    .replace(/ width="[\d.]+" height="[\d.]+" viewBox/, ' viewBox')
    .replace('<svg ', `<svg role="img" aria-label="${escapeHtml(description)}" `)
  const heading = caption === '' ? '' : `<figcaption>${escapeHtml(caption)}</figcaption>`
  return `<figure class="chart">${heading}<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(title)}">${bare}</div></figure>`
}
