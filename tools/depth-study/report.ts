/** The report of the study: what growth saves first, then the figures. */
import { fileURLToPath } from 'node:url'
import { writeWhole } from 'net2net/files'
import {
  type Estimate,
  estimate,
  excludesZero,
  fixed,
} from '../../packages/net2net-cli/src/sweep/analysis/statistics.ts'
import { type Arm, arms, batchSize, decay, fullDepth, shape, warmUpSequences } from './arms.ts'
import { Figures, full, grown, type Needed, once, type Study, shallow, small } from './figures.ts'
import { lossPlot } from './plot.ts'
import { book } from './text.ts'

const study = fileURLToPath(new URL('../../docs/study/', import.meta.url))

/** Writes the report of what is finished: comparisons are of the seeds with which both arms are. */
export async function writeReport(known: Study, planned: number): Promise<void> {
  const figures = new Figures(known.runs)
  if (figures.seedsOf(full, grown).length === 0) return
  const results = { ...known, runs: known.runs.map(({ curve: _, ...run }) => run) }
  const write = (name: string, content: string) =>
    writeWhole(`${study}${name}`, content, { force: true })
  await write('depth-by-growth.json', `${JSON.stringify(results, null, 1)}\n`)
  await write('depth-by-growth.svg', await lossPlot(known.runs))
  await write('depth-by-growth.md', markdown(known, figures, planned))
}

function range(found: Estimate | undefined, digits: number): string {
  if (!found) return ''
  const { mean, low, high } = found
  return low === undefined || high === undefined
    ? fixed(mean, digits)
    : `${fixed(mean, digits)} (${fixed(low, digits)} to ${fixed(high, digits)})`
}

const percent = (share: number): string => `${(100 * share).toFixed(0)}%`

const shown = (needed: readonly Needed[]): string =>
  needed
    .map(
      ({ share, is }) =>
        `${{ 'at most': '≤ ', about: '', 'more than': '> ' }[is]}${percent(share)}`,
    )
    .join(', ')

/** What was saved, in a sentence. */
function saved(needed: readonly Needed[], what: string): string {
  const never = needed.filter(({ is }) => is === 'more than').length
  const all = `by seed it needs ${shown(needed)} of the ${what}`
  if (never === needed.length)
    return `It never gets there with that much: nothing is saved (${all}).`
  if (never > 0)
    return `It gets there in ${needed.length - never} of ${needed.length} seeds (${all}).`
  const found = estimate(needed.map(({ share }) => 1 - share))!
  // Where it got there before it was first measured, nobody knows how much more was saved.
  const isBound = needed.some(({ is }) => is === 'at most')
  const least = isBound ? 'at least ' : ''
  const interval =
    isBound || found.low === undefined || found.high === undefined
      ? ''
      : ` (95% interval ${percent(found.low)} to ${percent(found.high)})`
  return `It saves ${least}${percent(found.mean)}${interval}: ${all}.`
}

function verdict(difference: Estimate | undefined, arm: string, other: string): string {
  if (!difference) return `No seed is finished with both ${arm} and ${other}.`
  const { mean, low, high, n } = difference
  if (low === undefined || high === undefined)
    return `With one seed, ${arm} ends ${fixed(Math.abs(mean), 4)} ${mean > 0 ? 'lower' : 'higher'} than ${other}; one seed carries no claim.`
  const interval = `${fixed(Math.abs(mean), 4)} (95% interval ${fixed(mean > 0 ? low : -high, 4)} to ${fixed(mean > 0 ? high : -low, 4)})`
  if (!excludesZero(difference))
    return `Over ${n} seeds the data do not say which ends lower, ${arm} or ${other}: they differ by ${interval}.`
  return `Over ${n} seeds ${arm} ends ${interval} ${mean > 0 ? 'lower' : 'higher'} than ${other}.`
}

