import { useSignal } from '@preact/signals'

interface OfInput {
  readonly currentTarget: HTMLInputElement
}

/**
 * Attributes of a field for numbers, which keeps what is being typed while the page around it changes. `onNumber` is told a number
 * once it is complete (on Enter, on a step of the arrows, or when the field is left), or NaN; then the field shows `value` again.
 */
export function useNumberDraft(value: number, onNumber: (value: number) => void) {
  const draft = useSignal<string | undefined>(undefined)
  return {
    value: draft.value ?? value,
    onInput: ({ currentTarget }: OfInput) => {
      draft.value = currentTarget.value
    },
    onChange: ({ currentTarget: input }: OfInput) => {
      const wanted = input.valueAsNumber
      draft.value = undefined
      input.value = String(value)
      onNumber(wanted)
    },
    onBlur: () => {
      draft.value = undefined
    },
  }
}
