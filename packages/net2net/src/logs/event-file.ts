/**
 * TensorBoard's files: records of TensorFlow, each an Event in protobuf.
 *
 * A record is its length (uint64, little-endian), the masked CRC-32C of that, the bytes, and their masked CRC-32C. See
 * https://www.tensorflow.org/tutorials/load_data/tfrecord and
 * https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'

export interface SummaryEvent {
  /** Seconds since 1970. */
  readonly time: number
  readonly step: number
  /** Numbers by their tags. */
  readonly values: Readonly<Record<string, number>>
}

/** An event with numbers, as a record. */
export function summaryRecord({ time, step, values }: SummaryEvent): Uint8Array {
  const summary = new BinaryWriter()
  for (const [tag, value] of Object.entries(values)) {
    summary.tag(1, WireType.LengthDelimited).fork()
    summary.tag(1, WireType.LengthDelimited).string(tag)
    summary.tag(2, WireType.Bit32).float(value)
    summary.join()
  }
  return record(began(time, step).tag(5, WireType.LengthDelimited).bytes(summary.finish()).finish())
}

/** What every file begins with. */
export const versionRecord = (time: number): Uint8Array =>
  record(began(time, 0).tag(3, WireType.LengthDelimited).string('brain.Event:2').finish())

/** What earlier files say of this step and later ones no longer counts (SessionLog.START). */
export function restartRecord(time: number, step: number): Uint8Array {
  const session = new BinaryWriter().tag(1, WireType.Varint).int32(1).finish()
  return record(began(time, step).tag(7, WireType.LengthDelimited).bytes(session).finish())
}

const began = (time: number, step: number): BinaryWriter =>
  new BinaryWriter().tag(1, WireType.Bit64).double(time).tag(2, WireType.Varint).int64(step)

function record(content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16 + content.length)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, BigInt(content.length), true)
  view.setUint32(8, maskedChecksum(bytes.subarray(0, 8)), true)
  bytes.set(content, 12)
  view.setUint32(12 + content.length, maskedChecksum(content), true)
  return bytes
}

/** CRC-32C (Castagnoli), whose polynomial is 0x1edc6f41, here with its bits reversed. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte
  for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0x82f63b78 : 0)
  return sum
})

function maskedChecksum(bytes: Uint8Array): number {
  let sum = 0xffffffff
  for (const byte of bytes) sum = (sum >>> 8) ^ table[(sum ^ byte) & 255]!
  sum = ~sum
  return (((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0
}
