/** A chart as a file: SVG and PNG with title and legend, CSV with every value. */
import type { ChartFormat } from './chart-formats.ts'
import type { Line } from './line.ts'
import { colour } from './theme.tsx'
import { logarithmicTicks, tickTexts } from './ticks.ts'

export interface DrawnChart {
  readonly title: string
  readonly xLabel: string
  readonly lines: readonly Line[]
  readonly x: readonly [number, number]
  readonly logarithmic: boolean
  readonly format: ChartFormat
}

const [width, height] = [960, 560]
const area = { left: 76, top: 56, right: width - 28, bottom: height - 112 }

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)

export function svgOf({ title, xLabel, lines, x: [left, right], logarithmic, format }: DrawnChart) {
  const isDrawable = (y: number) => Number.isFinite(y) && (!logarithmic || y > 0)
  const shown = (points: Line['points']) =>
    points.filter(([x, y]) => x >= left && x <= right && isDrawable(y))
  const ys = lines.flatMap(({ points, raw = [] }) => shown([...points, ...raw]).map(([, y]) => y))
  const [least, most] =
    ys.length === 0
      ? [0.1, 1]
      : [ys.reduce((a, b) => Math.min(a, b)), ys.reduce((a, b) => Math.max(a, b))]
  const room = Math.max(
    (most - least) * 0.06,
    0.005 * Math.max(Math.abs(least), Math.abs(most)),
    1e-9,
  )
  const [low, high] = logarithmic ? [least / 1.1, most * 1.1] : [least - room, most + room]
  const scaled = (value: number) => (logarithmic ? Math.log(value) : value)
  const px = (x: number) =>
    area.left + ((x - left) / (right - left || 1)) * (area.right - area.left)
  const py = (y: number) =>
    area.bottom -
    ((scaled(y) - scaled(low)) / (scaled(high) - scaled(low))) * (area.bottom - area.top)
  const at = ([x, y]: readonly [number, number]) => `${px(x).toFixed(1)} ${py(y).toFixed(1)}`
  const yTicks = logarithmic ? logarithmicTicks(low, high) : evenTicks(low, high)
  const xTicks = evenTicks(left, right).filter(Number.isInteger)
  const yTexts = tickTexts(yTicks, format)
  const ink = colour('ink')
  const muted = colour('muted')
  const grid = colour('line')
  const parts: string[] = [
    `<clipPath id="area"><rect x="${area.left}" y="${area.top}" width="${area.right - area.left}" height="${area.bottom - area.top}"/></clipPath>`,
    `<rect width="${width}" height="${height}" fill="${colour('surface')}"/>`,
    `<text x="24" y="34" font-size="18" font-weight="600" fill="${ink}">${escaped(title)}</text>`,
    ...yTicks.map(
      (y, i) =>
        `<path d="M${area.left} ${py(y).toFixed(1)}H${area.right}" stroke="${grid}"/><text x="${area.left - 8}" y="${(py(y) + 4).toFixed(1)}" text-anchor="end" fill="${muted}">${escaped(yTexts[i]!)}</text>`,
    ),
    ...xTicks.map(
      (x) =>
        `<path d="M${px(x).toFixed(1)} ${area.top}V${area.bottom}" stroke="${grid}"/><text x="${px(x).toFixed(1)}" y="${area.bottom + 20}" text-anchor="middle" fill="${muted}">${x.toLocaleString('en')}</text>`,
    ),
    `<text x="${(area.left + area.right) / 2}" y="${area.bottom + 42}" text-anchor="middle" fill="${muted}">${escaped(xLabel)}</text>`,
  ]
  if (left < 0 && right > 0)
    parts.push(
      `<path d="M${px(0).toFixed(1)} ${area.top}V${area.bottom}" stroke="${muted}" stroke-dasharray="3 4"/>`,
    )
  for (const line of lines) {
    const stroke = colour(line.colour)
    for (const point of shown(line.raw ?? []))
      parts.push(
        `<circle cx="${px(point[0]).toFixed(1)}" cy="${py(point[1]).toFixed(1)}" r="1.6" fill="${stroke}" fill-opacity="0.38"/>`,
      )
    const points = shown(line.points)
    const path = reachingOut(
      line.points.filter(([, y]) => isDrawable(y)),
      left,
      right,
    )
    if (path.length > 1)
      parts.push(
        `<path clip-path="url(#area)" d="M${path.map(at).join('L')}" fill="none" stroke="${stroke}" stroke-width="2.2" stroke-linejoin="round"${line.dash.length > 0 ? ` stroke-dasharray="${line.dash.join(' ')}"` : ''}/>`,
      )
    if (line.marks)
      for (const point of points)
        parts.push(
          `<circle cx="${px(point[0]).toFixed(1)}" cy="${py(point[1]).toFixed(1)}" r="3.6" fill="${line.hollow ? colour('surface') : stroke}" stroke="${stroke}"/>`,
        )
  }
  lines.forEach((line, i) => {
    const [x, y] = [
      24 + (i % 3) * 310,
      height - 44 + Math.floor(i / 3) * 18 - (lines.length > 6 ? 8 : 0),
    ]
    parts.push(
      `<path d="M${x} ${y - 4}h28" stroke="${colour(line.colour)}" stroke-width="2.4"${line.dash.length > 0 ? ` stroke-dasharray="${line.dash.join(' ')}"` : ''}/><text x="${x + 36}" y="${y}" fill="${ink}">${escaped(line.label)}</text>`,
    )
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="Inter, system-ui, sans-serif" font-size="13">${parts.join('\n')}</svg>\n`
}

/** The points from the last one left of a range to the first one right of it: a line goes on to both sides. */
function reachingOut(points: Line['points'], left: number, right: number): Line['points'] {
  const first = points.findIndex(([x]) => x >= left)
  const last = points.findLastIndex(([x]) => x <= right)
  return first < 0 ? [] : points.slice(Math.max(0, first - 1), last + 2)
}

function evenTicks(low: number, high: number): number[] {
  const rough = (high - low) / 8
  if (!(rough > 0)) return [low]
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5, 10].find((each) => each * power >= rough) ?? 10)
  const ticks: number[] = []
  for (let i = Math.ceil(low / step); i * step <= high; i++)
    ticks.push(Number((i * step).toPrecision(12)))
  return ticks
}

/** The SVG at twice its size. */
export async function pngOf(svg: string): Promise<Uint8Array<ArrayBuffer>> {
  const url = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }))
  try {
    const image = new Image()
    image.src = url
    await image.decode()
    const canvas = document.createElement('canvas')
    canvas.width = 2 * width
    canvas.height = 2 * height
    canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height)
    const blob = await new Promise<Blob | null>((resolve) => {
      canvas.toBlob(resolve, 'image/png')
    })
    return new Uint8Array(await blob!.arrayBuffer())
  } finally {
    URL.revokeObjectURL(url)
  }
}

/** One row per value: line, kind, x, y. */
export function csvOf({ xLabel, title, lines }: DrawnChart): string {
  const quoted = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
  const rows = lines.flatMap(({ label, raw = [], points }) => {
    const name = quoted(label)
    const kind = raw.length > 0 ? 'smoothed' : 'value'
    return [
      ...raw.map(([x, y]) => `${name},value,${x},${y}`),
      ...points.map(([x, y]) => `${name},${kind},${x},${y}`),
    ]
  })
  return `${['line', 'kind', quoted(xLabel), quoted(title)].join(',')}\n${rows.join('\n')}\n`
}
