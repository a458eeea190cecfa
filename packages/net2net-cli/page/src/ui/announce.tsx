import { signal } from '@preact/signals'

const message = signal('')

/** Says something to screen readers, once they have finished what they are saying. */
export function announce(text: string): void {
  message.value = text
}

export const Announcer = () => (
  <div class="unseen" role="status" aria-live="polite">
    {message.value}
  </div>
)
