/**
 * A drawing as MNIST's digits are: 28×28, the digit scaled into 20×20, its centre of mass in the
 * middle. `ink`: 0 to 1, row-major, side × side. undefined where nothing is drawn.
 */
export function centred(ink: Float32Array, side: number): Float32Array | undefined {
  let [left, top, right, bottom] = [side, side, -1, -1]
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      if (ink[y * side + x]! > 0.1) {
        left = Math.min(left, x)
        right = Math.max(right, x)
        top = Math.min(top, y)
        bottom = Math.max(bottom, y)
      }
  if (right < left) return undefined
  const scale = 20 / Math.max(right - left + 1, bottom - top + 1)
  const width = Math.max(1, Math.round((right - left + 1) * scale))
  const height = Math.max(1, Math.round((bottom - top + 1) * scale))
  const small = new Float32Array(width * height)
  let [mass, mx, my] = [0, 0, 0]
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const value = areaMean(
        ink,
        side,
        left + x / scale,
        top + y / scale,
        left + (x + 1) / scale,
        top + (y + 1) / scale,
      )
      small[y * width + x] = value
      mass += value
      mx += value * (x + 0.5)
      my += value * (y + 0.5)
    }
  const dx = clamp(Math.round(14 - mx / mass), 0, 28 - width)
  const dy = clamp(Math.round(14 - my / mass), 0, 28 - height)
  const result = new Float32Array(28 * 28)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) result[(y + dy) * 28 + x + dx] = small[y * width + x]!
  return result
}

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value))

function areaMean(
  ink: Float32Array,
  side: number,
  x0: number,
  y0: number,
  x1: number,
  y1: number,
): number {
  let [sum, count] = [0, 0]
  for (let y = Math.floor(y0); y < Math.max(Math.floor(y0) + 1, Math.floor(y1)); y++)
    for (let x = Math.floor(x0); x < Math.max(Math.floor(x0) + 1, Math.floor(x1)); x++) {
      if (x >= side || y >= side) continue
      sum += ink[y * side + x]!
      count++
    }
  return count === 0 ? 0 : sum / count
}
