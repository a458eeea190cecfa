/** Nodes that are none of their operator. */
import { inputError } from '../errors.ts'
import type { Node } from '../model/model.ts'
import { describeNode } from '../model/names.ts'

/**
 * What to throw where a rule threw an error. Rules are written for nodes as the page of the operator has them, and take operands,
 * axes and attributes by their places: what they stumble over in another node is a mistake of the file.
 */
export function brokenNode(node: Node, error: unknown): unknown {
  if (!(error instanceof TypeError || error instanceof RangeError)) return error
  const where = describeNode(node)
  return inputError(
    `${where} is no ${node.opType} as ONNX defines it: its operands and attributes do not fit together.`,
    {
      where,
      cause: error,
      hint: 'onnx.checker.check_model(FILE, full_check=True) of Python may say more.',
    },
  )
}
