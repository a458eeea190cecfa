/** Hands a file to the user. */
export function saveAs(
  name: string,
  content: Uint8Array<ArrayBuffer> | string,
  type: string,
): void {
  const url = URL.createObjectURL(new Blob([content], { type }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