function markdown(known: Study, figures: Figures, planned: number): string {
  const { compute, rates, text, processor, scale } = known
  const title = (arm: Arm) => `“${arm.title}”`
  const compared = (arm: Arm, other: Arm) =>
    verdict(figures.lower(arm, other), title(arm), title(other))
  const inCompute = saved(
    figures.needed(grown, (end) => end.compute),
    'multiply-adds',
  )
  const inSeconds = saved(
    figures.needed(grown, ({ cpuSeconds }) => cpuSeconds),
    'processor seconds',
  )
  const seeds = figures.seedsOf(full, grown)
  const finished = arms.filter((arm) => figures.seedsOf(arm).length > 0)
  const passes = (arm: Arm) =>
    figures.mean(
      arm,
      ({ steps }) => (steps * (arm.batch ?? batchSize) * shape.length) / text.characters,
    )?.mean ?? Number.NaN
  const most = Math.max(...finished.map(passes))
  const jumps = known.runs.flatMap((run) => run.jumps)
  const whole = (value: Estimate | undefined) =>
    Math.round(value?.mean ?? Number.NaN).toLocaleString('en')
  const table = finished.map(
    (arm) =>
      `| ${[
        arm.title,
        figures.seedsOf(arm).length,
        whole(figures.mean(arm, (_, { parameters }) => parameters)),
        whole(figures.mean(arm, ({ steps }) => steps)),
        passes(arm).toFixed(1),
        whole(figures.mean(arm, ({ cpuSeconds }) => cpuSeconds)),
        range(
          figures.mean(arm, ({ loss }) => loss),
          4,
        ),
        arm === full ? '' : range(figures.lower(arm, full), 4),
      ].join(' | ')} |`,
  )
  const shares = full.ends.map(
    (share) =>
      `| ${percent(share)} | ${[full, grown]
        .map((arm) =>
          range(
            figures.mean(arm, ({ loss }) => loss, share),
            4,
          ),
        )
        .join(' | ')} | ${range(figures.lower(grown, full, share), 4)} |`,
  )
  const bySeed = figures
    .seedsOf()
    .map(
      (seed) =>
        `| ${seed} | ${arms.map((arm) => figures.end(arm, seed)?.loss.toFixed(4) ?? '').join(' | ')} |`,
    )
  const bests = rates
    .filter(({ tried }) => tried.length > 0)
    .map(({ kind, tried }) => `${fixed(Math.min(...tried.map(([, loss]) => loss)), 3)} (${kind})`)
    .join(', ')
  const tried = rates.map(
    ({ kind, rate, tried }) =>
      `| ${kind} | ${tried.map(([one, loss]) => `${one}: ${fixed(loss, 3)}`).join(', ')} | ${rate} |`,
  )
  return `# Depth by growth

<!-- Generated by \`npm run docs:depth\`. Edit tools/depth-study/report.ts. -->

A transformer over characters (width ${shape.width}, ${shape.heads} heads, ${shape.length} characters) with ${fullDepth} layers, twice with the same compute: with ${fullDepth} layers from the start, and grown
from 1 layer to 2, 4 and ${fullDepth} by repeated blocks while the learning rate is constant. The rate of both decays to zero over the last ${percent(decay)} of their
compute, so that a network that was interrupted is never compared with one that was not.

**Is the grown network better at the same compute?** ${compared(grown, full)}

**What does growth save?** ${inCompute} That is the compute after which the grown network, its own decay included, has the test loss with which the full depth ends.
In processor time: ${lowerFirst(inSeconds)}

**Or does it only make more steps?** A shallow network makes more of them with the same compute; so do smaller batches. With batches of ${small.batch} in the place of ${batchSize}: ${compared(small, full)}
${compared(grown, small)}

**All at once, or step by step?** ${compared(once, grown)}

**Was depth needed at all?** ${compared(shallow, full)} ${compared(shallow, grown)}

**With a quarter of the compute**, where learning rates were chosen, the best validation losses of one seed were ${bests}.

**What this does not say.** ${seeds.length === planned ? `${seeds.length} seeds` : `${seeds.length} of ${planned} planned seeds`}, one text, networks of at most ${(figures.run(full, seeds[0]!)!.parameters / 1e6).toFixed(1)} million parameters that see the text ${passes(full).toFixed(1)} to ${most.toFixed(1)} times: all of them are
far from trained to the end, which is where a shallow beginning looks best. When to grow was set beforehand, not searched for. Larger studies differ: up to about half
was saved by stacking in the pretraining of language models (Du et al. 2024, arXiv:2405.15319), and next to nothing against controls with a fully decayed rate (Kaddour et
al. 2023, arXiv:2307.06440).

![Loss over compute](depth-by-growth.svg)

## At the same compute

${(compute / 1e12).toPrecision(2)} · 10¹² multiply-adds for each training, forward and backward. Test loss in nats per character, mean and 95% interval over the seeds (Student’s t); “lower than
the full depth” is paired, seed by seed.

| network | seeds | parameters | steps | times through the text | processor seconds | test loss | lower than the full depth |
|---|---|---|---|---|---|---|---|
${table.join('\n')}

| seed | ${arms.map((arm) => arm.title).join(' | ')} |
|---|${arms.map(() => '---|').join('')}
${bySeed.join('\n')}

## With less compute

Networks that leave the same training earlier, their rates decayed. Test loss, means over the seeds.

| share of the compute | ${full.title} | ${grown.title} | lower by |
|---|---|---|---|
${shares.join('\n')}

## How it was done

- **Text**: ${book.title}, from the npm package ${book.package} (${book.file}, SHA-256 \`${book.sha256}\`; public domain). ${text.characters.toLocaleString('en')} characters
  to train on, of ${text.vocabulary} kinds; behind them a part to choose learning rates by, and the end of the book to report on.
- **Network**: pre-norm blocks in the shape of GPT-2, learned positions, ${shape.heads} heads, a feed-forward layer of ${4 * shape.width} units with GELU. Batches of ${batchSize} sequences.
- **Training**: AdamW (β₂ = 0.95, weight decay 0.1 on matrices), gradients clipped to norm 1, the rate rising over ${warmUpSequences} sequences, constant, and linearly to zero. One thread.
- **Growth**: \`repeat: h.*\` doubles the blocks, copies that add nothing yet behind their originals, when ${grown.growths.map(({ at }) => percent(at)).join(', ')} of the compute are spent (at once: ${once.growths.map(({ at }) => percent(at)).join(', ')}). The
  optimizer’s state goes on; that of the copies begins anew. The loss right after a growth differed from that right before by at most ${Math.max(...jumps).toExponential(0)}.
- **Multiply-adds** are three times those of the forward pass. Processor seconds count all of a training but its measurements, the start of ONNX Runtime after each growth included. The machine
  (${processor}) had other work at the same time.
- **Learning rates** were chosen with another seed and a quarter of the compute, fully decayed, by the validation loss; “1 → 8 at once” has that of the growing network.

| kind | rate: validation loss | chosen |
|---|---|---|
${tried.join('\n')}

Scale \`${scale}\`. Every figure is in [depth-by-growth.json](depth-by-growth.json). \`npm run docs:depth\` does it again, and goes on where it was killed; \`-- --scale full\` has four times the
compute and 12 seeds, for about four hours on two cores.
`
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1)
