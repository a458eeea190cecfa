/** How much larger texts are than usual: on very large screens, or as the reader has set the browser. */
export const textScale = (): number =>
  Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 10
