/** What a file says beyond what a `Model` shows: carried along, and written back. */
import {
  clearField,
  create,
  type DescMessage,
  isFieldSet,
  isMessage,
  type Message,
  type MessageShape,
} from '@bufbuild/protobuf'
import {
  type OperatorSetIdProto,
  type StringStringEntryProto,
  StringStringEntryProtoSchema,
} from './onnx_pb.ts'

/** A copy of `message` without the named fields; undefined if nothing is left. */
export function passthrough<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  ...shown: readonly string[]
): MessageShape<Desc> | undefined {
  const left = schema.fields.filter(
    (field) => !shown.includes(field.name) && isFieldSet(message, field),
  )
  if (left.length === 0 && !hasUnknown(message)) return undefined
  const rest: MessageShape<Desc> = Object.assign(create(schema), message)
  for (const field of schema.fields) if (shown.includes(field.name)) clearField(rest, field)
  return rest
}

/** A new message to be filled in, with what was left over from reading. */
export function restored<Desc extends DescMessage>(
  schema: Desc,
  rest: unknown,
): MessageShape<Desc> {
  const message = create(schema)
  return isMessage(rest, schema) ? Object.assign(message, rest) : message
}

export const opsetEntry = ({
  domain = '',
  version = 0n,
}: OperatorSetIdProto): [domain: string, version: number] => [domain, Number(version)]

export const metadataEntry = ({
  key = '',
  value = '',
}: StringStringEntryProto): [key: string, value: string] => [key, value]

/** The entries as a model shows them; undefined if there are none, or one key has several. */
export function metadataOf(
  entries: readonly StringStringEntryProto[],
): ReadonlyMap<string, string> | undefined {
  const metadata = new Map(entries.map(metadataEntry))
  const plain = metadata.size === entries.length && !entries.some(hasUnknown)
  return plain && metadata.size > 0 ? metadata : undefined
}

export const metadataProps = (metadata: ReadonlyMap<string, string>): StringStringEntryProto[] =>
  [...metadata].map(([key, value]) => create(StringStringEntryProtoSchema, { key, value }))

export const hasUnknown = (message: Message): boolean => (message.$unknown?.length ?? 0) > 0
