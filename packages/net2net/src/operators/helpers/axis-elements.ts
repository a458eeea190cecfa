/**
 * Sizes of axes, as elements of integer tensors: which axis an element is the size of, through the
 * arithmetic by which exporters compute products, sums and equal parts of sizes.
 */

import type { AxesContext, AxisElement } from '../contract/axes.ts'
import { type Axis, product, sizeOf, sum } from '../contract/axis.ts'
import { sizeKey, unitsOf } from '../contract/axis-size.ts'
import type { ElementOperation } from './elements.ts'

type SizeElement = AxisElement & { readonly kind: 'size' }

/** Is the element the very size of its axis, not a part or a multiple of it? */
export const isWholeSize = (element: AxisElement | undefined): element is SizeElement =>
  element?.kind === 'size' && !element.plus && !element.divisor

/** Fixes every axis whose size is among the elements. */
export function fixSizes(
  context: AxesContext,
  elements: readonly AxisElement[] | undefined,
  reason = 'computes with the size of the axis',
): void {
  for (const element of elements ?? [])
    if (element.kind === 'size') context.fix(element.axis, reason)
}

/**
 * The result of an operation on two elements, one of either input, and their positions there. Where
 * it cannot be said, the axes whose sizes went in are fixed.
 */
export function joinAxisElements(
  context: AxesContext,
  operation: ElementOperation,
  [a, b]: readonly [AxisElement, AxisElement],
  positions: readonly [number, number],
): AxisElement {
  if (a.kind === 'value' && a.value === operation.neutralLeft) return b
  if (b.kind === 'value' && b.value === operation.neutralRight) return a
  if (a.kind === 'value' && b.kind === 'value')
    return { kind: 'value', value: operation.numbers(a.value, b.value) }
  const number = a.kind === 'value' ? a.value : b.kind === 'value' ? b.value : undefined
  const isSize = a.kind === 'size' || b.kind === 'size'
  const certain = isSize && number !== undefined ? operation.anySize?.(number) : undefined
  if (certain !== undefined) return { kind: 'value', value: certain }
  const same = operation.equalSymbols === 'itself' && sameSize(context, [a, b], positions)
  if (same) return same
  const joined =
    operation.sizes === 'product'
      ? multiplySizes(context, [a, b], positions)
      : operation.sizes && joinSizes(operation.sizes, a, b)
  if (joined) return joined
  fixSizes(context, [a, b])
  return { kind: 'unknown' }
}

/** The greater of two sizes that are equal whatever the batch is: both axes are one. */
function sameSize(
  context: AxesContext,
  [a, b]: readonly [AxisElement, AxisElement],
  positions: readonly [number, number],
): AxisElement | undefined {
  const [first, second] = positions.map((position, i) => context.elements(i)?.[position] ?? null)
  if (!isWholeSize(a) || !isWholeSize(b) || first === null || first !== second) return undefined
  return { kind: 'size', axis: context.unify(a.axis, b.axis) }
}

/** The product of all elements of input 0; where it cannot be said, the axes whose sizes they are are fixed. */
export function productOfElements(
  context: AxesContext,
  elements: readonly AxisElement[],
): AxisElement {
  if (elements.every((element) => element.kind === 'value'))
    return { kind: 'value', value: elements.reduce((total, { value }) => total * value, 1) }
  const factors = elements.flatMap((element, i): (Axis | undefined)[] => {
    if (isWholeSize(element)) return [element.axis]
    if (element.kind !== 'value' || !Number.isInteger(element.value) || element.value < 1)
      return [undefined]
    return element.value === 1 ? [] : [numberFactor(context, 0, i, element.value)]
  })
  if (factors.every((factor) => factor !== undefined))
    return { kind: 'size', axis: product(factors) }
  fixSizes(context, elements)
  return { kind: 'unknown' }
}

/** The size of an axis itself, whichever the product comes to be unified with. */
function numberFactor(context: AxesContext, input: number, position: number, size: number): Axis {
  const factor = context.unit(size, 'a number that multiplies sizes')
  context.sizeElement(input, position, factor)
  return factor
}

function multiplySizes(
  context: AxesContext,
  elements: readonly [AxisElement, AxisElement],
  positions: readonly [number, number],
): AxisElement | undefined {
  const [a, b] = elements
  for (const [x, y] of [
    [a, b],
    [b, a],
  ] as const)
    if (x.kind === 'size' && y.kind === 'value' && x.divisor === y.value)
      return { kind: 'size', axis: x.axis }
  const isFactor = (element: AxisElement) =>
    isWholeSize(element) ||
    (element.kind === 'value' && Number.isInteger(element.value) && element.value > 0)
  if (!elements.every(isFactor)) return undefined
  const factors = elements.flatMap((element, i): readonly Axis[] =>
    element.kind === 'size'
      ? [element.axis]
      : element.kind === 'value'
        ? [numberFactor(context, i, positions[i]!, element.value)]
        : [],
  )
  return { kind: 'size', axis: product(factors) }
}

