import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useRef } from 'preact/hooks'

interface DropProps {
  readonly onFile: (file: File) => void
  readonly class?: string
  readonly children: ComponentChildren
}

/** Takes a dropped file anywhere on its content. */
export function DropArea({ onFile, class: className = '', children }: DropProps) {
  const over = useSignal(0)
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the button beside it does the same
    <div
      class={`drop ${className} ${over.value > 0 ? 'over' : ''}`}
      onDragEnter={(event) => {
        event.preventDefault()
        over.value++
      }}
      onDragOver={(event) => event.preventDefault()}
      onDragLeave={() => {
        over.value = Math.max(0, over.value - 1)
      }}
      onDrop={(event) => {
        event.preventDefault()
        over.value = 0
        const file = event.dataTransfer?.files[0]
        if (file !== undefined) onFile(file)
      }}
    >
      {children}
    </div>
  )
}

/** A button that lets choose a file. */
export function FileButton({
  onFile,
  label,
  name = label,
  primary = false,
}: {
  onFile: (file: File) => void
  label: string
  /** What a screen reader says. */
  name?: string
  primary?: boolean
}) {
  const input = useRef<HTMLInputElement>(null)
  return (
    <>
      <button
        type="button"
        class={primary ? 'primary' : ''}
        aria-label={name}
        onClick={() => input.current?.click()}
      >
        {label}
      </button>
      <input
        ref={input}
        type="file"
        accept=".onnx"
        hidden
        aria-label={name}
        onChange={(event) => {
          const file = event.currentTarget.files?.[0]
          if (file !== undefined) onFile(file)
          event.currentTarget.value = ''
        }}
      />
    </>
  )
}
