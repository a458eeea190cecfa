/** Element types of ONNX tensors, by our names (the standard's, in lower case). */
export type DType = keyof typeof dtypes

interface DTypeFacts {
  /** TensorProto.DataType of the ONNX standard. */
  readonly code: number
  /** Bits of one element; 0 for strings, which have no fixed size. */
  readonly bits: number
  readonly kind: 'float' | 'integer' | 'boolean' | 'complex' | 'string'
}

const float = (code: number, bits: number): DTypeFacts => ({ code, bits, kind: 'float' })
const integer = (code: number, bits: number): DTypeFacts => ({ code, bits, kind: 'integer' })

export const dtypes = {
  float32: float(1, 32),
  uint8: integer(2, 8),
  int8: integer(3, 8),
  uint16: integer(4, 16),
  int16: integer(5, 16),
  int32: integer(6, 32),
  int64: integer(7, 64),
  string: { code: 8, bits: 0, kind: 'string' },
  bool: { code: 9, bits: 8, kind: 'boolean' },
  float16: float(10, 16),
  float64: float(11, 64),
  uint32: integer(12, 32),
  uint64: integer(13, 64),
  complex64: { code: 14, bits: 64, kind: 'complex' },
  complex128: { code: 15, bits: 128, kind: 'complex' },
  bfloat16: float(16, 16),
  float8e4m3fn: float(17, 8),
  float8e4m3fnuz: float(18, 8),
  float8e5m2: float(19, 8),
  float8e5m2fnuz: float(20, 8),
  uint4: integer(21, 4),
  int4: integer(22, 4),
  float4e2m1: float(23, 4),
  float8e8m0: float(24, 8),
  uint2: integer(25, 2),
  int2: integer(26, 2),
} as const satisfies Record<string, DTypeFacts>

const byCode = new Map<number, DType>(
  Object.entries(dtypes).map(([name, facts]) => [facts.code, name as DType]),
)

/** The element type with the given TensorProto.DataType code, if the standard has one. */
export const dtypeFromCode = (code: number): DType | undefined => byCode.get(code)

export const isFloat = (dtype: DType): boolean => dtypes[dtype].kind === 'float'

/** Bytes that `count` packed elements take; sub-byte types are padded to whole bytes. */
export const byteLengthOf = (dtype: DType, count: number): number =>
  Math.ceil((count * dtypes[dtype].bits) / 8)
