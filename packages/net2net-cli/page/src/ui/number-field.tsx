import { useNumberDraft } from './number-draft.ts'

interface NumberFieldProps {
  readonly label: string
  readonly value: number
  readonly min: number
  readonly max?: number
  /** Whole numbers only, unless false. */
  readonly whole?: boolean
  readonly disabled?: boolean
  readonly onValue: (value: number) => void
}

/** Takes a number: what lies outside becomes the nearest that does not, what is none is taken back. */
export function NumberField(props: NumberFieldProps) {
  const {
    label,
    value,
    min,
    max = Number.POSITIVE_INFINITY,
    whole = true,
    disabled,
    onValue,
  } = props
  const draft = useNumberDraft(value, (wanted) => {
    const nearest = Math.min(max, Math.max(min, whole ? Math.round(wanted) : wanted))
    if (!Number.isNaN(wanted) && nearest !== value) onValue(nearest)
  })
  return (
    <label class="field">
      <span>{label}</span>
      <input
        type="number"
        min={min}
        max={props.max}
        step={whole ? 1 : 'any'}
        disabled={disabled}
        {...draft}
      />
    </label>
  )
}
