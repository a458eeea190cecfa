import { expect, test } from 'vitest'
import { Net2NetError } from '../src/errors.ts'
import { decodeModel } from '../src/onnx/decode.ts'
import * as w from './wire-writer.ts'

/** A broken file, and what the refusal must say. */
export type HostileCase = readonly [name: string, bytes: w.Bytes, message: RegExp]

// A small sound model, to be broken.
export const x: w.Bytes = w.input('x', 1)
export const y: w.Bytes = w.output('y', 1)
export const relu: w.Bytes = w.node('Relu', ['x'], ['y'])
export const fine: readonly w.Bytes[] = [x, relu, y]
export const good: w.Bytes = w.model(...fine)
export const withWeight = (...weight: Parameters<typeof w.initializer>): w.Bytes =>
  w.model(...fine, w.initializer(...weight))
export const withAttribute = (...fields: Parameters<typeof w.attribute>): w.Bytes =>
  w.model(x, w.node('Relu', ['x'], ['y'], w.attribute(...fields)), y)

/** Every case is refused within two seconds, by one printable sentence that names the field. */
export function testRefusals(cases: readonly HostileCase[]): void {
  test.each(cases)('%s is refused', (_, bytes, message) => {
    const start = process.cpuUsage()
    const error = refusal(bytes)
    const { user, system } = process.cpuUsage(start)
    expect((user + system) / 1e6).toBeLessThan(2)
    expect(error.kind).toBe('input')
    expect(error.message).toMatch(message)
    expect(error.message.length).toBeLessThan(500)
    expect(error.message).toMatch(printable)
  })
}

export const printable = /^[\x20-\x7e→…]*$/

/** The error with which a file is refused; fails for one that is accepted. */
export function refusal(bytes: w.Bytes): Net2NetError {
  try {
    decodeModel(bytes)
  } catch (error) {
    if (error instanceof Net2NetError) return error
    throw error
  }
  throw new Error('The file was accepted.')
}
