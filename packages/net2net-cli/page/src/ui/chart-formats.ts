/** How the values of a chart are written: with at least as many digits as are asked for. */
export type ChartFormat = (value: number, digits?: number) => string

/** Of losses: significant digits. */
export const asNumber: ChartFormat = (value, digits = 4) =>
  String(Number(value.toPrecision(Math.min(17, digits + 1))))

/** Of accuracies: decimals of per cents. */
export const asPercent: ChartFormat = (value, digits = 3) =>
  `${(100 * value).toFixed(Math.min(17, digits - 1))}%`
