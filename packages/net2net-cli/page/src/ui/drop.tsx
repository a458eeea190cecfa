import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useRef } from 'preact/hooks'

interface DropProps {
  /** undefined: whoever is around it takes them. */
  readonly onFiles: ((files: readonly File[]) => void) | undefined
  readonly class?: string
  readonly children: ComponentChildren
}

/** Takes files that are dropped anywhere on its content, unless an area within it takes them. */
export function DropArea({ onFiles, class: className = '', children }: DropProps) {
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
        over.value = 0
        if (event.defaultPrevented || onFiles === undefined) return
        event.preventDefault()
        const files = [...(event.dataTransfer?.files ?? [])]
        if (files.length > 0) onFiles(files)
      }}
    >
      {children}
    </div>
  )
}

/** A file that nobody takes would open in place of the page, and end what goes on there. */
export function refuseStrayFiles(): void {
  for (const type of ['dragover', 'drop'] as const)
    addEventListener(type, (event) => {
      const { dataTransfer } = event
      if (event.defaultPrevented || !dataTransfer?.types.includes('Files')) return
      event.preventDefault()
      dataTransfer.dropEffect = 'none'
    })
}

/** A button that lets choose files: a network, with its external data or what grows along beside it. */
export function FileButton({
  onFiles,
  label,
  name = label,
  primary = false,
}: {
  onFiles: (files: readonly File[]) => void
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
        accept=".onnx,.keras,.h5,.hdf5,.data,.onnx_data,.safetensors,.pt,.pth,.bin,.json"
        multiple
        hidden
        aria-label={name}
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])]
          if (files.length > 0) onFiles(files)
          event.currentTarget.value = ''
        }}
      />
    </>
  )
}
