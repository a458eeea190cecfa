import { t } from '../text/text.ts'

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

export const count = (value: number): string => grouped.format(value)

export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB']
  let unit = 0
  let size = value
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024
    unit++
  }
  return `${unit === 0 ? size : size.toPrecision(3)} ${units[unit]}`
}

/** A small difference: 3.0e-7, or 0. */
export const tiny = (value: number): string => (value === 0 ? '0' : value.toExponential(1))

/** null is what JSON makes of NaN. */
export const figure = (value: number | null | undefined, digits = 4): string =>
  value === undefined
    ? '–'
    : value === null || !Number.isFinite(value)
      ? t('not finite')
      : value.toFixed(digits)

export const percent = (value: number | null | undefined, digits = 2): string =>
  value === undefined || value === null ? '–' : `${(100 * value).toFixed(digits)}%`

export function seconds(value: number): string {
  if (value < 9.95) return t('{0} s', value.toFixed(1))
  const whole = Math.round(value)
  if (whole < 60) return t('{0} s', whole)
  const minutes = Math.floor(whole / 60)
  return minutes < 60
    ? t('{0} min {1} s', minutes, String(whole % 60).padStart(2, '0'))
    : t('{0} h {1} min', Math.floor(minutes / 60), String(minutes % 60).padStart(2, '0'))
}
