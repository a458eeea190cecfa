/** What Gemm, MatMul and Einsum share. Source: https://onnx.ai/onnx/operators/onnx__MatMul.html */
import { inputError } from '../../errors.ts'
import type { Dim } from '../../model/model.ts'

/** Throws where the inner sizes of a matrix product are known and differ. */
export function agree(a: Dim | undefined, b: Dim | undefined): void {
  if (typeof a === 'number' && typeof b === 'number' && a !== b)
    throw inputError(`The factors of a matrix product have inner sizes ${a} and ${b}.`)
}

/** What a contraction of two computed values does, for messages. */
export const sumsProducts = 'sums products of two activations over it'
