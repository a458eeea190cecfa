/** Names of copies: `h.3.mlp.weight` becomes `h.3_copy1.mlp.weight` where the block is called `h.3`. */

/** A path (of a parameter, a module, a node) with the mark behind the block's name; undefined where it holds none. */
export function markedPath(
  path: string,
  blocks: readonly string[],
  mark: string,
): string | undefined {
  for (const block of blocks)
    for (let at = path.indexOf(block); at >= 0; at = path.indexOf(block, at + 1)) {
      const end = at + block.length
      const isWhole = /^$|[./]/.test(path.charAt(at - 1)) && /^$|[./]/.test(path.charAt(end))
      if (isWhole) return `${path.slice(0, end)}${mark}${path.slice(end)}`
    }
  return undefined
}

/**
 * A parameter's name with the mark behind the block's, or else behind that of its module. The prefix of names that PyTorch's older exporter
 * invents is left out: zeros under such a name would be taken for its filler.
 */
export function markedParameter(original: string, blocks: readonly string[], mark: string): string {
  const name = original.replace(/^onnx::/, '')
  const at = /\.[A-Za-z_]\w*$/.exec(name)?.index ?? name.length
  return markedPath(name, blocks, mark) ?? `${name.slice(0, at)}${mark}${name.slice(at)}`
}

/** What PyTorch's exporter notes of a node: the modules around it, and its operation as the last. */
export function markedScopes(text: string, blocks: readonly string[], mark: string): string {
  const scopes = [...text.matchAll(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/g)]
  const whole = scopes.map(([quoted]) => markedPath(quoted.slice(1, -1), blocks, mark))
  const isMarked = whole.some((scope) => scope !== undefined)
  let result = ''
  let done = 0
  scopes.forEach(({ 0: quoted, index }, i) => {
    const inner = quoted.slice(1, -1)
    const isModule = !isMarked && i === scopes.length - 2 && inner !== ''
    const scope = whole[i] ?? (isModule ? `${inner}${mark}` : inner)
    result += `${text.slice(done, index)}${quoted[0]}${scope}${quoted[0]}`
    done = index + quoted.length
  })
  return result + text.slice(done)
}
