/** Who grew from whom, as nested lists. */
import { escapeHtml } from '../../report/html.ts'
import type { DrawnNetwork } from './networks.ts'

export function tree(networks: readonly DrawnNetwork[]): string {
  const children = new Map<number | null, DrawnNetwork[]>()
  for (const network of networks)
    children.set(network.parent, [...(children.get(network.parent) ?? []), network])
  const losses = networks.flatMap(({ moments }) => moments.map(({ valLoss }) => valLoss))
  const worst = Math.max(...losses.filter(Number.isFinite))
  // Networks may be many generations deep: no recursion.
  const lines: string[] = []
  const open = [{ list: children.get(null) ?? [], at: 0 }]
  lines.push('<ul class="tree">')
  while (open.length > 0) {
    const level = open.at(-1)!
    const network = level.list[level.at++]
    if (!network) {
      open.pop()
      lines.push(open.length > 0 ? '</ul></li>' : '</ul>')
      continue
    }
    lines.push(`<li>${label(network, worst)}`)
    const list = children.get(network.network)
    if (list) {
      lines.push('<ul>')
      open.push({ list, at: 0 })
    } else lines.push('</li>')
  }
  return lines.join('\n')
}

function label(network: DrawnNetwork, worst: number): string {
  const { title, growth, rungs, reason, isOnFront } = network
  const last = rungs.at(-1)
  const best = Math.min(...rungs.map(({ valLoss }) => valLoss))
  const width = Number.isFinite(best) && worst > 0 ? Math.max(1, (100 * best) / worst) : 0
  const figures = last
    ? `<span class="figures">${last.parameters.toLocaleString('en')} parameters · ${rungs.length} ${rungs.length === 1 ? 'rung' : 'rungs'} · val loss ${best.toFixed(4)}</span><span class="bar" style="--share:${width.toFixed(1)}%"></span>`
    : `<span class="figures">${escapeHtml(reason ?? 'not trained yet')}</span>`
  const name = escapeHtml(growth === '' ? title : `${title}: ${growth}`)
  return `<span class="name">${isOnFront ? `<b>${name}</b> <small>front</small>` : name}</span>${figures}`
}