function joinSizes(
  operation: Exclude<ElementOperation['sizes'], 'product' | undefined>,
  a: AxisElement,
  b: AxisElement,
): AxisElement | undefined {
  switch (operation) {
    case 'sum':
      if (a.kind === 'value') return joinSizes(operation, b, a)
      if (a.kind === 'size' && !a.divisor && b.kind === 'value' && Number.isInteger(b.value))
        return { ...a, plus: (a.plus ?? 0) + b.value }
      return isWholeSize(a) && isWholeSize(b)
        ? { kind: 'size', axis: sum([a.axis, b.axis]) }
        : undefined
    case 'quotient':
      return a.kind === 'size' && b.kind === 'value' ? quotient(a, b.value) : undefined
    case 'difference':
      // c − c/2, the other half
      return a.kind === 'size' &&
        b.kind === 'size' &&
        isWholeSize(a) &&
        b.divisor === 2 &&
        isSameAxis(a.axis, b.axis)
        ? b
        : undefined
  }
}

/** ⌊(size + plus) / k⌋ where k divides the size, so that `plus` is rounded away. */
function quotient({ axis, plus = 0, divisor }: SizeElement, k: number): AxisElement | undefined {
  const size = sizeOf(axis)
  const exact = size !== null && k > 0 && size % k === 0 && plus >= 0 && plus < k
  return exact && !divisor ? { kind: 'size', axis, divisor: k } : undefined
}

const isSameAxis = (a: Axis, b: Axis): boolean =>
  a === b || (a.kind === 'variable' && b.kind === 'variable' && a.id === b.id)

/**
 * Says that `axis` has the size that a size element stands for: it is the element's axis, that axis
 * and `plus` more entries, or one of `divisor` equal parts of it (a factor, with the rest fixed, or
 * one of as many parts that grow alike).
 */
export function followSizeElement(context: AxesContext, element: SizeElement, axis: Axis): void {
  const { plus = 0, divisor } = element
  if (divisor) followPart(context, element.axis, divisor, axis)
  else if (plus > 0)
    context.unify(sum([element.axis, context.fixed(plus, 'adds this number')]), axis)
  else if (plus === 0) followWhole(context, element.axis, axis)
  else for (const each of [element.axis, axis]) context.fix(each, 'computes with the size of it')
}

/**
 * Two axes may have one size without being one axis: the same factors in another order (a channel
 * shuffle), or c + c and 2·c. Units that only one of them has must stay what they are for that.
 */
function followWhole(context: AxesContext, whole: Axis, axis: Axis): void {
  const [a, b] = [context.unify(whole, whole), context.unify(axis, axis)]
  const [inA, inB] = [unitsOf(a), unitsOf(b)]
  const lone = [...inA, ...inB].filter(([id]) => inA.has(id) !== inB.has(id))
  const constants = new Map(
    lone.flatMap(([id, unit]) => (typeof unit.size === 'number' ? [[id, unit.size] as const] : [])),
  )
  const isEqual =
    constants.size < inA.size + inB.size && sizeKey(a, constants) === sizeKey(b, constants)
  // The same factors in the same places, as far as both have them: the others are the same too.
  const [left, right] = [factorsOf(a), factorsOf(b)]
  const isAligned =
    left.length === right.length &&
    left.every((factor, k) => isSameAxis(factor, right[k]!) || areNumbers(factor, right[k]!))
  if (!isEqual || isAligned) context.unify(whole, axis)
  else for (const [, unit] of lone) context.fix(unit, 'computes with this number')
}

function followPart(context: AxesContext, whole: Axis, divisor: number, part: Axis): void {
  // Both in terms of the units that they consist of by now.
  const expanded = context.unify(whole, whole)
  const inner = factorsOf(context.unify(part, part))
  const outer = factorsOf(expanded)
  const at = outer.findIndex((_, k) => inner.every((factor, j) => isSameAt(outer, k + j, factor)))
  const rest = at < 0 ? [] : [...outer.slice(0, at), ...outer.slice(at + inner.length)]
  if (at >= 0 && sizeOf(product(rest)) === divisor) {
    for (const factor of rest) context.fix(factor, `divides the axis by ${divisor}`)
    return
  }
  const size = sizeOf(expanded)
  const parts =
    size === null || size % divisor !== 0
      ? []
      : Array.from({ length: divisor }, (_, k) =>
          context.slice(whole, (k * size) / divisor, ((k + 1) * size) / divisor),
        )
  if (parts.length > 0 && parts.every((each) => each !== undefined))
    for (const each of parts) context.unify(each!, part)
  else for (const each of [whole, part]) context.fix(each, `divides the axis by ${divisor}`)
}

const factorsOf = (axis: Axis) => (axis.kind === 'product' ? axis.factors : [axis])

const areNumbers = (a: Axis, b: Axis): boolean =>
  a.kind === 'variable' && b.kind === 'variable' && typeof a.size === 'number' && a.size === b.size

const isSameAt = (axes: readonly Axis[], k: number, axis: Axis) =>
  axes[k] !== undefined && isSameAxis(axes[k]!, axis)
