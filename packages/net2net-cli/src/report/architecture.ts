/** The networks as rows of bars, one bar per layer, as high as the layer is wide. */

import { type ArmRecord, armTitle } from '../runs/run-record.ts'
import { escapeHtml } from './html.ts'

const barWidth = 64
const gap = 26
const tallest = 84

/**
 * One drawing per arm whose layers are known: kept units grey, new units and new layers in their
 * colours. The scale is common to all arms.
 */
export function architectures(arms: readonly ArmRecord[], teacher: ArmRecord | undefined): string {
  const drawn = arms.filter((arm) => arm.layers !== undefined && arm.layers.length > 0)
  if (drawn.length === 0) return ''
  const widest = Math.max(...drawn.flatMap((arm) => arm.layers!.map((layer) => layer.width ?? 1)))
  const height = (width: number) => Math.max(5, (width / widest) * tallest)
  const seen = new Set<string>()
  const figures = drawn.flatMap((arm) => {
    const key = JSON.stringify(arm.layers!.map(({ name, width }) => [name, width]))
    // Arms that differ in nothing but their start share a drawing.
    if (seen.has(key)) return []
    seen.add(key)
    const alike = drawn.filter(
      (other) => JSON.stringify(other.layers!.map(({ name, width }) => [name, width])) === key,
    )
    return [figure(arm, alike, teacher, height)]
  })
  return `<div class="architectures">${figures.join('')}</div>`
}

function figure(
  arm: ArmRecord,
  alike: readonly ArmRecord[],
  teacher: ArmRecord | undefined,
  height: (width: number) => number,
): string {
  const layers = arm.layers!
  const before = new Map(teacher?.layers?.map((layer) => [layer.name, layer.width ?? 1]))
  const compares = teacher !== undefined && before.size > 0 && arm !== teacher
  const step = barWidth + gap
  const base = tallest + 22
  const parts = layers.map((layer, i) => {
    const x = i * step
    const width = layer.width ?? 1
    const old = before.get(layer.name)
    const inserted = compares && old === undefined
    const kept = !compares || inserted ? width : Math.min(width, old ?? width)
    const full = height(width)
    const grown = compares && !inserted && width > kept
    const join =
      i === 0
        ? ''
        : `<line class="wire" x1="${x - gap}" x2="${x}" y1="${base - 3}" y2="${base - 3}"/>`
    const bar = inserted
      ? `<rect class="inserted" x="${x}" y="${base - full}" width="${barWidth}" height="${full}" rx="3"/>`
      : `<rect class="kept" x="${x}" y="${base - height(kept)}" width="${barWidth}" height="${height(kept)}" rx="3"/>`
    const fresh = grown
      ? `<rect class="widened" x="${x}" y="${base - full}" width="${barWidth}" height="${full - height(kept) - 1.5}" rx="3"/>`
      : ''
    const size = grown ? `${kept} → ${width}` : inserted ? `+ ${width}` : String(width)
    return `${join}${bar}${fresh}<text x="${x + barWidth / 2}" y="${base - full - 6}" class="size">${size}</text><text x="${x + barWidth / 2}" y="${base + 14}" class="layer">${escapeHtml(layer.name)}</text>`
  })
  const words = layers.map((layer) => `${layer.name} ${layer.width ?? '?'}`).join(', ')
  const title = alike.map((other) => armTitle(other.name)).join(' · ')
  const width = layers.length * step - gap
  return `<figure><figcaption>${escapeHtml(title)}</figcaption><svg viewBox="-6 0 ${width + 12} ${base + 22}" style="max-width:${width + 12}px" role="img" aria-label="${escapeHtml(`${title}: ${words}`)}">${parts.join('')}</svg></figure>`
}
